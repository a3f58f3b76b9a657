"""Whether a release may happen: an ordered table of small pure functions.

Each rule looks at a `Case` and returns None (permit) or the `Reason` why not. The first that
objects gives the reason that people see. To add a rule: its function, its row in `RELEASE_RULES`,
its sentence in `gateway.core.explain`, its test.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from gateway.core.decisions import Reason
from gateway.core.life import Life, Released
from gateway.core.occupancy import Proof
from gateway.core.policy import RoomConfig
from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant

VACATE_MOTION_ONLY_MS: Final[Duration] = 25 * MINUTE_MS
"""A brief visit's vacancy where only motion sensors prove it: a lone quiet person is still for minutes."""

CALENDAR_FRESH_MS: Final[Duration] = 5 * MINUTE_MS
"""A release is not even prepared on a calendar older than this; it is re-read before the write anyway."""

LONE_PROVER_UNSEEN_LIMIT: Final = 3
"""So many bookings in a row without a sign, and a room's only sensor may itself be what is missing."""

BOTH_KINDS: Final = frozenset({"presence", "motion"})
"""What must agree before an attended booking is cut short: they fail in different ways."""


class Case(NamedTuple):
    """Everything that the release rules may look at, for one booking at one moment."""

    now: Instant
    room: RoomConfig
    life: Life
    proof: Proof
    deaf: Reason | None
    """Why the gateway is not hearing, or does not trust its clock."""
    calendar_read_at: Instant
    calendar_why: str
    unseen_streak: int
    """Bookings in a row that nobody was seen in, since one of the proving sensors last showed presence."""
    overlapped_by: tuple[Instant, Instant] | None
    """Start and end of an attended booking that overlaps this one."""
    released: Released | None
    usual_gap_ms: Duration = 0
    """The longest quiet that this room has known while people were there."""
    paused_at: Instant = NEVER
    doubted_at: Instant = NEVER
    """Since when the calendar has been implausible."""
    breaker: Reason | None = None
    """Why nothing is released anywhere on the site."""

    @property
    def window_ms(self) -> Duration:
        """How long vacancy must be proven."""
        return window_of(self.life, self.proof, self.usual_gap_ms)

    @property
    def earliest(self) -> Instant:
        """When the release could follow if nothing more is shown: due, and the whole window vacant."""
        return max(self.life.due, self.proof.since + self.window_ms)


def window_of(life: Life, proof: Proof, usual_gap_ms: Duration) -> Duration:
    """How long vacancy must be proven. Never shorter for a visited booking than for an unseen one."""
    if life.ends_early:
        return max(life.policy.end_early_vacate_ms, usual_gap_ms, life.grace_ms)
    if life.seen_at == NEVER:
        return life.grace_ms
    vacate = max(life.policy.vacate_ms, usual_gap_ms)
    if proof.motion_only:
        vacate = max(vacate, VACATE_MOTION_ONLY_MS)
    return max(vacate, life.grace_ms)


Rule = Callable[[Case], Reason | None]
Weight = Literal["never", "doubt", "time"]


def kept(case: Case) -> Reason | None:
    """People's word wins over every automatic rule."""
    return Reason("kept") if case.life.kept else None


def room_exempt(case: Case) -> Reason | None:
    """The room is left alone altogether."""
    return Reason("exempt_room") if case.room.exempt else None


def all_day(case: Case) -> Reason | None:
    """All-day entries are holds, not meetings."""
    return Reason("exempt_all_day") if case.life.booking.all_day else None


def too_long(case: Case) -> Reason | None:
    """Workshops with excursions are not second-guessed."""
    limit = case.life.policy.exempt_longer_than_ms
    return Reason("exempt_length", value=limit) if case.life.booking.length_ms > limit else None


def marked(case: Case) -> Reason | None:
    """The policy exempts its organizer or one of its categories."""
    marks = case.life.booking.marks
    return Reason(f"exempt_{marks[0]}") if marks else None


def own_booking(case: Case) -> Reason | None:
    """Bookings that the room itself organises are cancelled only where the policy allows it."""
    if case.life.booking.room_organises and not case.life.policy.release_own_bookings:
        return Reason("exempt_own_booking")
    return None


def never_twice(case: Case) -> Reason | None:
    """A booking that came back after its release, or was made long again, is not taken twice."""
    if case.life.restored and case.released is None:
        return Reason("lengthened_again")
    return Reason("released_before", at=case.released.at) if case.released else None


def too_short(case: Case) -> Reason | None:
    """By the time it could be released too little would be left."""
    shortest = case.life.grace_ms + case.life.policy.min_remaining_ms
    return Reason("too_short", value=shortest) if case.life.booking.length_ms < shortest else None


def both_kinds_prove(case: Case) -> Reason | None:
    """A booking that people attended is cut short only on the word of a presence and a motion sensor."""
    if not case.life.ends_early:
        return None
    kinds = {p.senses for p in case.room.sensors if p.id in case.proof.provers}
    return None if kinds >= BOTH_KINDS else Reason("no_second_kind")


