"""The invariants' checkers: a good history satisfies each of them, and each of them can fail."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from timeline import RADAR, Timeline, at, booking

from gateway.core.booking import Booking
from gateway.core.decisions import Decision, Outcome, Reason, Tally, Write
from gateway.core.events import (
    AnyEvent,
    CalendarRead,
    CheckedIn,
    ClockTrust,
    Configured,
    Kept,
    LinkDown,
    LinkUp,
    Reading,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import BreakerPolicy, RoomConfig, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, NEVER, SECOND_MS
from gateway.ledger import Counts, OutboxRow
from simulators.invariants import CHECKERS, Invariants, Violation, check, check_end, wrongly_released
from simulators.invariants.story import Story, Talk
from simulators.observed import Delivery, Effect, Observed, Read, Recorded, Trouble
from simulators.people import Visit

GHOST = "uid-09:00"
MEETING = "uid-10:30"
READ_BEFORE_MS = 200
EFFECT_AFTER_MS = 400


# -- a good history ------------------------------------------------------------------------------------


def good_day() -> Observed:
    """A ghost at 09:00, released at 09:10; a meeting at 10:30, checked in; a calm end at noon."""
    day = Timeline(RADAR)
    day.book(booking("09:00", "10:00"), booking("10:30", "11:30"), booking("11:45", "13:00"))
    day.until("10:31").show("radar")
    day.until("11:29")
    checked_in = day.first("checked_in").write
    assert checked_in is not None
    day.tell(WriteOutcome("orion", checked_in.id, "applied"))
    day.clear("radar")
    day.until("11:50")
    return observed_of(day.log)


def observed_of(log: list[tuple[AnyEvent, int]]) -> Observed:
    """What an observer saw of a gateway to which this happened, and which did everything right."""
    site = Site()
    seen = Observed(log[0][1], {})
    for seq, (event, moment) in enumerate(log, start=1):
        seen.journal.append(Recorded(seq, moment, event))
        for decision in site.handle(event, moment):
            seen.decisions.append((seq, decision))
            if decision.write is not None:
                _carry_out(seen, decision, decision.write)
        if isinstance(event, Reading):
            said = Delivery(event.sensor, b"", moment, moment + SECOND_MS, seq, (event,), event.sensor)
            seen.deliveries.append(said)
    room = site.rooms["orion"]
    seen.rooms = {"orion": room.state.config}
    seen.now = log[-1][1]
    seen.healed_at = at("08:00")
    calendar = tuple(room.state.calendar.values())
    seen.calendars, seen.known = {"orion": calendar}, {"orion": calendar}
    seen.visits = {"orion": (Visit("orion", at("10:31"), at("11:29"), 3, "lively", MEETING),)}
    seen.counts = {"radar": Counts(accepted=len(seen.deliveries))}
    return seen


def _carry_out(seen: Observed, decision: Decision, write: Write) -> None:
    seen.outbox.append(OutboxRow(decision.room, decision.booking, write, "applied"))
    seen.reads.append(Read(decision.at + READ_BEFORE_MS, decision.room, write.event_id))
    deed: Literal["declined", "marked"] = "declined" if write.action == "release" else "marked"
    effect = Effect(decision.at + EFFECT_AFTER_MS, decision.room, decision.booking, deed, "gateway")
    seen.effects.append(effect)


GOOD = good_day()
RELEASE_SEQ, RELEASE = next((seq, d) for seq, d in GOOD.decisions if d.kind == "release")


def but(**changes: Any) -> Observed:
    """The good day, but for these fields."""
    return dataclasses.replace(GOOD, **changes)


def inserted(moment: int, *events: AnyEvent) -> Observed:
    """The good day with further entries in its journal, before everything else of that instant."""
    place = next(index for index, entry in enumerate(GOOD.journal) if entry.at >= moment)
    entries = [
        *GOOD.journal[:place],
        *(Recorded(0, moment, event) for event in events),
        *GOOD.journal[place:],
    ]
    moved = place + len(events)
    decisions = [(seq + len(events) if seq > place else seq, d) for seq, d in GOOD.decisions]
    journal = [entry._replace(seq=seq) for seq, entry in enumerate(entries, start=1)]
    assert journal[moved].event == GOOD.journal[place].event
    return but(journal=journal, decisions=decisions)


def replaced(seq: int, event: AnyEvent) -> Observed:
    """The good day with another entry in the place of one."""
    journal = [e._replace(event=event) if e.seq == seq else e for e in GOOD.journal]
    return but(journal=journal)


def decided(seq: int, *decisions: Decision, without: tuple[str, ...] = ()) -> Observed:
    """The good day with further decisions of an entry, before those that it has, and without some kinds."""
    kept = [(s, d) for s, d in GOOD.decisions if d.kind not in without]
    return but(decisions=sorted([*((seq, d) for d in decisions), *kept], key=lambda item: item[0]))


def tick_before(moment: int) -> Recorded:
    """The newest tick before an instant."""
    return [e for e in GOOD.journal if isinstance(e.event, Tick) and e.at < moment][-1]


def shown(value: int = 1) -> Reading:
    """What the radar says."""
    return Reading("radar", "presence", value)


def calendar(*changed: Booking, removed: tuple[str, ...] = ()) -> CalendarRead:
    """A complete read."""
    return CalendarRead("orion", at("00:00"), at("00:00") + 2 * DAY_MS, changed, removed)


# -- and what must be found -------------------------------------------------------------------------------


def acknowledged_too_early() -> Observed:
    """Presence was acknowledged before its entry was durable."""
    deliveries = [
        d._replace(journal_at_ack=d.journal_at_ack - 1) if d.means == (shown(),) else d
        for d in GOOD.deliveries
    ]
    return but(deliveries=deliveries)


def acknowledged_and_lost() -> Observed:
    """Presence was acknowledged and is not in the journal at all."""
    lost = Delivery("radar", b"", at("09:30"), at("09:31"), GOOD.journal[-1].seq, (shown(),), "radar")
    return but(deliveries=[*GOOD.deliveries, lost])


def repeated_after_a_late_clear(made: str) -> Observed:
    """Presence is shown, a clear comes that was made at another time, presence is repeated and folded."""
    on, clear = Reading("radar", "presence", 1, made_at=at("10:40")), Reading("radar", "presence", 0)
    clear = msgspec.structs.replace(clear, made_at=at(made))
    story = inserted(at("10:40:10"), on, clear)
    journal = [e._replace(at=at("10:40:30")) if e.event == clear else e for e in story.journal]
    end = journal[-1].seq
    said = [Delivery("radar", b"", at(t), at(t), end, (on,), "radar") for t in ("10:40:10", "10:40:50")]
    return dataclasses.replace(story, journal=journal, deliveries=said)


def by_a_wrong_clock() -> Observed:
    """The gateway's clock was five minutes ahead; true instants are what an observer tells."""
    early = 5 * MINUTE_MS
    reads = [read._replace(at=read.at - early) for read in GOOD.reads]
    return but(
        journal=[e._replace(at=e.at - early, written_at=e.at) for e in GOOD.journal],
        effects=[e._replace(at=e.at - early) for e in GOOD.effects],
        reads=reads,
    )


