"""Rooms as places, their lists, and check-ins (Graph's place, room and checkInClaim pages)."""

from typing import Any, Final

import msgspec

from gateway.core.units import Instant
from simulators.exchange.calls import Call, Route
from simulators.exchange.errors import InvalidRequest, NotFound, lacks_permission
from simulators.exchange.ids import guid
from simulators.exchange.mailbox import Mailbox
from simulators.exchange.mailboxes import Mailboxes
from simulators.exchange.odata import check_select, json_page, selected
from simulators.exchange.render import Json
from simulators.exchange.times import graph_stamp_ms
from simulators.exchange.wire import Answer

PAGE: Final = 100
"""Rooms on a page, unless `$top` says otherwise."""

_CLAIM: Final = "#microsoft.graph.checkInClaim"
_METHODS: Final = frozenset({"unspecified", "manual", "inferred", "verified"})


class RoomDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a place says of a room, apart from its name and address. Names as in Graph."""

    building: str | None = None
    floorNumber: int | None = None  # noqa: N815 - Graph's name
    floorLabel: str | None = None  # noqa: N815 - Graph's name
    label: str | None = None
    capacity: int | None = None
    nickname: str = ""
    phone: str = ""
    audioDeviceName: str | None = None  # noqa: N815 - Graph's name
    videoDeviceName: str | None = None  # noqa: N815 - Graph's name
    displayDeviceName: str | None = None  # noqa: N815 - Graph's name
    isWheelChairAccessible: bool = False  # noqa: N815 - Graph's name
    tags: tuple[str, ...] = ()
    bookingType: str = "standard"  # noqa: N815 - Graph's name
    teamsEnabledState: str = "unknown"  # noqa: N815 - Graph's name
    address: dict[str, str] | None = None
    geoCoordinates: dict[str, float] | None = None  # noqa: N815 - Graph's name


class RoomList(msgspec.Struct, frozen=True):
    """A named list of rooms (by address)."""

    name: str
    address: str
    rooms: tuple[str, ...]


_ROOM_NAMES: Final = frozenset(
    {*RoomDetails.__struct_fields__, "id", "placeId", "displayName", "emailAddress"}
)
_LIST_NAMES: Final = frozenset(
    {"id", "placeId", "displayName", "emailAddress", "address", "geoCoordinates", "phone"}
)


class Places:
    """The routes about places. `details`, `lists` and `hidden` are settable."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        rooms = mailboxes.rooms()
        self.details = {room.id: RoomDetails(nickname=room.person.name) for room in rooms}
        self.hidden: set[str] = set()
        """Addresses, in lower case, of rooms that are hidden from address lists."""
        domain = rooms[0].address.partition("@")[2] if rooms else "contoso.com"
        everywhere = tuple(room.address for room in rooms)
        self.lists = [RoomList("All Rooms", f"all.rooms@{domain}", everywhere)]

    def routes(self) -> dict[str, Route]:
        """Each by its name in `simulators.exchange.routes`."""
        return {
            "GET rooms": self.rooms,
            "GET rooms/$count": self.count_rooms,
            "GET roomlists": self.roomlists,
            "GET roomlists/$count": self.count_roomlists,
            "GET roomlist rooms": self.rooms_of_list,
            "GET workspaces": self.workspaces,
            "GET place": self.place,
            "PATCH place": self.change,
            "POST checkIns": self.check_in,
            "GET checkIn": self.checked_in,
        }

    # Rooms

    def rooms(self, call: Call) -> Answer:
        """All rooms of the tenant, but for hidden ones."""
        found = [self._room(box) for box in self._shown()]
        context = call.context("places/microsoft.graph.room")
        return call.answer(self._page(call, found, context))

    def rooms_of_list(self, call: Call) -> Answer:
        """The rooms of one list, by its address."""
        wanted = {one.casefold() for one in self._list(call.target.event_id).rooms}
        found = [self._room(box) for box in self._shown() if box.address.casefold() in wanted]
        where = call.target.event_id.replace("@", "%40")
        context = call.context(f"places('{where}')/microsoft.graph.roomList/rooms")
        return call.answer(self._page(call, found, context))

    def count_rooms(self, _call: Call) -> Answer:
        """How many rooms, as plain text."""
        return Answer(200, str(len(self._shown())).encode(), {"content-type": "text/plain"})

    def count_roomlists(self, _call: Call) -> Answer:
        """How many lists, as plain text."""
        return Answer(200, str(len(self.lists)).encode(), {"content-type": "text/plain"})

    def roomlists(self, call: Call) -> Answer:
        """All room lists."""
        found = [_list_json(one) for one in self.lists]
        context = call.context("places/microsoft.graph.roomList")
        page = json_page(
            call.request,
            found,
            context,
            _LIST_NAMES,
            kind="roomList",
            preferred=call.preferences.page,
            page=PAGE,
        )
        return call.answer(page)

    def workspaces(self, call: Call) -> Answer:
        """There are none here."""
        return call.answer({"@odata.context": call.context("places/microsoft.graph.workspace"), "value": []})

    def place(self, call: Call) -> Answer:
        """A room or a room list, by id or address."""
        for one in self.lists:
            if call.target.event_id.casefold() in (one.address.casefold(), _list_id(one)):
                return self._one(call, _list_json(one), "roomList", _LIST_NAMES)
        return self._one(call, self._room(self._find(call.target.event_id)), "room", _ROOM_NAMES)

    def change(self, call: Call) -> Answer:
        """Change what a place says of a room."""
        box = self._find(call.target.event_id)
        body = {name: value for name, value in call.request.json().items() if not name.startswith("@odata.")}
        try:
            changed = msgspec.to_builtins(self.details[box.id]) | body
            self.details[box.id] = msgspec.convert(changed, RoomDetails)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The place cannot be changed: {error}.", "RequestBodyRead") from error
        return self._one(call, self._room(box), "room", _ROOM_NAMES)

    def _shown(self) -> list[Mailbox]:
        return [box for box in self._mailboxes.rooms() if box.address.casefold() not in self.hidden]

    def _find(self, key: str) -> Mailbox:
        for box in self._mailboxes.rooms():
            if key.casefold() in (box.address.casefold(), box.id):
                return box
        raise NotFound("ErrorItemNotFound", "The specified place was not found.")

    def _list(self, key: str) -> RoomList:
        for one in self.lists:
            if key.casefold() == one.address.casefold():
                return one
        raise NotFound("ErrorItemNotFound", "The specified place was not found.")

    def _room(self, box: Mailbox) -> Json:
        details: Json = msgspec.to_builtins(self.details.get(box.id, RoomDetails(nickname=box.person.name)))
        return {
            "id": box.id,
            "placeId": box.id,
            "displayName": box.person.name,
            "emailAddress": box.address,
            **details,
        }

    def _page(self, call: Call, found: list[Json], context: str) -> Json:
        preferred = call.preferences.page
        return json_page(
            call.request, found, context, _ROOM_NAMES, kind="room", preferred=preferred, page=PAGE
        )

    def _one(self, call: Call, place: Json, kind: str, names: frozenset[str]) -> Answer:
        check_select(call.options, names, kind)
        head = {"@odata.context": call.context("places/$entity"), "@odata.type": f"#microsoft.graph.{kind}"}
        return call.answer({**head, **selected(place, call.options)})

    # Check-ins

    def check_in(self, call: Call) -> Answer:
        """Somebody says that the room is in use. Not for applications (Graph's place-post-checkins page)."""
        box, body = self._claimed(call), call.request.json()
        event, method = body.get("calendarEventId"), body.get("checkInMethod")
        if not isinstance(event, str) or not event or method not in tuple(_METHODS):
            raise InvalidRequest("calendarEventId and checkInMethod are needed.", "BadRequest")
        now = self._mailboxes.now()
        self._mailboxes.checked_in[box.address.casefold(), event] = now
        return call.answer(_claim(event, str(method), now), 201)

    def checked_in(self, call: Call) -> Answer:
        """The claim about one booking; the published example wraps it in `value`."""
        box = self._claimed(call)
        at = self._mailboxes.checked_in.get((box.address.casefold(), call.target.part))
        if at is None:
            raise NotFound("ErrorItemNotFound", "There is no such check-in.")
        return call.answer({"value": _claim(call.target.part, "verified", at)})

    def _claimed(self, call: Call) -> Mailbox:
        if not call.caller.user:
            raise lacks_permission()
        return self._find(call.target.event_id)


def _claim(event: str, method: str, at: Instant) -> dict[str, Any]:
    return {
        "@odata.type": _CLAIM,
        "calendarEventId": event,
        "checkInMethod": method,
        "createdDateTime": graph_stamp_ms(at),
    }


def _list_id(one: RoomList) -> str:
    return guid("room list", one.address.casefold())


def _list_json(one: RoomList) -> Json:
    return {
        "id": _list_id(one),
        "displayName": one.name,
        "address": None,
        "geoCoordinates": None,
        "phone": "",
        "emailAddress": one.address,
    }
