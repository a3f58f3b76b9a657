"""The desk's commands as JSON, for the control socket: `book`, `cancel`, `move`, `free`.

Instants are ms since 1970 UTC, durations ms. A `start` that is left out or null means now.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Annotated, Any, Final

import msgspec

from gateway.core.explain import explain_reason
from gateway.core.units import HOUR_MS, Duration, Instant
from gateway.exchange.room_facts import RoomFacts
from gateway.runtime.desk import Desk
from gateway.runtime.free_rooms import FreeRoom, Wanted, lacking
from gateway.runtime.picture import clock_in, iso
from gateway.runtime.places import Place
from gateway.runtime.wishes import FAR, Wish

Json = dict[str, Any]

Moment = Annotated[Instant, msgspec.Meta(ge=0, lt=FAR)]
Length = Annotated[Duration, msgspec.Meta(ge=0, lt=FAR)]

DESK_COMMANDS: Final = ("book", "cancel", "move", "free")


class _Book(msgspec.Struct):
    room: str
    length: Length
    ask: str
    start: Moment | None = None
    title: str = ""
    organizer: str = ""
    by: str = "command"
    here: bool = False


class _Cancel(msgspec.Struct):
    room: str
    booking: str = ""
    by: str = "command"


class _Move(msgspec.Struct):
    room: str
    ask: str
    booking: str = ""
    to: str = ""
    start: Moment | None = None
    by: str = "command"


class _Free(msgspec.Struct):
    start: Moment | None = None
    length: Length = HOUR_MS
    capacity: Annotated[int, msgspec.Meta(ge=1)] = 1
    tags: tuple[str, ...] = ()
    building: str = ""
    floor: str = ""


class DeskCommands:
    """Understands requests and words answers. `zone` is the site's, for answers about no one room."""

    def __init__(
        self,
        desk: Desk,
        places: Mapping[str, Place],
        facts: tuple[RoomFacts, ...],
        now: Callable[[], Instant],
        zone: tzinfo,
    ) -> None:
        self._desk = desk
        self._places = places
        self._facts = facts
        self._now = now
        self._zone = zone

    async def follow(self, request: Mapping[str, Any]) -> Json:
        """The answer to one of `DESK_COMMANDS`; "error" (and "code") in it if it could not be done."""
        commands: dict[str, Callable[[Mapping[str, Any]], Awaitable[Json]]] = {
            "book": self._book,
            "cancel": self._cancel,
            "move": self._move,
            "free": self._free,
        }
        try:
            return await commands[request["command"]](request)
        except msgspec.ValidationError as error:
            return {"error": f"the request cannot be understood: {error}", "code": "malformed"}

    def _iso(self, room: str) -> Callable[[Instant | None], str | None]:
        place = self._places.get(room)
        zone = self._zone if place is None else place.zone
        return lambda instant: iso(instant, zone)

    async def _book(self, request: Mapping[str, Any]) -> Json:
        asked = msgspec.convert(request, _Book)
        start = self._now() if asked.start is None else asked.start
        wish = Wish(
            asked.room,
            start,
            start + asked.length,
            asked.ask,
            asked.title,
            asked.organizer,
            asked.by,
            asked.here,
        )
        return (await self._desk.book(wish)).as_json(self._iso(asked.room))

    async def _cancel(self, request: Mapping[str, Any]) -> Json:
        asked = msgspec.convert(request, _Cancel)
        return (await self._desk.cancel(asked.room, asked.booking, asked.by)).as_json(self._iso(asked.room))

    async def _move(self, request: Mapping[str, Any]) -> Json:
        asked = msgspec.convert(request, _Move)
        answer = await self._desk.move(
            asked.room, asked.booking, to=asked.to, start=asked.start, ask=asked.ask, by=asked.by
        )
        return answer.as_json(self._iso(asked.to or asked.room))

    async def _free(self, request: Mapping[str, Any]) -> Json:
        asked = msgspec.convert(request, _Free)
        start = self._now() if asked.start is None else asked.start
        wanted = Wanted(start, start + asked.length, asked.capacity, asked.tags, asked.building, asked.floor)
        try:
            rooms = await self._desk.free(wanted)
        except ValueError as error:
            return {"error": f"Nothing was looked for: {error}.", "code": "not_possible"}
        return {
            "start": iso(wanted.start, self._zone),
            "end": iso(wanted.end, self._zone),
            "rooms": [self._free_room(room) for room in rooms],
            "capacity_unknown": lacking(self._facts, wanted),
        }

    def _free_room(self, room: FreeRoom) -> Json:
        facts, words = room.facts, clock_in(self._places[room.facts.room].zone)
        return {
            "room": facts.room,
            "name": facts.name,
            "capacity": facts.capacity,
            "building": facts.building,
            "floor": facts.floor,
            "tags": list(facts.tags),
            "standing": room.standing,
            "free_until": self._iso(facts.room)(room.until),
            "occupancy": {
                "status": room.occupancy.status,
                "why": [explain_reason(reason, words) for reason in room.occupancy.why],
            },
            "trouble": room.trouble,
        }