def came_before_the_write() -> Observed:
    """Presence was durable before the last look at the occurrence, and nothing was withdrawn."""
    story = inserted(RELEASE.at + 1, shown())
    seq = next(e.seq for e in story.journal if e.at == RELEASE.at + 1)
    heard = Delivery("radar", b"", RELEASE.at + 1, RELEASE.at + 2, seq, (shown(),), "radar")
    return dataclasses.replace(story, deliveries=[heard])


def never_seen_before(count: int) -> Observed:
    """So many bookings in a row in which the only sensor saw nobody."""
    old = [booking("08:00", "08:01", key=f"old-{number}") for number in range(count)]
    story = inserted(at("08:30"), calendar(*old), Tick())
    seq = next(e.seq for e in story.journal if e.at == at("08:30") and isinstance(e.event, Tick))
    ends = [
        (seq, Decision("concluded", "orion", at("08:30"), b.key, tally=Tally("no_show_kept"))) for b in old
    ]
    return dataclasses.replace(story, decisions=sorted([*ends, *story.decisions], key=lambda item: item[0]))


def stuck(hours: int) -> Observed:
    """A sensor that was on for so long has checked a booking in."""
    begin = at("10:31") - hours * HOUR_MS
    entries = [e._replace(at=begin) if e.at < at("10:30") else e for e in GOOD.journal]
    quiet = [e for e in entries if e.event != shown(0) and e.at <= at("10:31") + MINUTE_MS]
    seen = [e._replace(event=shown()) if isinstance(e.event, Reading) and e.at == begin else e for e in quiet]
    kept = {e.seq for e in seen}
    return but(journal=seen, decisions=[(s, d) for s, d in GOOD.decisions if s in kept and s > RELEASE_SEQ])


