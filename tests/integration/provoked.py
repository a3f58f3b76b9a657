"""Each write that the gateway makes to Exchange, brought about in a short virtual morning.

A morning has bystanders that no write may touch: bookings before and after, and a series in the same room.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from harness import PIR, World, at

from gateway.core.events import Ended
from gateway.core.units import DAY_MS, Instant
from simulators.exchange import CalendarItem, daily

ORION: Final = "orion@contoso.com"
ANA: Final = "person-001@contoso.com"
BEN: Final = "person-002@contoso.com"

Key = tuple[str, Instant | None]
Look = tuple[Instant, Instant, bool, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Provoked:
    """One write: how it comes about, and how its effect is seen."""

    name: str
    action: str
    begin: str
    provoke: Callable[[World], Awaitable[None]]
    """Books and lets people act; returns shortly before the write or at it."""
    until: str
    """When whatever went wrong for up to four minutes must be over and settled."""
    shows: Callable[[World], int]
    """How many effects the mailbox shows."""
    more: dict[str, Any] = field(default_factory=dict)
    repeats: bool = False
    """While people stay it is done again, each time for the time after."""


def items(world: World) -> list[CalendarItem]:
    """The room's calendar of the test day and the week after."""
    return world.exchange.calendar(ORION, at("00:00"), at("00:00") + 8 * DAY_MS)


def key_of(item: CalendarItem) -> Key:
    """What names an occurrence for ever."""
    return item.ical_uid, item.original_start_ms


def look(item: CalendarItem) -> Look:
    """What people see of it."""
    return (item.start_ms, item.end_ms, item.cancelled, item.response, item.show_as, item.categories)


def bystanders(world: World) -> None:
    """What lies around in the room's calendar, and is nobody's business here."""
    world.exchange.book(BEN, ORION, at("14:00"), at("15:00"))
    world.exchange.book(BEN, ORION, at("15:00"), at("15:30"), recurrence=daily(count=4))
    world.exchange.book_in_room(ORION, at("16:00"), at("16:30"), attendees=[BEN])


def _at(world: World, start: str) -> list[CalendarItem]:
    return [item for item in items(world) if item.start_ms == at(start) and not item.cancelled]


def _ours(world: World) -> list[CalendarItem]:
    return [item for item in items(world) if item.is_organizer and item.start_ms < at("14:00")]


# -- check-in, and ends -------------------------------------------------------------------------------


async def _attended(world: World) -> None:
    world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))
    await world.until("09:00:20")
    world.enter()


def _marked(world: World) -> int:
    (item,) = _at(world, "09:00")
    return item.categories.count("Checked in")


async def _ended(world: World) -> None:
    await _attended(world)
    await world.until("09:02")
    assert world.service is not None
    await world.service.brain.record(Ended("orion"))


def _shortened(world: World) -> int:
    return sum(item.end_ms < at("10:00") for item in _at(world, "09:00"))


async def _deserted(world: World) -> None:
    """People come at nine and leave within minutes; a radar and a PIR see both."""
    world.others = {"orion/pir": "OFF"}
    await _attended(world)
    world.others["orion/pir"] = "ON"
    await world.until("09:04")
    world.leave()
    world.others["orion/pir"] = "OFF"


# -- releases -----------------------------------------------------------------------------------------


async def _ghost(world: World) -> None:
    world.exchange.book(ANA, ORION, at("09:00"), at("10:00"))


async def _ghost_of_a_series(world: World) -> None:
    world.exchange.book(ANA, ORION, at("09:00"), at("10:00"), recurrence=daily(count=5))


async def _room_organised(world: World) -> None:
    world.exchange.book_in_room(ORION, at("09:00"), at("10:00"), attendees=[ANA])


async def _room_organised_alone(world: World) -> None:
    world.exchange.book_in_room(ORION, at("09:00"), at("10:00"))


def _gone(world: World) -> int:
    return 1 - len(_at(world, "09:00"))


# -- the gateway's own --------------------------------------------------------------------------------


async def _people(world: World) -> None:
    await world.until("08:30")
    world.enter()


def _booked(world: World) -> int:
    return len(_ours(world))


async def _people_stay(world: World) -> None:
    await _people(world)
    await world.until("08:59")


def _extended(world: World) -> int:
    return sum(item.end_ms >= at("09:30") for item in _ours(world))


async def _people_leave(world: World) -> None:
    await _people(world)
    await world.until("08:37")
    world.leave()


def _freed(world: World) -> int:
    return sum(item.end_ms <= at("08:59") for item in _ours(world))


async def _thrown_out(world: World) -> None:
    world.exchange.book(ANA, ORION, at("09:00"), at("10:30"))
    await world.until("09:12")
    assert world.decisions("released")
    assert world.service is not None
    await world.service.command({"command": "were-here", "room": "orion"})


# -- rules --------------------------------------------------------------------------------------------


async def _too_long(world: World) -> None:
    world.exchange.book(ANA, ORION, at("11:00"), at("13:30"))


def _refused(world: World) -> int:
    return 1 - len(_at(world, "11:00"))


_WALK_UP: Final = {"policy": "walk_up = true"}
_EARLY: Final = {
    "policy": "end_early = true\nend_early_needs_history = false",
    "more": PIR.format(room="orion"),
}
_RULES: Final = {"policy": 'rules = { too_long = "decline" }\nlongest = "2h"'}

WRITES: Final = {
    write.name: write
    for write in (
        Provoked("check_in", "check_in", "08:54", _attended, "09:16", _marked),
        Provoked("decline", "release", "08:50", _ghost, "09:27", _gone),
        Provoked("decline_one", "release", "08:50", _ghost_of_a_series, "09:27", _gone),
        Provoked("cancel", "release", "08:50", _room_organised, "09:27", _gone),
        Provoked("delete", "release", "08:50", _room_organised_alone, "09:27", _gone),
        Provoked("shorten", "shorten", "08:54", _ended, "09:17", _shortened),
        Provoked("end_early", "end_early", "08:54", _deserted, "09:48", _shortened, _EARLY),
        Provoked("walk_up", "walk_up", "08:29", _people, "08:50", _booked, _WALK_UP),
        Provoked("extend", "extend", "08:29", _people_stay, "09:14", _extended, _WALK_UP, repeats=True),
        Provoked("free", "shorten", "08:29", _people_leave, "09:10", _freed, _WALK_UP),
        Provoked("hold", "hold", "08:50", _thrown_out, "09:27", _booked),
        Provoked("refuse", "refuse", "09:00", _too_long, "09:16", _refused, _RULES),
    )
}
