"""Who really comes: bookings and visits of a simulated day, with the truth about both.

Seeded and deterministic: every room and day has a stream of its own, derived by hashing the seed and
the names, so that adding a room changes no other.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant

Kind = Literal["attended", "late", "leaves_early", "lone_quiet", "overstay", "ghost"]
Activity = Literal["lively", "quiet"]


@dataclass(frozen=True)
class Rates:
    """How people behave: shares of bookings by kind (the rest is attended), and of gaps walked into."""

    ghost: float = 0.40
    late: float = 0.12
    leaves_early: float = 0.10
    lone_quiet: float = 0.10
    overstay: float = 0.08
    walk_up: float = 0.25
    """Share of gaps of half an hour or more in which somebody uses the room unbooked."""
    latest: Duration = 8 * MINUTE_MS
    """How late the late ones come at most, in ms after the start."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the shares are shares."""
        shares = (self.ghost, self.late, self.leaves_early, self.lone_quiet, self.overstay)
        if min(*shares, self.walk_up) < 0 or sum(shares) > 1 or self.walk_up > 1:
            raise ValueError(
                f"rates must be between 0 and 1, and those of bookings add up to at most 1: {self}"
            )


@dataclass(frozen=True)
class Visit:
    """People in a room from `enter` to before `leave`. `booking`: index of theirs, None for a walk-up."""

    enter: Instant
    leave: Instant
    people: int
    activity: Activity
    booking: int | None


@dataclass(frozen=True)
class PlannedBooking:
    """A booking as its organizer makes it, and what will really come of it."""

    room: str
    start: Instant
    end: Instant
    organizer: str
    kind: Kind


@dataclass(frozen=True)
class RoomDay:
    """One room's bookings and visits, in order of time."""

    room: str
    bookings: tuple[PlannedBooking, ...]
    visits: tuple[Visit, ...]

    def present(self, at: Instant) -> int:
        """How many people are really in the room."""
        return sum(visit.people for visit in self.visits if visit.enter <= at < visit.leave)

    def attended(self, booking: int) -> bool:
        """Whether anybody came for this booking (by index)."""
        return any(visit.booking == booking for visit in self.visits)

    def last_presence(self, booking: int) -> Instant | None:
        """When anybody at all was last in the room during this booking, or None."""
        planned = self.bookings[booking]
        ends = [
            min(visit.leave, planned.end)
            for visit in self.visits
            if visit.enter < planned.end and visit.leave > planned.start
        ]
        return max(ends, default=None)


def stream_of(seed: int, *names: str) -> random.Random:
    """A random stream of its own for each seed and name; the same on every machine."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8]))


def plan_day(room: str, start: Instant, hours: float, rates: Rates, seed: int) -> RoomDay:
    """Lay out bookings from `start` for so many hours, and decide who comes."""
    chance = stream_of(seed, room, str(start), "people")
    end = start + int(hours * 60) * MINUTE_MS
    bookings: list[PlannedBooking] = []
    cursor = start + chance.choice((0, 15, 30)) * MINUTE_MS
    while True:
        length = chance.choice((30, 30, 60, 60, 60, 90)) * MINUTE_MS
        if cursor + length > end:
            break
        organizer = f"person-{chance.randrange(1000):03}@contoso.com"
        bookings.append(PlannedBooking(room, cursor, cursor + length, organizer, _kind(rates, chance)))
        cursor += length + chance.choice((0, 0, 0, 15, 30, 45)) * MINUTE_MS
    visits = [visit for i, booking in enumerate(bookings) for visit in _visits(i, booking, rates, chance)]
    visits += _walk_ups(bookings, start, end, rates, chance)
    return RoomDay(room, tuple(bookings), tuple(sorted(visits, key=lambda visit: visit.enter)))


def _kind(rates: Rates, chance: random.Random) -> Kind:
    drawn = chance.random()
    kinds: tuple[Kind, ...] = ("ghost", "late", "leaves_early", "lone_quiet", "overstay")
    for kind in kinds:
        drawn -= getattr(rates, kind)
        if drawn < 0:
            return kind
    return "attended"


def _visits(index: int, booking: PlannedBooking, rates: Rates, chance: random.Random) -> Sequence[Visit]:
    if booking.kind == "ghost":
        return ()
    length = booking.end - booking.start
    enter = booking.start + chance.randint(-3 * 60, 4 * 60) * SECOND_MS
    leave = booking.end - chance.randint(30, 6 * 60) * SECOND_MS
    people, activity = chance.randint(2, 8), "lively"
    if booking.kind == "late":
        enter = booking.start + chance.randint(5 * MINUTE_MS, max(rates.latest, 5 * MINUTE_MS))
    elif booking.kind == "leaves_early":
        leave = booking.start + int(length * chance.uniform(0.35, 0.65))
    elif booking.kind == "lone_quiet":
        people, activity = 1, "quiet"
    elif booking.kind == "overstay":
        leave = booking.end + chance.randint(60, 4 * 60) * SECOND_MS
    enter = min(enter, leave - 5 * MINUTE_MS)
    return (Visit(enter, leave, people, "quiet" if activity == "quiet" else "lively", index),)


def _walk_ups(
    bookings: Sequence[PlannedBooking], start: Instant, end: Instant, rates: Rates, chance: random.Random
) -> list[Visit]:
    """People who use a free room unbooked, and are gone before the next booking's people may come."""
    visits = []
    edges = [start, *(edge for booking in bookings for edge in (booking.start, booking.end)), end]
    for free_from, free_until in zip(edges[::2], edges[1::2], strict=True):
        if free_until - free_from >= 30 * MINUTE_MS and chance.random() < rates.walk_up:
            enter = free_from + chance.randint(6, 10) * MINUTE_MS
            leave = min(enter + chance.randint(5, 15) * MINUTE_MS, free_until - 6 * MINUTE_MS)
            visits.append(Visit(enter, leave, chance.randint(1, 3), "lively", None))
    return visits
