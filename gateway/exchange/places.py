"""The rooms that the tenant knows, from Microsoft Places (https://learn.microsoft.com/graph/api/place-list).

Needs the consent Place.Read.All in Entra; there is no Exchange role for it. Rooms that are hidden from
the address list are not told, and a new room may be missing for a day.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from gateway.exchange.client import GraphClient
from gateway.exchange.errors import ForbiddenError, ItemGoneError, MalformedError

PAGE_SIZE: Final = 100
"""What Graph gives at most for rooms."""

MAX_PAGES: Final = 100
"""10,000 rooms: a server that offers more is going round in circles."""

MAX_NAME: Final = 200
MAX_TEXT: Final = 500
MAX_TAG: Final = 100
"""Characters of a room's name, its building or floor, and a tag, as the settings have them."""

ADDRESS: Final = re.compile(r"[^@\s<>*?]+@[^@\s<>*?]+\.[^@\s<>.*?]+")
"""A mail address that can stand in the settings and means one mailbox in PowerShell."""

PLACES_ADVICE: Final = (
    "the application may not read the tenant's rooms: consent to Place.Read.All (application) in its API "
    "permissions, with admin consent; or export the rooms to a CSV file and import that"
)


class FoundRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room as somebody else knows it; None and empty: not told."""

    mailbox: str
    name: str | None = None
    id: str | None = None
    """The short name that it shall have here; None: made from its name."""
    capacity: int | None = None
    building: str | None = None
    floor: str | None = None
    tags: tuple[str, ...] | None = None
    time_zone: str | None = None
    line: int | None = None
    """Where it stands in a file."""
    note: str = ""
    """What a person should know before importing it."""


async def read_rooms(client: GraphClient, lists: Sequence[str] = ()) -> tuple[FoundRoom, ...]:
    """Every room of the tenant, or of these room lists (addresses), by mailbox.

    Raises RetryableError or UnreadableError; ItemGoneError becomes one that names the room list.
    """
    found: dict[str, FoundRoom] = {}
    sources = [client.url("places", name, "microsoft.graph.roomlist", "rooms") for name in lists]
    for url in sources or [client.url("places", "microsoft.graph.room")]:
        try:
            async for place in _pages(client, url):
                room = to_room(place)
                if room is not None:
                    found[room.mailbox.casefold()] = room
        except ForbiddenError as error:
            raise ForbiddenError(PLACES_ADVICE, status=error.status, code=error.code) from error
        except ItemGoneError as error:
            raise MalformedError(
                "there is no such room list", status=error.status, code=error.code
            ) from error
    return tuple(found[key] for key in sorted(found))


async def _pages(client: GraphClient, url: str) -> Any:
    params: dict[str, str] | None = {"$top": str(PAGE_SIZE)}
    for _ in range(MAX_PAGES):
        page = await client.get(url, params)
        values = page.get("value")
        if not isinstance(values, list):
            raise MalformedError("a list of places without places")
        for value in values:
            if isinstance(value, dict):
                yield value
        following = page.get("@odata.nextLink")
        if following is None:
            return
        if not isinstance(following, str):
            raise MalformedError("a link to the next page that is no address")
        url, params = following, None
    raise MalformedError(f"more than {MAX_PAGES} pages of places")


def to_room(place: dict[str, Any]) -> FoundRoom | None:
    """A place of Graph as a room; None where it has no mailbox. Most fields are null in most tenants."""
    mailbox = place.get("emailAddress")
    if not isinstance(mailbox, str) or not ADDRESS.fullmatch(mailbox):
        return None
    floor = _text(place.get("floorLabel"))
    if floor is None and isinstance(number := place.get("floorNumber"), int):
        floor = str(number)
    name = _text(place.get("displayName")) or _text(place.get("nickname"))
    reserved = place.get("bookingType") == "reserved"
    return FoundRoom(
        mailbox=mailbox,
        name=None if name is None else name[:MAX_NAME].rstrip(),
        capacity=_capacity(place.get("capacity")),
        building=_text(place.get("building")),
        floor=floor,
        tags=_tags(place),
        note="cannot be booked (first come, first served)" if reserved else "",
    )


DEVICES: Final = (
    ("audioDeviceName", "audio"),
    ("videoDeviceName", "video"),
    ("displayDeviceName", "display"),
    ("displayDevice", "display"),
)
"""What a room has is told by the name of a device; that it has one is what people look for."""


def _tags(place: dict[str, Any]) -> tuple[str, ...] | None:
    """Places' own tags and what its devices and fields amount to; None where nothing is told."""
    own = place.get("tags")
    found = [tag for tag in own if isinstance(tag, str)] if isinstance(own, list) else []
    found += [tag for key, tag in DEVICES if _text(place.get(key))]
    if place.get("isWheelChairAccessible") is True or place.get("isWheelchairAccessible") is True:
        found.append("wheelchair")
    if place.get("teamsEnabledState") == "enabled":
        found.append("teams")
    return clean_tags(found)


def clean_tags(tags: Iterable[str]) -> tuple[str, ...] | None:
    """Without blanks around them, each once whatever its case, in order; None: none."""
    kept: dict[str, str] = {}
    for tag in tags:
        word = " ".join(tag.split())
        if word and len(word) <= MAX_TAG:
            kept.setdefault(word.casefold(), word)
    return tuple(kept[key] for key in sorted(kept)) or None


def _text(value: Any) -> str | None:
    """Some text on one line, as long as the settings allow, or None."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text[:MAX_TEXT].rstrip() or None


def _capacity(value: Any) -> int | None:
    """A number above 0; old examples of the reference have it as text."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:  # noqa: PLR2004 - no number
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10_000 else None  # noqa: PLR2004 - as the setting
