"""Who books a room and who really comes. Pure and seeded: the same seed gives the same day anywhere.

A day is planned in two steps. Bookings are laid out over the hours as calendars look: 30, 60 or
90 min, sometimes back to back. Then each is given a kind, which says what its people do. Visits are
the ground truth that sensors see and that decisions are judged by; nothing here knows of sensors.
"""

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, get_args

import msgspec

from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Duration, Instant

Kind = Literal["ghost", "on_time", "late", "leaves_early", "lone_quiet", "overstay", "cancelled"]
"""What the people of a booking do. `lone_quiet` is one person who hardly moves; `overstay` leaves
some minutes after the end; `cancelled` was taken out of the calendar before its start."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Activity = Literal["lively", "quiet"]

SLOT_MS: Final[Duration] = 30 * MINUTE_MS
LENGTHS: Final = (30, 60, 90)
LENGTH_WEIGHTS: Final = (45, 42, 13)
"""Lengths of bookings in minutes and how often they are chosen: half-hours and hours, few longer ones."""
MAX_PEOPLE: Final = 8
PEOPLE_OF_THE_COMPANY: Final = 200
"""Organizers are invented: person-000 to person-199 at contoso.com."""


class Behaviour(msgspec.Struct, frozen=True):
    """How people behave, as rates from 0 to 1. What is left of the bookings is attended on time."""

    ghost: float = 0.40
    """Of all bookings that are not cancelled: nobody comes."""
    late: float = 0.12
    """Of the same: the first to come is 1 to 10 min late, now and then up to 20."""
    leaves_early: float = 0.12
    """Of the same: everybody has left well before the end."""
    lone_quiet: float = 0.10
    """Of the same: one person alone, who hardly moves."""
    overstay: float = 0.08
    """Of the same: people stay up to 6 min beyond the end, whoever is next."""
    cancelled: float = 0.06
    """Of all bookings: cancelled in the hour before the start."""
    last_minute: float = 0.12
    """Of all bookings: made 2 to 20 min before the start, not days before."""
    coffee_break: float = 0.20
    """Of attended bookings of an hour or more: everybody is out of the room for 5 to 12 min."""
    walk_up: float = 0.25
    """Of gaps of half an hour or more between bookings: used without a booking."""
    booked: float = 0.70
    """Of the half-hours that are free when a gap could end: a booking begins."""
    back_to_back: float = 0.45
    """Of bookings: another one begins the moment that they end."""

    def __post_init__(self) -> None:
        rates = {name: getattr(self, name) for name in self.__struct_fields__}
        wrong = [name for name, rate in rates.items() if not 0 <= rate <= 1]
        if wrong:
            raise ValueError(f"rates are from 0 to 1: {', '.join(wrong)}")
        if self.ghost + self.late + self.leaves_early + self.lone_quiet + self.overstay > 1 + 1e-9:
            raise ValueError("ghost, late, leaves_early, lone_quiet and overstay add up to more than 1")


class PlannedBooking(msgspec.Struct, frozen=True):
    """One booking of one room, as its organizer makes it. Instants in ms since 1970 UTC."""

    key: str
    """Unique within the office: room and start."""
    room: str
    start: Instant
    end: Instant
    organizer: str
    """An invented mail address."""
    kind: Kind
    attendees: int
    """How many people are invited, the organizer included."""
    created_at: Instant
    cancelled_at: Instant | None = None


class Visit(msgspec.Struct, frozen=True):
    """People in a room from `enter` until `leave` (the first instant at which they are gone)."""

    room: str
    enter: Instant
    leave: Instant
    people: int
    activity: Activity
    booking: str | None = None
    """Key of the booking that they came for; None: a walk-up."""


class Stay(msgspec.Struct, frozen=True):
    """A stretch of time in which the number of people in a room does not change and is above 0."""

    enter: Instant
    leave: Instant
    people: int
    activity: Activity


class RoomDay(msgspec.Struct, frozen=True):
    """A room's bookings and the visits that really happen, both in order of time."""

    room: str
    opens: Instant
    closes: Instant
    bookings: tuple[PlannedBooking, ...]
    visits: tuple[Visit, ...]

    def present(self, t: Instant) -> int:
        """How many people are in the room at `t`."""
        return present(self.visits, t)

    def attended(self, booking: PlannedBooking) -> bool:
        """Whether anybody who came for this booking was there during it."""
        return attended(booking, self.visits)

    def ghosts(self) -> tuple[PlannedBooking, ...]:
        """Bookings that stood at their start and that nobody attended."""
        return tuple(b for b in self.bookings if b.cancelled_at is None and not self.attended(b))