def history_supports(case: Case) -> Reason | None:
    """And only where these sensors' own history shows that they do notice people who sit still."""
    supported = case.room.early_end_by
    if supported is None or not case.life.ends_early:
        return None
    provers = [p for p in case.room.sensors if p.id in case.proof.provers]
    kinds = {p.senses for p in provers if p.id in supported}
    return None if kinds >= BOTH_KINDS else Reason("no_history")


def room_paused(case: Case) -> Reason | None:
    """Somebody said that a release was wrong, and nobody has looked yet."""
    return Reason("paused", at=case.paused_at) if case.paused_at != NEVER else None


def breaker_closed(case: Case) -> Reason | None:
    """Many rooms that fall silent at once are more likely blind than empty."""
    return case.breaker


def hearing(case: Case) -> Reason | None:
    """Nothing is released while deaf or without a trusted clock."""
    return case.deaf


def calendar_fresh(case: Case) -> Reason | None:
    """What cannot be read is never "no change", nor is a calendar that has lost most of its bookings."""
    if case.doubted_at != NEVER:
        return Reason("calendar_doubted", at=case.doubted_at)
    if case.now - case.calendar_read_at <= CALENDAR_FRESH_MS:
        return None
    at = None if case.calendar_read_at == NEVER else case.calendar_read_at
    return Reason("calendar_stale", at=at, text=case.calendar_why)


def not_overlapped(case: Case) -> Reason | None:
    """Where bookings overlap, the people of one must not lose the room by the other."""
    if case.overlapped_by is None:
        return None
    start, end = case.overlapped_by
    return Reason("overlaps_attended", at=start, until=end)


def lone_prover_alive(case: Case) -> Reason | None:
    """A sensor stuck off sees ghosts everywhere: alone, it must have shown presence lately."""
    if case.proof.provers and case.proof.lone and case.unseen_streak >= LONE_PROVER_UNSEEN_LIMIT:
        return Reason("maybe_stuck_off", sensor=case.proof.provers[0], value=case.unseen_streak)
    return None


def nothing_shown(case: Case) -> Reason | None:
    """Every room sensor is healthy and shows nothing. Unknown is not vacant."""
    return case.proof.blocked


def time_left(case: Case) -> Reason | None:
    """Enough must be left for somebody else to use the room."""
    left = case.life.booking.end - max(case.now, case.earliest)
    if left < case.life.policy.min_remaining_ms:
        return Reason("too_little_left", until=case.life.booking.end, value=max(left, 0))
    return None


def not_retrying(case: Case) -> Reason | None:
    """After a write that did not come to pass, pause before the next."""
    return Reason("write_failed", until=case.life.retry_at) if case.now < case.life.retry_at else None


def due_reached(case: Case) -> Reason | None:
    """The grace period is over."""
    return Reason("not_due", until=case.life.due) if case.now < case.life.due else None


def vacant_long_enough(case: Case) -> Reason | None:
    """Vacancy is proven for the whole window, up to due or later."""
    if case.proof.until >= case.earliest:
        return None
    if case.now < case.earliest:
        return Reason("vacancy_too_young", at=case.proof.since, until=case.earliest)
    return Reason("proof_awaited", at=case.proof.until, until=case.earliest)


def warned(case: Case) -> Reason | None:
    """No release without its warning, and the warning stands its full time."""
    if case.life.warned_at == NEVER:
        return Reason("warning_first")
    until = case.life.warned_at + case.life.policy.warn_before_release_ms
    return Reason("warning_runs", at=case.life.warned_at, until=until) if case.now < until else None


RELEASE_RULES: Final[tuple[tuple[Weight, Rule], ...]] = (
    # never: this booking is not released, whatever happens
    ("never", kept),
    ("never", room_exempt),
    ("never", all_day),
    ("never", too_long),
    ("never", marked),
    ("never", own_booking),
    ("never", never_twice),
    ("never", too_short),
    ("never", both_kinds_prove),
    ("never", history_supports),
    # doubt: something is missing that may come (back); a due release is withheld
    ("doubt", hearing),
    ("doubt", calendar_fresh),
    ("doubt", not_overlapped),
    ("doubt", lone_prover_alive),
    ("doubt", nothing_shown),
    ("doubt", time_left),
    ("doubt", not_retrying),
    ("doubt", room_paused),
    ("doubt", breaker_closed),
    # time: only a matter of waiting
    ("time", due_reached),
    ("time", vacant_long_enough),
    ("time", warned),
)


def first_objection(case: Case, *weights: Weight) -> tuple[Weight, Reason] | None:
    """The first rule (of these weights, or of all) that objects, and why; None permits."""
    for weight, rule in RELEASE_RULES:
        if not weights or weight in weights:
            reason = rule(case)
            if reason is not None:
                return weight, reason
    return None


def stops_release_under_way(case: Case) -> Reason | None:
    """What withdraws a release that is decided but not yet written: any new doubt, any sign."""
    never = first_objection(case, "never")
    if never is not None:
        return never[1]
    for rule in (hearing, room_paused, breaker_closed, not_overlapped, nothing_shown, vacant_now):
        reason = rule(case)
        if reason is not None:
            return reason
    return None


def vacant_now(case: Case) -> Reason | None:
    """A sign since the decision moves the vacancy clock past what was proven."""
    if case.proof.until < case.earliest:
        return Reason("presence_since", at=case.proof.since)
    return None