def unheeded() -> Observed:
    """Nothing was said about a booking that has long been due."""
    silent = ("warned", "release", "released", "withheld", "concluded")
    end = at("09:55")
    return but(
        journal=[e for e in GOOD.journal if e.at <= end],
        decisions=[(s, d) for s, d in GOOD.decisions if d.at <= end and d.kind not in silent],
        now=end,
    )


def without_cause() -> Observed:
    """A ghost's time was lost, and its cause is empty."""
    tally = Tally("no_show_kept", HOUR_MS, ghost_ms=HOUR_MS)
    return decided(RELEASE_SEQ, Decision("concluded", "orion", RELEASE.at, GHOST, tally=tally))


def silent_site(rooms: int, *, opened: bool = False) -> Observed:
    """Four rooms, so many of them with a booking that is long due, when one is released."""
    names = [f"room-{number}" for number in range(4)]
    site = SiteConfig(tuple(RoomConfig(name, mode="live") for name in names), breaker=BreakerPolicy())
    start, later = at("09:00"), at("09:30")
    events: list[tuple[int, AnyEvent]] = [(at("08:50"), Configured(site))]
    ghost = booking("09:00", "10:00")
    events += [(at("08:51"), CalendarRead(name, 0, later + DAY_MS, (ghost,))) for name in names[:rooms]]
    events += [(start, Tick()), (later, Tick()), (later + MINUTE_MS, Tick())]
    seen = Observed(at("08:50"), {room.id: room for room in site.rooms})
    seen.journal = [Recorded(seq, moment, event) for seq, (moment, event) in enumerate(events, start=1)]
    tick = len(events)
    seen.decisions = [(tick - 2, Decision("opened", name, start, GHOST, live=True)) for name in names[:rooms]]
    if opened:
        seen.decisions.append((tick - 1, Decision("breaker_opened", "", later)))
    seen.decisions.append((tick, Decision("release", names[0], later + MINUTE_MS, GHOST, live=True)))
    return seen


def state_of_release(state: str) -> list[OutboxRow]:
    """The outbox with the release in another state."""
    return [
        msgspec.structs.replace(row, state=state) if row.write.action == "release" else row
        for row in GOOD.outbox
    ]


def by(hand: str, deed: str, moment: int) -> list[Effect]:
    """The effects, and one more on the ghost before the gateway's."""
    extra = Effect(moment, "orion", GHOST, deed, hand)  # type: ignore[arg-type] # plain strings read better
    return sorted([extra, *GOOD.effects])


FLAPPING = [shown(value) for _ in range(130) for value in (1, 0)]
GHOST_MOVED = msgspec.structs.replace(booking("09:00", "10:00"), start=at("09:02"))
NEXT_TO_IT = booking("09:05", "09:45", key="rival")

