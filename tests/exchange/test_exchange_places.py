"""The tenant's rooms are read whole, page by page, whatever is missing in them."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import errors
from gateway.exchange.client import GraphClient
from gateway.exchange.places import FoundRoom, read_rooms, to_room

BASE = "https://graph.example/v1.0"

PLACE: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.room",
    "id": "3162f1e1-c4c0-604b-51d8-91da78989eb1",
    "placeId": "3162f1e1-c4c0-604b-51d8-91da78989eb1",
    "displayName": "Conf Room Orion",
    "emailAddress": "orion@contoso.com",
    "capacity": 8,
    "building": "North",
    "floorNumber": 4,
    "floorLabel": "4th",
    "bookingType": "standard",
    "tags": ["Whiteboard", "quiet  zone"],
    "audioDeviceName": "Speaker One",
    "videoDeviceName": None,
    "displayDeviceName": "Wall",
    "isWheelChairAccessible": True,
    "teamsEnabledState": "enabled",
}


class Tokens:
    async def token(self, *, claims: str | None = None) -> str:
        del claims
        return "t"


class Places:
    """Graph's places, in pages of a given size."""

    def __init__(self, places: list[dict[str, Any]], size: int = 100) -> None:
        self.places = places
        self.size = size
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        skip = int(request.url.params.get("$skip", "0"))
        body: dict[str, Any] = {"value": self.places[skip : skip + self.size]}
        if skip + self.size < len(self.places):
            body["@odata.nextLink"] = f"{BASE}/places/microsoft.graph.room?$skip={skip + self.size}"
        return httpx.Response(200, json=body)

    async def read(self, *lists: str) -> tuple[FoundRoom, ...]:
        async with GraphClient(BASE, Tokens(), transport=httpx.MockTransport(self)) as client:
            return await read_rooms(client, lists)


def place(number: int, **more: Any) -> dict[str, Any]:
    """One of many rooms."""
    return {"displayName": f"Room {number}", "emailAddress": f"r{number:03}@contoso.com", **more}


def test_a_room_is_taken_with_what_is_told_of_it() -> None:
    """Devices become tags, tags are cleaned, the floor's label goes before its number."""
    assert to_room(PLACE) == FoundRoom(
        mailbox="orion@contoso.com",
        name="Conf Room Orion",
        capacity=8,
        building="North",
        floor="4th",
        tags=("audio", "display", "quiet zone", "teams", "wheelchair", "Whiteboard"),
    )


def test_most_fields_are_null_in_most_tenants() -> None:
    """What is not told stays untold; old spellings and texts for numbers are understood."""
    bare = dict.fromkeys(PLACE) | {"emailAddress": "orion@contoso.com"}
    assert to_room(bare) == FoundRoom(mailbox="orion@contoso.com")
    old = to_room(
        {"emailAddress": "a@b.c", "capacity": "50", "floorNumber": 0, "isWheelchairAccessible": True}
    )
    assert old == FoundRoom(mailbox="a@b.c", capacity=50, floor="0", tags=("wheelchair",))
    assert to_room({"displayName": "No mailbox"}) is None
    assert to_room({"emailAddress": "orion"}) is None


def test_what_is_longer_than_the_settings_allow_is_cut() -> None:
    """A tenant's long names must not keep all its rooms from being imported."""
    room = to_room(
        {"emailAddress": "a@b.c", "displayName": "n" * 256, "building": "b" * 600, "tags": ["t" * 101, "ok"]}
    )
    assert room is not None
    assert (len(room.name or ""), len(room.building or ""), room.tags) == (200, 500, ("ok",))


def test_a_room_that_cannot_be_booked_says_so() -> None:
    """First come, first served: there will never be a booking to give back."""
    room = to_room(PLACE | {"bookingType": "reserved"})
    assert room is not None
    assert "cannot be booked" in room.note


async def test_every_page_is_read() -> None:
    """250 rooms in three pages, by mailbox, with the size that Graph allows."""
    places = Places([place(number) for number in reversed(range(250))])
    found = await places.read()
    assert [room.mailbox for room in found] == [f"r{number:03}@contoso.com" for number in range(250)]
    assert len(places.seen) == 3
    assert places.seen[0].url.path == "/v1.0/places/microsoft.graph.room"
    assert places.seen[0].url.params["$top"] == "100"


async def test_room_lists_are_asked_by_their_address() -> None:
    """A room in two lists comes once."""
    places = Places([place(1)])
    assert len(await places.read("north@contoso.com", "south@contoso.com")) == 1
    assert [request.url.path for request in places.seen] == [
        f"/v1.0/places/{name}@contoso.com/microsoft.graph.roomlist/rooms" for name in ("north", "south")
    ]


async def test_an_answer_that_goes_round_in_circles_ends() -> None:
    """A server that always offers another page is not followed for ever."""
    places = Places([place(number) for number in range(300)], size=1)
    with pytest.raises(errors.MalformedError, match="more than 100 pages"):
        await places.read()


@pytest.mark.parametrize("body", [{}, {"value": 7}, {"value": [], "@odata.nextLink": 7}])
async def test_an_odd_answer_is_no_empty_tenant(body: dict[str, Any]) -> None:
    """Never "no rooms" where the answer was not understood."""

    async def odd(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=body)

    async with GraphClient(BASE, Tokens(), transport=httpx.MockTransport(odd)) as client:
        with pytest.raises(errors.MalformedError):
            await read_rooms(client)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(403, "accessDenied", r"Place\.Read\.All"), (404, "ErrorItemNotFound", "no such room list")],
)
async def test_a_missing_consent_and_a_missing_list_are_told(status: int, code: str, words: str) -> None:
    """The consent by its name: no Exchange role gives it."""

    async def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": {"code": code}})

    async with GraphClient(BASE, Tokens(), transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(errors.UnreadableError, match=words):
            await read_rooms(client, ["x@contoso.com"])


@given(
    st.dictionaries(
        st.sampled_from(sorted(PLACE)),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers() | st.text()),
    )
)
def test_no_place_breaks_the_reading(value: dict[str, Any]) -> None:
    """A room with a mailbox, or none; and always fit for the settings."""
    room = to_room(json.loads(json.dumps(value)))
    assert room is None or ("@" in room.mailbox and (room.capacity is None or 0 < room.capacity <= 10_000))
