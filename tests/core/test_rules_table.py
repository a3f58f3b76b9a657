"""The two tables of the core, row by row: the release rules and the transitions of a booking's life."""

import itertools
from typing import NamedTuple, get_args

import msgspec
import pytest
from timeline import MIDNIGHT, PIR, RADAR, at, booking

from gateway.core import rules
from gateway.core.decisions import Reason
from gateway.core.life import CAUSES, TRANSITIONS, Cause, ImpossibleTransition, Life, Released, State
from gateway.core.occupancy import Proof
from gateway.core.policy import Policy, RoomConfig
from gateway.core.rules import RELEASE_RULES, Case, Rule, Weight, first_objection, stops_release_under_way
from gateway.core.units import HOUR_MS, MINUTE_MS, NEVER

NAMES = [rule.__name__ for _, rule in RELEASE_RULES]


def life(**changes: object) -> Life:
    """A booking from 09:00 to 10:00 that nobody came to, warned at 09:10, with 10 minutes of grace."""
    values: dict[str, object] = {
        "booking": booking("09:00", "10:00", "b"),
        "first_seen_at": MIDNIGHT,
        "state": "open",
        "policy": Policy(),
        "grace_ms": 10 * MINUTE_MS,
        "live": True,
        "warned_at": at("09:10"),
    }
    return Life(**values | changes)  # type: ignore[arg-type] # keyword pass-through


def proof(**changes: object) -> Proof:
    """Proven empty from 08:30 to 09:13 by a radar and a PIR."""
    values: dict[str, object] = {
        "blocked": None,
        "since": at("08:30"),
        "until": at("09:13"),
        "provers": ("radar", "pir"),
        "lone": False,
        "motion_only": False,
    }
    return Proof(**values | changes)  # type: ignore[arg-type] # keyword pass-through


def case(**changes: object) -> Case:
    """A case at 09:13 that every rule permits, with some of it changed."""
    values: dict[str, object] = {
        "now": at("09:13"),
        "room": RoomConfig("orion", sensors=(RADAR, PIR)),
        "life": life(),
        "proof": proof(),
        "deaf": None,
        "calendar_read_at": at("09:13"),
        "calendar_why": "",
        "unseen_streak": 0,
        "overlapped_by": None,
        "released": None,
    }
    return Case(**values | changes)  # type: ignore[arg-type] # keyword pass-through


class Objection(NamedTuple):
    """A change of the permitted case to which exactly one rule should object."""

    rule: str
    code: str
    case: Case


def _booked(**changes: object) -> Life:
    return life(booking=booking("09:00", "10:00", "b", **changes))


def _left_early() -> Life:
    return life(state="checked_in", policy=Policy(end_early=True), release_kind="end_early")


def _unsupported(*supported: str) -> Case:
    """Both kinds prove it, and the history of only some of them supports an early end."""
    room = RoomConfig("orion", sensors=(RADAR, PIR), early_end_by=supported)
    return case(life=_left_early(), room=room, proof=proof(until=at("09:40"), provers=("radar", "pir")))