BROKEN: dict[str, dict[str, Callable[[], Observed]]] = {
    "L1": {
        "too early": acknowledged_too_early,
        "lost": acknowledged_and_lost,
        "cleared between": lambda: repeated_after_a_late_clear("10:40:20"),
    },
    "L2": {
        "no tick": lambda: replaced(RELEASE_SEQ, Reading("radar", "alive", 1)),
        "no entry": lambda: but(journal=GOOD.journal[: RELEASE_SEQ - 1]),
        "no row": lambda: but(outbox=GOOD.outbox[1:]),
        "no decision": lambda: decided(1, without=("release",)),
    },
    "L3": {
        "left open": lambda: but(outbox=state_of_release("unclear")),
        "no word": lambda: but(outbox=state_of_release("expired")),
        "no fact": lambda: but(journal=[e for e in GOOD.journal if not isinstance(e.event, WriteOutcome)]),
        "twice": lambda: inserted(at("09:30"), WriteOutcome("orion", 1, "applied")),
    },
    "L4": {"twice": lambda: but(effects=[GOOD.effects[0], *GOOD.effects])},
    "L5": {
        "another reason": lambda: decided(RELEASE_SEQ, Decision("occupancy", "orion", RELEASE.at)),
        "a lost fact": lambda: replaced(RELEASE_SEQ - 1, ClockTrust(trusted=False)),
        "runs backwards": lambda: replaced(2, Reading("nobody", "alive", 1)),
    },
    "L6": {
        "unknown": lambda: but(known={"orion": ()}),
        "invented": lambda: but(calendars={"orion": ()}),
        "another end": lambda: but(calendars={"orion": (booking("11:45", "14:00"),)}),
        "dropped": lambda: inserted(at("09:30"), calendar(removed=("uid-11:45",))),
    },
    "L7": {"extended": lambda: but(effects=by("person", "extended", RELEASE.at + 100))},
    "L8": {
        "too many": lambda: but(counts={"radar": Counts(accepted=9, folded=9_000)}),
        "more accepted than recorded": lambda: but(
            counts={"radar": Counts(accepted=len(GOOD.deliveries))}, journal=GOOD.journal[:50], decisions=[]
        ),
        "too few": lambda: but(counts={"radar": Counts(accepted=9)}),
    },
    "W1": {
        "shows presence": lambda: inserted(at("09:05"), shown()),
        "within hold": lambda: inserted(at("09:05"), shown(), shown(0)),
        "silent": lambda: but(
            journal=[
                e
                for e in GOOD.journal
                if not (isinstance(e.event, Reading) and at("08:40") < e.at <= RELEASE.at)
            ]
        ),
        "came before the write": came_before_the_write,
    },
    "W2": {
        "no link": lambda: inserted(at("09:05"), LinkDown()),
        "a gap": lambda: inserted(at("09:05"), LinkDown(), LinkUp(session_present=True), shown(0)),
        "state unheard": lambda: inserted(at("08:30"), LinkDown(), LinkUp(session_present=True)),
        "blind": lambda: but(troubles=[Trouble("broker_down", at("08:50"), blinds=True)]),
        "was blind": lambda: but(troubles=[Trouble("broker_down", at("08:50"), at("09:05"), blinds=True)]),
    },
    "W3": {
        "by a person": lambda: inserted(at("09:05"), CheckedIn("orion", GHOST)),
        "by a sensor": lambda: decided(
            tick_before(RELEASE.at).seq,
            Decision("checked_in", "orion", tick_before(RELEASE.at).at, GHOST),
        ),
        "lost": lambda: decided(
            GOOD.decisions[-1][0], Decision("check_in_dropped", "orion", GOOD.now, "uid-11:45")
        ),
    },
    "W4": {
        "not read": lambda: but(reads=[]),
        "read long ago": lambda: but(reads=[r._replace(at=r.at - MINUTE_MS) for r in GOOD.reads]),
        "gone": lambda: inserted(at("09:05"), calendar(removed=(GHOST,))),
        "another version": lambda: inserted(
            at("09:05"), calendar(msgspec.structs.replace(booking("09:00", "10:00"), end=at("11:00")))
        ),
    },
    "W5": {
        "moved": lambda: inserted(at("09:05"), calendar(GHOST_MOVED)),
        "not trusted": lambda: inserted(at("09:05"), ClockTrust(trusted=False)),
        "backwards": lambda: but(
            journal=[e._replace(at=at("07:00")) if e.seq == 50 else e for e in GOOD.journal]
        ),
    },
    "W6": {
        "kept": lambda: inserted(at("09:05"), Kept("orion", GHOST)),
        "marked": lambda: inserted(
            at("09:05"), calendar(msgspec.structs.replace(booking("09:00", "10:00"), marks=("category",)))
        ),
        "overlaps": lambda: inserted(at("09:05"), calendar(NEXT_TO_IT), CheckedIn("orion", "rival")),
        "shadow": lambda: replaced(
            1,
            Configured(
                SiteConfig(
                    (msgspec.structs.replace(GOOD.rooms["orion"], mode="shadow"),),
                )
            ),
        ),
    },
    "W7": {
        "ought to be open": lambda: silent_site(3),
        "is open": lambda: silent_site(1, opened=True),
    },
    "W8": {
        "stuck off": lambda: never_seen_before(3),
        "stuck on": lambda: stuck(7),
        "flapping": lambda: inserted(at("10:30") + 1, *FLAPPING),
    },
    "W10": {
        "no decision": lambda: decided(1, without=("release",)),
        "not committed": lambda: but(outbox=state_of_release("verifying")),
    },
    "people_inside": {
        "wrong release": lambda: but(
            visits={"orion": (Visit("orion", at("09:05"), at("09:50"), 2, "quiet"),)}
        ),
    },
    "due": {"unheeded": unheeded, "no cause": without_cause},
    "bounded": {"disk": lambda: but(disk_bytes=2**40)},
}
NEARLY: dict[str, dict[str, Callable[[], Observed]]] = {
    "L1": {"cleared before": lambda: repeated_after_a_late_clear("10:30")},
    "W7": {"one silent room": lambda: silent_site(1)},
    "W8": {"two unseen": lambda: never_seen_before(2), "on for five hours": lambda: stuck(5)},
    "people_inside": {
        "came after the last look": lambda: but(
            visits={"orion": (Visit("orion", RELEASE.at + 300, at("09:50"), 2, "quiet"),)}
        ),
        "nobody could notice": lambda: but(
            visits={"orion": (Visit("orion", at("09:05"), at("09:50"), 2, "quiet"),)},
            troubles=[Trouble("messages_lost", at("09:00"), at("09:06"), "orion", detectable=False)],
        ),
    },
    "W2": {"only slow": lambda: but(troubles=[Trouble("disk_slow", at("08:50"))])},
    "L7": {"before the decision": lambda: but(effects=by("person", "extended", at("08:50")))},
}
"""What is close to a violation and is none."""


