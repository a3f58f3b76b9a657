"""What of a changed configuration can be taken over by a gateway that runs: its sensors, and no more.

Everything else is read once, at the start: who is connected to, what is written to Exchange, the rooms
themselves. A file that changes any of that is refused as a whole, so that what runs is never half of a file.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import msgspec

from gateway.sensors import SensorSource
from gateway.settings import RoomSettings, Settings

AT_RUN_TIME: Final = frozenset({"file", "warnings", "rooms", "discovery"})
"""Parts of the settings that are compared in another way, or may change."""


class SensorChanges(msgspec.Struct, frozen=True):
    """How the sensors of two configurations differ, by their ids."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    """In another room than before."""
    changed: tuple[str, ...] = ()
    """In the same room, with other settings."""
    elsewhere: frozenset[str] = frozenset()
    """Of the moved and changed ones: those that publish in another way, so perhaps another device."""

    @property
    def any(self) -> bool:
        """Whether they differ at all."""
        return bool(self.added or self.removed or self.moved or self.changed)


def cannot_be_taken(old: Settings, new: Settings) -> list[str]:
    """What differs and needs a restart, in the file's words; empty: everything else may be taken over."""
    found = [
        _named(one.name)
        for one in fields(Settings)
        if one.name not in AT_RUN_TIME and getattr(old, one.name) != getattr(new, one.name)
    ]
    before, after = _bare_rooms(old), _bare_rooms(new)
    found += [f"the room {name} is new" for name in after if name not in before]
    found += [f"the room {name} is gone" for name in before if name not in after]
    found += [
        f"the settings of the room {name}"
        for name, room in after.items()
        if name in before and before[name] != room
    ]
    return found


def _named(field: str) -> str:
    return {"policies": "a [policy.NAME]", "serial": "[[serial]]"}.get(field, f"[{field}]")


def _bare_rooms(settings: Settings) -> Mapping[str, RoomSettings]:
    return {room.id: room.model_copy(update={"sensors": ()}) for room in settings.rooms}


def sensor_changes(old: Settings, new: Settings) -> SensorChanges:
    """How the sensors differ."""
    before, after = _placed(old), _placed(new)
    both = [name for name in after if name in before]
    sources = _sources(old), _sources(new)
    changed = [
        name for name in both if before[name][0] == after[name][0] and before[name][1] != after[name][1]
    ]
    return SensorChanges(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        moved=tuple(name for name in both if before[name][0] != after[name][0]),
        changed=tuple(changed),
        elsewhere=frozenset(name for name in both if sources[0][name] != sources[1][name]),
    )


def _placed(settings: Settings) -> dict[str, tuple[str, Any]]:
    return {sensor.id: (room.id, sensor) for room in settings.rooms for sensor in room.sensors}


def _sources(settings: Settings) -> dict[str, SensorSource]:
    return {source.sensor: source for source in settings.sensor_sources()}


def in_words(changes: SensorChanges) -> list[str]:
    """What was taken over, a sentence for each kind of change."""
    parts = (
        (changes.added, "listened to from now on"),
        (changes.removed, "no longer listened to"),
        (changes.moved, "in another room now"),
        (changes.changed, "taken over as changed"),
    )
    return [f"{', '.join(names)}: {what}." for names, what in parts if names]
