"""What an import would change: which rooms are new, which differ, which are configured and not told any more.

Rooms are recognised by their mailbox, whatever the case of its letters. What the other side does not
tell is left as it is. Rooms that are gone are told and never removed: their sensors hang on them.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from gateway.exchange.places import FoundRoom
from gateway.settings import RoomSettings
from gateway.settings_sections import MAX_TAGS, SLUG

FACTS: Final = ("name", "capacity", "building", "floor", "tags", "time_zone")
"""Settings of a room that can be imported, in the order in which they are written."""

MAX_ID: Final = 40
"""Characters of an id that is made from a name; a longer one reads badly in topics."""


class Difference(NamedTuple):
    """One setting of a room that would be written."""

    key: str
    before: Any
    """None: not set."""
    after: Any


class Added(NamedTuple):
    """A room that is not configured yet, with the settings that it would get."""

    id: str
    mailbox: str
    settings: dict[str, Any]
    note: str


class Changed(NamedTuple):
    """A configured room about which something else is told."""

    id: str
    mailbox: str
    differences: tuple[Difference, ...]
    note: str


class Gone(NamedTuple):
    """A configured room that is not told any more."""

    id: str
    mailbox: str


class Changes(NamedTuple):
    """What an import amounts to."""

    added: tuple[Added, ...]
    changed: tuple[Changed, ...]
    gone: tuple[Gone, ...]
    same: int
    """How many rooms are configured just as they are told."""

    @property
    def writes(self) -> bool:
        """Whether the configuration would change."""
        return bool(self.added or self.changed)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "added": [
                {"id": room.id, "mailbox": room.mailbox, "settings": room.settings, "note": room.note}
                for room in self.added
            ],
            "changed": [
                {
                    "id": room.id,
                    "mailbox": room.mailbox,
                    "differences": [each._asdict() for each in room.differences],
                    "note": room.note,
                }
                for room in self.changed
            ],
            "gone": [room._asdict() for room in self.gone],
            "same": self.same,
        }


def compare(
    configured: Sequence[RoomSettings], found: Sequence[FoundRoom], *, names: bool = False
) -> Changes:
    """What an import of `found` would change. `names`: also the names of rooms that have one."""
    by_mailbox = {room.mailbox.casefold(): room for room in configured}
    taken = {room.id for room in configured}
    added: list[Added] = []
    changed: list[Changed] = []
    same = 0
    for other in found:
        room = by_mailbox.pop(other.mailbox.casefold(), None)
        if room is None:
            id_ = new_id(other, taken)
            taken.add(id_)
            settings = {key: value for key, value in _facts(other).items() if value is not None}
            added.append(Added(id_, other.mailbox, settings, other.note))
            continue
        differences = tuple(_differences(room, other, names=names))
        if differences:
            changed.append(Changed(room.id, room.mailbox, differences, other.note))
        else:
            same += 1
    gone = tuple(Gone(room.id, room.mailbox) for room in by_mailbox.values())
    return Changes(tuple(added), tuple(changed), gone, same)


def _facts(room: FoundRoom) -> dict[str, Any]:
    facts = {key: getattr(room, key) for key in FACTS}
    tags = room.tags
    return facts | {"tags": None if tags is None else list(tags[:MAX_TAGS])}


def _differences(room: RoomSettings, other: FoundRoom, *, names: bool) -> Iterator[Difference]:
    for key, after in _facts(other).items():
        is_set = key in room.model_fields_set
        if after is None or (key == "name" and is_set and not names):
            continue
        before = getattr(room, key) if is_set else None
        if isinstance(before, tuple):
            before = list(before)
        if key == "tags" and before is not None and _same_tags(before, after):
            continue
        if before != after and not (key == "name" and after == room.name):
            yield Difference(key, before, after)


def _same_tags(one: list[str], other: list[str]) -> bool:
    """Whatever their order and case: people sort them by hand."""
    return sorted(tag.casefold() for tag in one) == sorted(tag.casefold() for tag in other)


def new_id(room: FoundRoom, taken: set[str]) -> str:
    """A short name that no room has: as told, or made from the name, or from the mailbox."""
    local = room.mailbox.partition("@")[0]
    wanted = room.id or _slug(room.name or "") or _slug(local) or "room"
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted[: 63 - len(str(number))]}-{number}" in taken:
        number += 1
    return f"{wanted[: 63 - len(str(number))]}-{number}"


def _slug(text: str) -> str:
    """The text in a-z, 0-9 and "-"; empty where nothing of it can be written so."""
    spelled = text.replace("ß", "ss").replace("æ", "ae").replace("ø", "o").replace("Ø", "O")
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().casefold()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_ID].strip("-")
    return slug if SLUG.fullmatch(slug) else ""