def judge(name: str, seen: Observed) -> list[Violation]:
    """What one checker says to it, its end included."""
    return Invariants({name: CHECKERS[name]}).check_end(seen)


def cases(table: dict[str, dict[str, Callable[[], Observed]]]) -> list[Any]:
    """Each as a parameter of its own."""
    return [
        pytest.param(name, make, id=f"{name}-{what}")
        for name, row in table.items()
        for what, make in row.items()
    ]


@pytest.mark.parametrize("name", CHECKERS)
def test_a_good_day_satisfies_each_checker(name: str) -> None:
    """A ghost released, a meeting checked in, everything in its order: nobody objects."""
    assert judge(name, GOOD) == []


@pytest.mark.parametrize(("name", "make"), cases(BROKEN))
def test_each_checker_finds_what_breaks_its_promise(name: str, make: Callable[[], Observed]) -> None:
    """Proof that each check can fail, under its own name."""
    found = judge(name, make())
    assert found
    assert {violation.invariant for violation in found} == {name}


@pytest.mark.parametrize(("name", "make"), cases(NEARLY))
def test_what_is_close_to_a_violation_is_none(name: str, make: Callable[[], Observed]) -> None:
    """A checker that objects to everything would find every fault."""
    assert judge(name, make()) == []


@pytest.mark.parametrize("name", CHECKERS)
def test_every_checker_has_a_good_and_a_broken_example(name: str) -> None:
    """None is added without the proof that it can fail; each quotes its promise and says what it reads."""
    assert BROKEN[name]
    assert CHECKERS[name].name == name
    assert "Read" in (CHECKERS[name].__doc__ or "")


def test_the_checkers_stand_in_the_order_of_the_table() -> None:
    """L1 to L8, W1 to W10, and what has no number."""
    numbered = [name for name in CHECKERS if name[1:].isdigit()]
    assert numbered == sorted(numbered, key=lambda name: (name[0], int(name[1:])))


# -- reading a world as it grows ----------------------------------------------------------------------


