"""A morning told by hand, for what no timeline can say: rules for bookings, and what is asked for at a panel.

The room's site is given the facts, the ticks that it asks for, and an answer to each of its writes.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from gateway.core.booking import Booking, Breach
from gateway.core.booking_rules import BookingRules
from gateway.core.decisions import Decision
from gateway.core.events import (
    AnyEvent,
    Booked,
    CalendarRead,
    Cancelled,
    Configured,
    LinkUp,
    Reading,
    Tick,
    WriteOutcome,
)
from gateway.core.policy import Policy, RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

MIDNIGHT: Final[Instant] = 20_724 * DAY_MS
"""Of Monday 28 September 2026, UTC."""

BEGINS: Final[Instant] = MIDNIGHT + 8 * HOUR_MS
MINUTES: Final = 130
ANSWERED_AFTER_MS: Final[Duration] = 2 * SECOND_MS
READ_AFTER_MS: Final[Duration] = 9 * SECOND_MS
"""How long after each whole minute the calendar is read."""

RADAR: Final = SensorProfile("radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS, at_qos1=True)
RULES: Final = BookingRules(
    (("not_allowed", "decline"), ("blackout", "decline"), ("too_long", "report")), longest_ms=2 * HOUR_MS
)
SITE: Final = SiteConfig((RoomConfig("orion", mode="live", policy=Policy(rules=RULES), sensors=(RADAR,)),))
NOT_IN_TIME: Final = "blackout"
"""The booking that breaks this rule is not declined in time."""


def booking(key: str, start_h: float, end_h: float, *breaches: Breach, own: bool = False) -> Booking:
    """From and to so many hours after midnight."""
    begin, end = (MIDNIGHT + round(hours * HOUR_MS) for hours in (start_h, end_h))
    return Booking(key, f"id-{key}", begin, end, breaches=breaches, room_organises=own)


GHOST: Final = booking("ghost", 9, 10)
ASKED: Final = booking("asked", 14, 15, own=True)
READS: Final[dict[int, tuple[tuple[Booking, ...], tuple[str, ...]]]] = {
    0: ((GHOST,), ()),
    5: ((booking("forbidden", 11, 12, "not_allowed"),), ()),
    6: ((), ("forbidden",)),
    8: ((booking("forbidden", 11, 12, "not_allowed"),), ()),
    10: ((booking("closed", 12, 13, "blackout"),), ()),
    14: ((booking("long", 16, 20),), ()),
    17: ((ASKED,), ()),
    20: ((), ("asked",)),
    71: ((msgspec.structs.replace(GHOST, change_key="2"),), ()),
}
"""What a read brings, by its minute: new and altered bookings, and keys that are gone. The ghost stays in
the calendar after its release, and is taken for a stale read at first."""

WORDS: Final[dict[int, AnyEvent]] = {
    16: Booked("orion", ASKED.start, ASKED.end, "wish-1", "panel"),
    19: Cancelled("orion", "asked", "panel"),
    22: Booked("orion", MIDNIGHT, MIDNIGHT + HOUR_MS, "wish-2", "panel"),
}
"""What people say, by the minute."""


def morning() -> Iterator[tuple[Instant, AnyEvent]]:
    """The morning's events in their order, ticks and outcomes among them."""
    site = Site()
    outcomes: list[tuple[Instant, WriteOutcome]] = []

    def give(event: AnyEvent, at: Instant) -> tuple[Instant, AnyEvent]:
        for decision in site.handle(event, at):
            outcomes.extend(_answers(decision))
        return at, event

    for at, event in _facts():
        while True:
            deadline = site.next_deadline(at)
            tick_at = at if deadline is None else max(deadline, site.state.now)
            told_at = outcomes[0][0] if outcomes else at
            if min(tick_at, told_at) >= at:
                break
            if told_at < tick_at:
                yield give(outcomes.pop(0)[1], told_at)
            else:
                yield give(Tick(), tick_at)
        yield give(event, at)


def _answers(decision: Decision) -> Iterator[tuple[Instant, WriteOutcome]]:
    """What Exchange makes of a write."""
    if decision.write is not None:
        late = decision.write.breach == NOT_IN_TIME
        result: Literal["applied", "expired"] = "expired" if late else "applied"
        why = "Exchange was away" if late else ""
        outcome = WriteOutcome(decision.room, decision.write.id, result, why)
        yield decision.at + ANSWERED_AFTER_MS, outcome


def _facts() -> Iterator[tuple[Instant, AnyEvent]]:
    yield BEGINS, Configured(SITE)
    yield BEGINS, LinkUp(session_present=False)
    yield BEGINS + SECOND_MS, Reading("radar", "presence", 0)
    for minute in range(MINUTES):
        at = BEGINS + minute * MINUTE_MS
        changed, removed = READS.get(minute, ((), ()))
        if minute:
            yield at, Reading("radar", "alive", 1)
        if minute in WORDS:
            yield at + SECOND_MS, WORDS[minute]
        yield at + READ_AFTER_MS, CalendarRead("orion", MIDNIGHT, MIDNIGHT + DAY_MS, changed, removed)
