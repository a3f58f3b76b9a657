"""The rooms' tables of a gateway's configuration file, for an office."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from simulators.office import OfficeRoom


def room_tables(rooms: Iterable[OfficeRoom], mode: str = "live") -> str:
    """``[[room]]`` and ``[[room.sensor]]`` of each room, as TOML."""
    lines: list[str] = []
    for room in rooms:
        lines += table("[room]", {"id": room.id, "mailbox": room.mailbox, "mode": mode})
        for device in room.devices:
            lines += table("[room.sensor]", device.settings())
    return "\n".join(lines) + "\n"


def table(name: str, values: Mapping[str, Any]) -> list[str]:
    """A table; one of an array of tables where the name itself is in brackets."""
    return [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)  # strings, numbers and booleans are written alike in JSON and TOML