def test_a_world_that_grows_step_by_step_is_judged_as_one_that_is_read_at_once() -> None:
    """However the news is cut, the same violations are found, each told once."""
    whole = inserted(at("09:05"), shown())
    expected = check(whole)
    assert expected
    growing = dataclasses.replace(whole, journal=[], decisions=[], effects=[], reads=[], deliveries=[])
    growing.outbox, growing.counts, growing.known = [], {}, {}
    found: list[Violation] = []
    steps = [at("08:30"), at("09:05"), at("09:12"), at("10:33"), whole.now]
    for step in steps:
        growing.now = step
        upto = [e for e in whole.journal if e.at <= step]
        growing.journal += upto[len(growing.journal) :]
        growing.decisions += [d for d in whole.decisions if d[0] <= len(upto)][len(growing.decisions) :]
        growing.effects += [e for e in whole.effects if e.at <= step][len(growing.effects) :]
        growing.reads += [r for r in whole.reads if r.at <= step][len(growing.reads) :]
        growing.deliveries += [d for d in whole.deliveries if d.delivered_at <= step][
            len(growing.deliveries) :
        ]
        told = {e.event.write for e in upto if isinstance(e.event, WriteOutcome)}
        growing.outbox = [
            row if row.write.id in told else msgspec.structs.replace(row, state="sending")
            for row in whole.outbox[: len(growing.effects)]
        ]
        found += check(growing)
        assert check(growing) == []
    assert sorted(set(found)) == sorted(expected)


def test_a_write_that_ended_stays_as_it_ended() -> None:
    """L3: from one look to the next, a final state does not change."""
    world = but()
    assert check(world) == []
    world.outbox = state_of_release("superseded")
    assert any("was applied and is superseded" in v.what for v in check(world) if v.invariant == "L3")


def test_memory_that_grows_is_found_at_the_end() -> None:
    """What was used in the first hour is the measure."""
    world = but(now=GOOD.started_at + MINUTE_MS, rss_bytes=10**8)
    assert check(world) == []
    world.now, world.rss_bytes = GOOD.now, 10**9
    assert [v.invariant for v in check_end(world)] == ["bounded"]


def test_by_a_clock_that_is_known_to_be_set_everything_holds() -> None:
    """Journal and decisions by the gateway's clock, effects by true time, all five minutes apart."""
    assert check_end(by_a_wrong_clock()) == []


def test_people_inside_are_counted_by_whether_anybody_could_have_noticed() -> None:
    """Wrong releases that are promised not to be, and those that are only bounded and measured."""
    inside = {"orion": (Visit("orion", at("09:05"), at("09:50"), 2, "quiet"),)}
    hidden = [Trouble("messages_lost", at("09:00"), at("09:06"), "orion", detectable=False)]
    elsewhere = [Trouble("messages_lost", at("09:00"), at("09:06"), "vega", detectable=False)]
    assert wrongly_released(GOOD) == (0, 0)
    assert wrongly_released(but(visits=inside)) == (1, 0)
    assert wrongly_released(but(visits=inside, troubles=elsewhere)) == (1, 0)
    assert wrongly_released(but(visits=inside, troubles=hidden)) == (0, 1)


def test_reasons_of_a_release_are_not_believed() -> None:
    """A decision that claims proof which the readings do not give is found all the same."""
    claimed = Reason("proven_vacant", at=at("08:00"), until=at("09:10"))
    world = inserted(at("09:05"), shown())
    world.decisions = [
        (s, msgspec.structs.replace(d, reasons=(claimed,)) if d.kind == "release" else d)
        for s, d in world.decisions
    ]
    assert judge("W1", world)


Told = tuple[int, AnyEvent] | tuple[int, AnyEvent, Decision]
"""When, what, and what was decided at it."""


def story_after(*told: Told) -> Story:
    """What the checkers' story makes of these."""
    story = Story()
    for seq, (now, event, *decided_at_it) in enumerate(told, start=1):
        story.take(Recorded(seq, now, event))
        for decision in decided_at_it:
            story.note(decision)
    return story


def ghost_after(*told: Told) -> Talk:
    """What it knows of the ghost, opened in time, after these."""
    opened: tuple[Told, ...] = (
        (at("08:50"), Configured(SiteConfig((RoomConfig("orion", mode="live"),)))),
        (at("08:51"), calendar(booking("09:00", "10:00"))),
        (at("08:52"), Tick(), Decision("opened", "orion", at("08:52"), GHOST, live=True)),
    )
    return story_after(*opened, *told).rooms["orion"].talks[GHOST]


def concluded(when: str, outcome: Outcome) -> Decision:
    """The ghost is over, and came to this."""
    return Decision("concluded", "orion", at(when), GHOST, tally=Tally(outcome))