OBJECTIONS = (
    Objection("kept", "kept", case(life=life(kept=True))),
    Objection("room_exempt", "exempt_room", case(room=RoomConfig("orion", exempt=True))),
    Objection("all_day", "exempt_all_day", case(life=_booked(all_day=True))),
    Objection("too_long", "exempt_length", case(life=life(booking=booking("09:00", "12:01", "b")))),
    Objection("marked", "exempt_organizer", case(life=_booked(marks=("organizer",)))),
    Objection("marked", "exempt_category", case(life=_booked(marks=("category",)))),
    Objection(
        "own_booking",
        "exempt_own_booking",
        case(
            life=life(
                booking=booking("09:00", "10:00", "b", room_organises=True),
                policy=Policy(release_own_bookings=False),
            )
        ),
    ),
    Objection("never_twice", "released_before", case(released=Released(at("08:00"), "id-b"))),
    Objection(
        "too_short",
        "too_short",
        case(life=life(grace_ms=51 * MINUTE_MS), proof=proof(since=at("08:00"), until=at("09:51"))),
    ),
    Objection("never_twice", "lengthened_again", case(life=life(restored=True))),
    Objection(
        "both_kinds_prove",
        "no_second_kind",
        case(life=_left_early(), proof=proof(until=at("09:40"), provers=("radar",))),
    ),
    Objection("history_supports", "no_history", _unsupported("radar")),
    Objection("room_paused", "paused", case(paused_at=at("09:00"))),
    Objection("breaker_closed", "breaker_open", case(breaker=Reason("breaker_open", at=at("09:00")))),
    Objection("calendar_fresh", "calendar_doubted", case(doubted_at=at("09:12"))),
    Objection("hearing", "not_hearing", case(deaf=Reason("not_hearing", text="boot"))),
    Objection("hearing", "clock_untrusted", case(deaf=Reason("clock_untrusted"))),
    Objection("calendar_fresh", "calendar_stale", case(calendar_read_at=at("09:07:59"))),
    Objection("calendar_fresh", "calendar_stale", case(calendar_read_at=NEVER)),
    Objection("not_overlapped", "overlaps_attended", case(overlapped_by=(at("08:30"), at("09:30")))),
    Objection("lone_prover_alive", "maybe_stuck_off", case(unseen_streak=3, proof=proof(lone=True))),
    Objection(
        "nothing_shown", "shows_presence", case(proof=proof(blocked=Reason("shows_presence", sensor="pir")))
    ),
    Objection("nothing_shown", "overdue", case(proof=proof(blocked=Reason("overdue", sensor="pir")))),
    Objection(
        "time_left",
        "too_little_left",
        case(now=at("09:50:01"), calendar_read_at=at("09:50"), proof=proof(until=at("09:50"))),
    ),
    Objection("not_retrying", "write_failed", case(life=life(retry_at=at("09:13:01")))),
    Objection("due_reached", "not_due", case(life=life(first_seen_at=at("09:03:01")))),
    Objection("vacant_long_enough", "vacancy_too_young", case(proof=proof(since=at("09:03:01")))),
    Objection("vacant_long_enough", "proof_awaited", case(proof=proof(until=at("09:09:59")))),
    Objection("warned", "warning_first", case(life=life(warned_at=NEVER))),
    Objection("warned", "warning_runs", case(life=life(warned_at=at("09:10:01")))),
)

NEIGHBOURS = {
    # A booking that is not due yet is not proven past its due either.
    ("due_reached", "not_due"): {"vacant_long_enough"},
    # A grace of 51 minutes in an hour leaves 9.
    ("too_short", "too_short"): {"time_left", "due_reached", "vacant_long_enough"},
}


def objecting(looked_at: Case) -> set[str]:
    """The names of all rules that object, not just the first."""
    return {rule.__name__ for _, rule in RELEASE_RULES if rule(looked_at) is not None}


def test_the_plain_ghost_is_permitted_by_every_rule() -> None:
    """An unseen booking, due, warned and proven empty for its grace meets no objection."""
    assert objecting(case()) == set()
    assert first_objection(case()) is None


@pytest.mark.parametrize("objection", OBJECTIONS, ids=lambda o: f"{o.rule}-{o.code}")
def test_each_rule_objects_to_its_own_case(objection: Objection) -> None:
    """One change to the permitted case: its rule objects with its code, and no unrelated rule does."""
    rule = getattr(rules, objection.rule)
    assert rule(objection.case).code == objection.code
    allowed = NEIGHBOURS.get((objection.rule, objection.code), set())
    assert objecting(objection.case) - allowed == {objection.rule}


def test_no_rule_is_without_an_objection_case() -> None:
    """Adding a rule to the table without a row here fails."""
    assert {objection.rule for objection in OBJECTIONS} == set(NAMES)


