"""Which rooms are free in a time, best fit first. Pure: from what is known, without asking anybody."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.booking import Booking
from gateway.core.occupancy import Occupancy
from gateway.core.units import Instant
from gateway.exchange.own import blocks
from gateway.exchange.room_facts import RoomFacts

Standing = Literal["free", "unsure", "in_use", "unknown"]
"""`free`: nothing is booked (and for now: proven empty); `unsure`: not booked, and nobody knows whether it is
empty; `in_use`: not booked, and people are in it; `unknown`: its calendar could not be read."""

ORDER: Final[tuple[Standing, ...]] = ("free", "unsure", "in_use", "unknown")

NO_CAPACITY: Final = 1_000_000
"""Where it is not known how many people fit, the room comes last among its like."""


class Wanted(NamedTuple):
    """What is asked of a room. Words are compared without regard to case."""

    start: Instant
    end: Instant
    capacity: int = 1
    tags: tuple[str, ...] = ()
    building: str = ""
    floor: str = ""


class Known(NamedTuple):
    """What is known of a room just now."""

    bookings: tuple[Booking, ...]
    """Its own, and those of the rooms that share its space."""
    occupancy: Occupancy
    trouble: str = ""
    """Why its calendar cannot be believed; empty if it can."""


class FreeRoom(msgspec.Struct, frozen=True):
    """A room that could be taken, or that could not be judged."""

    facts: RoomFacts
    standing: Standing
    until: Instant | None
    """When its next booking begins; None if none is known."""
    occupancy: Occupancy
    trouble: str = ""


def fits(facts: RoomFacts, wanted: Wanted) -> bool:
    """Whether a room is what was asked for. An unknown capacity is never taken for enough."""
    tags = {tag.casefold() for tag in facts.tags}
    return (
        (wanted.capacity <= 1 or (facts.capacity or 0) >= wanted.capacity)
        and {tag.casefold() for tag in wanted.tags} <= tags
        and wanted.building.casefold() in ("", facts.building.casefold())
        and wanted.floor.casefold() in ("", facts.floor.casefold())
    )


def free_rooms(
    places: Iterable[RoomFacts], known: Mapping[str, Known], wanted: Wanted, *, is_now: bool
) -> list[FreeRoom]:
    """Rooms that nothing is booked in, the smallest that is large enough first.

    `is_now`: live occupancy counts. Rooms whose calendar is unknown are told too, last of all.
    """
    found = [_judged(facts, known.get(facts.room), wanted, is_now=is_now) for facts in places]
    return sorted([room for room in found if room is not None and fits(room.facts, wanted)], key=_rank)


def _rank(room: FreeRoom) -> tuple[int, int, str]:
    return ORDER.index(room.standing), room.facts.capacity or NO_CAPACITY, room.facts.room


def _judged(facts: RoomFacts, known: Known | None, wanted: Wanted, *, is_now: bool) -> FreeRoom | None:
    """None if it is booked."""
    if known is None:
        nothing = Occupancy("unknown", why=())
        return FreeRoom(facts, "unknown", None, nothing, "the gateway does not know this room yet")
    holding = [booking for booking in known.bookings if blocks(booking)]
    if known.trouble:
        return FreeRoom(facts, "unknown", None, known.occupancy, known.trouble)
    if any(booking.start < wanted.end and booking.end > wanted.start for booking in holding):
        return None
    starts = [booking.start for booking in holding if booking.start >= wanted.end]
    standing: Standing = _standing(known.occupancy) if is_now else "free"
    return FreeRoom(facts, standing, min(starts, default=None), known.occupancy)


def _standing(occupancy: Occupancy) -> Standing:
    by_status: Mapping[str, Standing] = {"vacant": "free", "occupied": "in_use"}
    return by_status.get(occupancy.status, "unsure")


def lacking(places: Sequence[RoomFacts], wanted: Wanted) -> list[str]:
    """Rooms left out only because nobody has said how many people fit."""
    would = wanted._replace(capacity=1)
    return [p.room for p in places if p.capacity is None and wanted.capacity > 1 and fits(p, would)]