def present(visits: Iterable[Visit], t: Instant) -> int:
    """How many people the visits put into their room at `t`."""
    return sum(visit.people for visit in visits if visit.enter <= t < visit.leave)


def attended(booking: PlannedBooking, visits: Iterable[Visit]) -> bool:
    """Whether any visit of the booking's own overlaps it."""
    return any(
        visit.booking == booking.key and visit.enter < booking.end and visit.leave > booking.start
        for visit in visits
    )


def stays(visits: Sequence[Visit]) -> tuple[Stay, ...]:
    """Visits of one room, which may overlap, as stretches that do not. Lively if anybody is."""
    edges = sorted({edge for visit in visits for edge in (visit.enter, visit.leave)})
    found: list[Stay] = []
    for enter, leave in itertools.pairwise(edges):
        inside = [visit for visit in visits if visit.enter <= enter < visit.leave]
        if inside:
            lively = any(visit.activity == "lively" for visit in inside)
            people = sum(visit.people for visit in inside)
            found.append(Stay(enter, leave, people, "lively" if lively else "quiet"))
    return tuple(found)


def stream(seed: int, *names: object) -> random.Random:
    """The random numbers of one purpose, independent of all others and of PYTHONHASHSEED."""
    text = "/".join(str(part) for part in (seed, *names))
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def plan_day(room: str, opens: Instant, closes: Instant, rates: Behaviour, rng: random.Random) -> RoomDay:
    """One room's day between two instants; bookings begin on half-hours counted from `opens`.

    The first booking may begin at `opens`, and people who come for it some minutes before.
    """
    bookings = tuple(_plan_bookings(room, opens, closes, rates, rng))
    visits: list[Visit] = []
    for index, booking in enumerate(bookings):
        before = bookings[index - 1] if index else None
        visits += _visits_for(booking, before, rates, rng)
    visits += _walk_ups(room, opens, closes, bookings, rates, rng)
    return RoomDay(room, opens, closes, bookings, tuple(sorted(visits, key=lambda v: (v.enter, v.leave))))


def _plan_bookings(
    room: str, opens: Instant, closes: Instant, rates: Behaviour, rng: random.Random
) -> Iterator[PlannedBooking]:
    slot, follows = opens, False
    while slot + SLOT_MS <= closes:
        length = rng.choices(LENGTHS, LENGTH_WEIGHTS)[0] * MINUTE_MS
        if slot + length <= closes and (follows or _happens(rng, rates.booked)):
            yield _booking(room, slot, slot + length, rates, rng)
            slot += length
            follows = _happens(rng, rates.back_to_back)
            if follows:
                continue
        follows = False
        slot += SLOT_MS


def _booking(room: str, start: Instant, end: Instant, rates: Behaviour, rng: random.Random) -> PlannedBooking:
    if _happens(rng, rates.last_minute):
        created_at = start - rng.randint(2, 20) * MINUTE_MS
    else:
        created_at = start - rng.randint(1, 14) * DAY_MS - rng.randint(0, 8 * 60) * MINUTE_MS
    cancelled_at = None
    if _happens(rng, rates.cancelled):
        kind: Kind = "cancelled"
        earliest = max(created_at + 30 * SECOND_MS, start - 60 * MINUTE_MS)
        cancelled_at = rng.randint(earliest, start - MINUTE_MS)
    else:
        kind = _kind(rates, rng)
    organizer = f"person-{rng.randrange(PEOPLE_OF_THE_COMPANY):03d}@contoso.com"
    attendees = 1 if kind == "lone_quiet" else rng.randint(2, MAX_PEOPLE)
    return PlannedBooking(
        f"{room}-{start}", room, start, end, organizer, kind, attendees, created_at, cancelled_at
    )