def test_the_table_lists_each_rule_once_in_its_order() -> None:
    """People read the first objection, so the order is a promise: never, then doubt, then time."""
    assert NAMES == [
        "kept",
        "room_exempt",
        "all_day",
        "too_long",
        "marked",
        "own_booking",
        "never_twice",
        "too_short",
        "both_kinds_prove",
        "history_supports",
        "hearing",
        "calendar_fresh",
        "not_overlapped",
        "lone_prover_alive",
        "nothing_shown",
        "time_left",
        "not_retrying",
        "room_paused",
        "breaker_closed",
        "due_reached",
        "vacant_long_enough",
        "warned",
    ]
    weights = [weight for weight, _ in RELEASE_RULES]
    assert [weight for weight, _ in itertools.groupby(weights)] == list(get_args(Weight))


def test_the_earlier_of_two_objections_is_the_one_that_people_see() -> None:
    """With two troubles at once the table's order decides which one is told."""
    both = case(life=life(kept=True), deaf=Reason("clock_untrusted"))
    assert first_objection(both) == ("never", Reason("kept"))
    assert first_objection(both, "doubt") == ("doubt", Reason("clock_untrusted"))
    assert first_objection(both, "time") is None


@pytest.mark.parametrize(
    ("permitted", "refused", "rule"),
    [
        (case(life=_booked()), case(life=life(booking=booking("09:00", "12:00:01", "b"))), rules.too_long),
        (case(life=life(booking=booking("09:00", "09:20", "b"))), None, rules.too_short),
        (None, case(life=life(booking=booking("09:00", "09:19:59", "b"))), rules.too_short),
        (case(calendar_read_at=at("09:08")), None, rules.calendar_fresh),
        (
            case(unseen_streak=2, proof=proof(lone=True)),
            case(unseen_streak=3, proof=proof(lone=True)),
            rules.lone_prover_alive,
        ),
        (case(now=at("09:50")), case(now=at("09:50:01")), rules.time_left),
        (case(now=at("09:10")), case(now=at("09:09:59")), rules.due_reached),
        (
            case(proof=proof(since=at("09:00"), until=at("09:10"))),
            case(proof=proof(since=at("09:00:01"), until=at("09:10"))),
            rules.vacant_long_enough,
        ),
        (case(now=at("09:13")), case(now=at("09:12:59")), rules.warned),
        (case(life=life(retry_at=at("09:13"))), None, rules.not_retrying),
    ],
)
def test_the_edge_belongs_to_one_side(permitted: Case | None, refused: Case | None, rule: Rule) -> None:
    """Exactly at its limit a rule permits; one step beyond it objects."""
    assert permitted is None or rule(permitted) is None
    assert refused is None or rule(refused) is not None


@pytest.mark.parametrize(
    ("seen", "motion_only", "grace_min", "window_min"),
    [
        (False, False, 10, 10),
        (False, True, 10, 10),
        (True, False, 10, 15),
        (True, True, 10, 25),
        (True, True, 30, 30),
    ],
)
def test_a_visited_booking_needs_the_longer_vacancy(
    seen: bool, motion_only: bool, grace_min: int, window_min: int
) -> None:
    """Grace for a no-show; 15 min after a visit, 25 where only motion proves, never less than the grace."""
    looked_at = case(
        life=life(seen_at=at("09:01") if seen else NEVER, grace_ms=grace_min * MINUTE_MS),
        proof=proof(motion_only=motion_only),
    )
    assert looked_at.window_ms == window_min * MINUTE_MS


def test_a_room_without_any_prover_is_refused_not_crashed_over() -> None:
    """No sensor can prove the room, and it has a streak of unseen bookings: withheld with a reason."""
    nobody = proof(blocked=Reason("no_prover"), since=NEVER, until=NEVER, provers=(), lone=True)
    objection = first_objection(case(unseen_streak=5, proof=nobody), "doubt")
    assert objection is not None
    assert objection[1].code == "no_prover"


