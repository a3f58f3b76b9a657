"""What a family understands of one message, and what it knows of a device beforehand.

The core's `Reading` names a configured sensor. Here nothing is configured yet: a `Seen` says which part of
a message means what. `gateway.sensors.described` makes readings of it for a configured sensor, and
`occupancy-gateway sensors decode` shows it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from gateway.core.units import Instant
from gateway.sensors.values import as_number, as_percent

Kind = Literal["presence", "motion", "count", "entries", "battery", "link", "tamper", "fault"]
ROOM_KINDS: Final[frozenset[str]] = frozenset({"presence", "motion", "count", "entries"})
"""Kinds that bear on a room; the others tell of the device."""

How = Literal["state", "hold", "pulse", "period", "total"]
"""In which way a property tells.

- state: how things are now
- hold: on from the first motion until the device's (or its bridge's) own time has passed without one
- pulse: something happened since the last message; nothing is ever said of its end
- period: so many since the last message
- total: so many since the device started; it only rises, until it starts anew
"""

Device = Mapping[str, Any]
"""A family's own description of a device: a Zigbee2MQTT entry, a discovery configuration, a profile."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One thing that a message says.

    `value`: presence, motion, tamper and fault 0 or 1; count in people; entries in people who passed
    inwards (a total or a period's, as `how` says); battery in percent; link in the maker's own unit.
    """

    kind: Kind
    value: int
    property: str
    how: How = "state"


class Understood(msgspec.Struct, frozen=True, gc=False):
    """All that a message says."""

    seen: tuple[Seen, ...] = ()
    refused: str = ""
    """Why nothing, or not more, was understood; empty where nothing was held back."""
    online: bool | None = None
    """The device (or its bridge) is said to be on- or offline."""
    made_at: Instant | None = None
    """When the message was made, where it says so."""
    device_made: bool = True
    """False where a bridge, a timer or a cache may have made the message: it proves no life."""


Reader = Callable[[str | None, bytes], Understood]
"""(topic, payload) to what it says. Raises PayloadError and nothing else; pure."""


class Property(msgspec.Struct, frozen=True):
    """What one property of a device means."""

    name: str
    kind: Kind
    how: How = "state"
    why: str = ""
    """From what this was concluded."""


class Description(msgspec.Struct, frozen=True):
    """What a family understands of a device."""

    properties: tuple[Property, ...] = ()
    not_taken: Mapping[str, str] = {}
    """Properties that sound like people and are something else, each with the reason."""


def text_of(device: object, limit: int = 40) -> str:
    """The words by which a device is known (vendor, model, description ...), casefolded, for look-ups."""
    found: list[str] = []
    _collect(device, found, limit, 4)
    return " ".join(found).casefold()


def _collect(value: object, found: list[str], limit: int, depth: int) -> None:
    if len(found) >= limit or not depth:
        return
    if isinstance(value, str):
        found.append(value[:200])
    elif isinstance(value, Mapping):
        for item in list(value.values())[:limit]:
            _collect(item, found, limit, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value[:limit]:
            _collect(item, found, limit, depth - 1)


def listed(words: str) -> frozenset[str]:
    """The words of a text, which reads better than a page of quotes."""
    return frozenset(words.split())


MAX_SIGNAL: Final = 65_535
"""Signal figures are a byte, or a few hundred dB below zero; this only keeps nonsense out."""


def battery(value: object, name: str) -> tuple[Seen, ...]:
    """A battery level in percent, if it is one."""
    percent = as_percent(value)
    return () if percent is None else (Seen("battery", percent, name),)


def link(value: object, name: str) -> tuple[Seen, ...]:
    """A signal figure, if it is one."""
    number = as_number(value)
    if number is None or abs(number) > MAX_SIGNAL:
        return ()
    return (Seen("link", round(number), name),)


def flag(kind: Kind, value: object, name: str) -> tuple[Seen, ...]:
    """A JSON boolean, or 0 or 1; anything else says nothing."""
    if value is True or value is False or (type(value) is int and value in {0, 1}):
        return (Seen(kind, int(value), name),)
    return ()