@pytest.mark.parametrize(("shown_at", "unseen"), [("08:55", 1), ("09:05", 0)], ids=["before", "within"])
def test_a_booking_is_unseen_only_if_its_rooms_sensor_was_silent_through_it(
    shown_at: str, unseen: int
) -> None:
    """Who comes right after the release shows that the sensor lives."""
    story = story_after(
        (at("08:50"), Configured(SiteConfig((GOOD.rooms["orion"],)))),
        (at("08:51"), shown(0)),
        (at("08:52"), calendar(booking("09:00", "10:00"))),
        (at(shown_at), shown()),
        (at(shown_at) + 1, shown(0)),
        (at("10:00"), Tick(), concluded("10:00", "no_show_released")),
    )
    assert story.rooms["orion"].unseen == unseen


@pytest.mark.parametrize(
    ("made", "alive"), [(None, "09:00"), ("09:20:03", "09:20:03")], ids=["silent", "says"]
)
def test_a_late_message_proves_life_only_from_when_it_may_have_been_made(
    made: str | None, alive: str
) -> None:
    """Right after connecting: as old as the outage, unless the device says when it spoke."""
    late = msgspec.structs.replace(shown(0), made_at=None if made is None else at(made))
    story = story_after(
        (at("08:50"), Configured(SiteConfig((GOOD.rooms["orion"],)))),
        (at("08:51"), LinkUp(session_present=False)),
        (at("09:00"), LinkDown()),
        (at("09:20"), LinkUp(session_present=True)),
        (at("09:20:05"), late),
    )
    assert story.rooms["orion"].ears.by_id["radar"].proof == at(alive)


@pytest.mark.parametrize(
    ("back", "goes_on"), [(booking("09:00", "10:00"), True), (GHOST_MOVED, False)], ids=["same-time", "moved"]
)
def test_a_booking_that_was_cancelled_and_is_back_goes_on_where_it_was(back: Booking, goes_on: bool) -> None:
    """The gateway says nothing of it, so the story knows by the calendar. At another time it opens anew."""
    talk = ghost_after(
        (at("09:03"), calendar(removed=(GHOST,))),
        (at("09:04"), Tick(), concluded("09:04", "cancelled")),
        (at("09:05"), calendar(back)),
    )
    assert (talk.over_at == NEVER) == goes_on
    assert talk.due >= at("09:05") + talk.grace  # its grace begins anew


@pytest.mark.parametrize(
    ("end", "goes_on"),
    [("10:20", True), ("10:00", False), ("10:01", False)],
    ids=["longer", "as-it-was", "over-again"],
)
def test_a_booking_that_is_made_longer_after_its_end_goes_on(end: str, goes_on: bool) -> None:
    """An organizer's late extension: the gateway says nothing of it either."""
    talk = ghost_after(
        (at("10:00"), Tick(), concluded("10:00", "attended")),
        (at("10:01"), calendar(booking("09:00", end))),
    )
    assert (talk.over_at == NEVER) == goes_on


def test_a_stale_read_of_an_ended_booking_brings_it_back_for_no_longer_than_itself() -> None:
    """Ended early, shown with its early end, once more as it was (by a server that lags), and short again."""
    long, short = booking("09:00", "10:00"), booking("09:00", "09:40")
    told: tuple[Told, ...] = (
        (at("09:40"), Tick(), concluded("09:40", "ended_early")),
        (at("09:41"), calendar(short)),
        (at("09:42"), calendar(long)),
    )
    assert ghost_after(*told).over_at == NEVER
    assert ghost_after(*told, (at("09:43"), calendar(short))).over_at == at("09:40")


def test_a_released_booking_that_comes_back_after_its_end_goes_on() -> None:
    """The gateway says that it is restored: made longer when it was over, say."""
    talk = ghost_after(
        (at("09:20"), Tick(), Decision("released", "orion", at("09:20"), GHOST, live=True)),
        (at("10:00"), Tick(), concluded("10:00", "no_show_released")),
        (at("10:01"), calendar(booking("09:00", "10:20"))),
        (at("10:01"), Tick(), Decision("restored", "orion", at("10:01"), GHOST, live=True)),
    )
    assert talk.over_at == NEVER
    assert not talk.released