@pytest.mark.parametrize(
    "objection",
    [o for o in OBJECTIONS if RELEASE_RULES[NAMES.index(o.rule)][0] == "never" and o.rule != "too_short"],
    ids=lambda o: f"{o.rule}-{o.code}",
)
def test_whatever_forbids_a_release_also_stops_one_under_way(objection: Objection) -> None:
    """A booking that becomes exempt between decision and write is not released (W6)."""
    under_way = objection.case._replace(life=_releasing(objection.case.life))
    assert stops_release_under_way(under_way) is not None


@pytest.mark.parametrize(
    "stopped",
    [
        case(deaf=Reason("not_hearing")),
        case(overlapped_by=(at("08:30"), at("09:30"))),
        case(proof=proof(blocked=Reason("overdue", sensor="pir"))),
        case(proof=proof(since=at("09:05"))),
        case(proof=proof(until=NEVER)),
    ],
)
def test_any_new_doubt_stops_a_release_under_way(stopped: Case) -> None:
    """Deafness, an overlapping meeting, an ill sensor, a fresh sign, lost proof: each withdraws it."""
    assert stops_release_under_way(case(life=_releasing(life()))) is None
    assert stops_release_under_way(stopped._replace(life=_releasing(stopped.life))) is not None


def _releasing(decided: Life) -> Life:
    return msgspec.structs.replace(decided, state="releasing")


# -- transitions --------------------------------------------------------------------------------------

STATES: tuple[State, ...] = get_args(State)
ALL_CAUSES: tuple[Cause, ...] = get_args(Cause)


@pytest.mark.parametrize(("state", "cause"), list(itertools.product(STATES, ALL_CAUSES)))
def test_a_booking_moves_only_as_the_table_says(state: State, cause: Cause) -> None:
    """Every pair in the table leads to its target; every pair that is not there raises, and moves nothing."""
    moved = life(state=state)
    if (state, cause) in TRANSITIONS:
        moved.move(cause)
        assert moved.state == TRANSITIONS[state, cause]
    else:
        with pytest.raises(ImpossibleTransition, match=f"{state} has no transition for {cause}"):
            moved.move(cause)
        assert moved.state == state


def test_every_state_is_reached_from_upcoming_and_reaches_over() -> None:
    """No state is dead, and none is a trap."""

    def reachable(start: State) -> set[State]:
        found: set[State] = {start}
        while True:
            more = {target for (state, _), target in TRANSITIONS.items() if state in found} - found
            if not more:
                return found
            found |= more

    assert reachable("upcoming") == set(STATES)
    for state in STATES:
        assert "over" in reachable(state)


def test_every_cause_is_used_and_worded() -> None:
    """The diagram is generated from these tables: a cause without a sentence would be a blank arrow."""
    assert {cause for _, cause in TRANSITIONS} == set(ALL_CAUSES) == set(CAUSES)


def test_nothing_leads_from_attended_to_release_but_end_early() -> None:
    """W3 in the table itself: a checked-in booking is moved, ends, or is ended early where that is on."""
    assert {cause for state, cause in TRANSITIONS if state == "checked_in"} == {"moved", "ended", "end_early"}
    assert [state for state, cause in TRANSITIONS if cause == "end_early"] == ["checked_in"]


def test_released_comes_only_from_exchanges_confirmation() -> None:
    """`released` is set by a confirmation and by nothing else."""
    causes = {cause for (_, cause), target in TRANSITIONS.items() if target == "released"}
    assert causes == {"confirmed"}


def test_the_exempt_length_of_a_whole_morning_is_left_alone() -> None:
    """Exactly the limit is still released; the rule says "longer than"."""
    three_hours = life(booking=booking("09:00", "12:00", "b"))
    assert rules.too_long(case(life=three_hours)) is None
    assert three_hours.policy.exempt_longer_than_ms == 3 * HOUR_MS