def _kind(rates: Behaviour, rng: random.Random) -> Kind:
    point = rng.random()
    shares: tuple[tuple[Kind, float], ...] = (
        ("ghost", rates.ghost),
        ("late", rates.late),
        ("leaves_early", rates.leaves_early),
        ("lone_quiet", rates.lone_quiet),
        ("overstay", rates.overstay),
    )
    for kind, share in shares:
        if point < share:
            return kind
        point -= share
    return "on_time"


def _visits_for(
    booking: PlannedBooking, before: PlannedBooking | None, rates: Behaviour, rng: random.Random
) -> list[Visit]:
    """What the people of one booking do. Two visits where they have a break, none where they do not come."""
    if booking.kind in ("ghost", "cancelled"):
        return []
    enter = _coming(booking, before, rng)
    leave = _going(booking, rng)
    alone = booking.kind == "lone_quiet"
    people = 1 if alone else rng.randint(2, booking.attendees)
    activity: Activity = "quiet" if alone else "lively"
    spans = [(enter, leave)]
    if booking.end - booking.start >= 2 * SLOT_MS and _happens(rng, rates.coffee_break):
        spans = _with_break(enter, leave, rng)
    return [Visit(booking.room, a, b, people, activity, booking.key) for a, b in spans]


def _coming(booking: PlannedBooking, before: PlannedBooking | None, rng: random.Random) -> Instant:
    start, length = booking.start, booking.end - booking.start
    if booking.kind == "late":
        minutes = rng.uniform(1, 10) if _happens(rng, 0.85) else rng.uniform(10, 20)
        return start + min(round(minutes * MINUTE_MS), length // 2)
    enter = start + rng.randint(-4 * MINUTE_MS, 50 * SECOND_MS)
    # They wait at the door until the booking before is over.
    return enter if before is None else max(enter, before.end)


def _going(booking: PlannedBooking, rng: random.Random) -> Instant:
    if booking.kind == "leaves_early":
        return booking.start + round((booking.end - booking.start) * rng.uniform(0.35, 0.75))
    if booking.kind == "overstay":
        return booking.end + rng.randint(MINUTE_MS, 6 * MINUTE_MS)
    return booking.end - rng.randint(0, 4 * MINUTE_MS)


def _with_break(enter: Instant, leave: Instant, rng: random.Random) -> list[tuple[Instant, Instant]]:
    out = enter + round((leave - enter) * rng.uniform(0.35, 0.55))
    back = out + rng.randint(5 * MINUTE_MS, 12 * MINUTE_MS)
    return [(enter, out), (back, leave)] if back < leave else [(enter, leave)]


def _walk_ups(
    room: str,
    opens: Instant,
    closes: Instant,
    bookings: Sequence[PlannedBooking],
    rates: Behaviour,
    rng: random.Random,
) -> Iterator[Visit]:
    """Unbooked use of the gaps, which ends before the next booking's people come."""
    standing = [booking for booking in bookings if booking.cancelled_at is None]
    ends = [opens, *(booking.end for booking in standing)]
    starts = [*(booking.start for booking in standing), closes]
    for gap_from, gap_until in zip(ends, starts, strict=True):
        if gap_until - gap_from < SLOT_MS or not _happens(rng, rates.walk_up):
            continue
        enter = gap_from + rng.randint(7 * MINUTE_MS, 12 * MINUTE_MS)
        longest = gap_until - 5 * MINUTE_MS - enter
        leave = enter + rng.randint(6 * MINUTE_MS, min(longest, 45 * MINUTE_MS))
        quiet = _happens(rng, 0.3)
        yield Visit(room, enter, leave, 1 if quiet else rng.randint(2, 4), "quiet" if quiet else "lively")


def _happens(rng: random.Random, rate: float) -> bool:
    return rng.random() < rate
