"""Neutral names: what might tell who somebody is becomes a number, the same one wherever it stands.

Keys of bookings keep their order, by which the core breaks ties. Texts keep their words without
addresses: an error of Exchange may name a mailbox.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from gateway.core.booking import Booking
from gateway.core.decisions import Reason
from gateway.core.events import CalendarRead
from gateway.core.room import RoomState

Value = TypeVar("Value")

KEY_FIELDS: Final = frozenset({"key", "booking"})
ITEM_FIELDS: Final = frozenset({"event_id", "linked", "ask", "replaces"})
SAYER_FIELDS: Final = frozenset({"by", "asked_to_close"})
SERIES_FIELDS: Final = frozenset({"series_id"})
KEYED_BY_BOOKING: Final = frozenset({"calendar", "declined", "lives", "released", "departed"})
"""Fields of a room's memory that are looked up by a booking's key."""

SAYERS: Final = frozenset({"command", "panel", "qr", "api", "configuration"})
"""By what means a person spoke; anything else may be a name."""

ADDRESS: Final = re.compile(r"[\w.+'%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
MASKED: Final = "(address)"
OPAQUE: Final = re.compile(r"[0-9A-Fa-f-]{16,}(@\d+)?")
"""A key that is nothing but digits, as Exchange makes them; of other calendars' keys some hold an address."""


def may_be_shown(key: str) -> bool:
    """Whether a booking's key cannot hold a name."""
    return OPAQUE.fullmatch(key) is not None


class Names:
    """The neutral names of everything that occurs in some values."""

    def __init__(self, values: Iterable[object]) -> None:
        self._keys: dict[str, str] = {}
        self._items: dict[str, str] = {}
        self._series: dict[str, str] = {}
        for value in values:
            self._gather(value)
        for pool in (self._keys, self._items, self._series):
            pool.pop("", None)
        width = len(str(len(self._keys)))
        self._keys = {key: f"booking-{i:0{width}}" for i, key in enumerate(sorted(self._keys), start=1)}
        self._items = {item: f"item-{i}" for i, item in enumerate(self._items, start=1)}
        self._series = {series: f"series-{i}" for i, series in enumerate(self._series, start=1)}

    def key(self, key: str) -> str:
        """The neutral name of a booking's key."""
        return self._keys[key]

    def of(self, value: Value) -> Value:
        """The same value with neutral names."""
        return self._of(value)  # type: ignore[no-any-return] # each kind of value becomes one of its kind

    # -- gathering ------------------------------------------------------------------------------------

    def _gather(self, value: object) -> None:
        if isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                self._gather_field(value, name, getattr(value, name))
        elif isinstance(value, dict):
            for one in value.values():
                self._gather(one)
        elif isinstance(value, list | tuple):
            for one in value:
                self._gather(one)

    def _gather_field(self, owner: msgspec.Struct, name: str, value: Any) -> None:
        if isinstance(owner, CalendarRead) and name == "removed":
            self._keys |= dict.fromkeys(value, "")
        elif isinstance(owner, RoomState) and name == "loose_writes":
            self._keys |= {key: "" for key, _ in value.values()}
            self._items |= {item: "" for _, item in value.values()}
        elif isinstance(value, str):
            self._pool(name)[value] = ""
        else:
            if isinstance(owner, RoomState) and name in KEYED_BY_BOOKING:
                self._keys |= dict.fromkeys(value, "")
            elif isinstance(owner, RoomState) and name == "series":
                self._series |= dict.fromkeys(value, "")
            self._gather(value)

    def _pool(self, name: str) -> dict[str, str]:
        if name in KEY_FIELDS:
            return self._keys
        if name in ITEM_FIELDS:
            return self._items
        return self._series if name in SERIES_FIELDS else {}

    # -- replacing ------------------------------------------------------------------------------------

    def _of(self, value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(
                value, **{name: self._field(value, name) for name in value.__struct_fields__}
            )
        if isinstance(value, dict):
            return {key: self._of(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._of(one) for one in value)
        return ADDRESS.sub(MASKED, value) if isinstance(value, str) else value

    def _field(self, owner: msgspec.Struct, name: str) -> Any:
        value = getattr(owner, name)
        if isinstance(owner, RoomState) and isinstance(value, dict):
            return self._looked_up(name, value)
        if isinstance(owner, CalendarRead) and name == "removed":
            return tuple(self._name(self._keys, key) for key in value)
        return self._text(owner, name, value) if isinstance(value, str) else self._of(value)

    def _looked_up(self, name: str, value: dict[Any, Any]) -> dict[Any, Any]:
        """What a room remembers by a key or an id."""
        if name == "loose_writes":
            return {
                number: (self._name(self._keys, key), self._name(self._items, item))
                for number, (key, item) in value.items()
            }
        if name in KEYED_BY_BOOKING:
            return {self._name(self._keys, key): self._of(one) for key, one in value.items()}
        if name == "series":
            return {self._name(self._series, key): self._of(one) for key, one in value.items()}
        return {key: self._of(one) for key, one in value.items()}

    def _text(self, owner: msgspec.Struct, name: str, value: str) -> str:
        if isinstance(owner, Booking) and name == "change_key":
            return ""  # it names a version of an item, and nothing is decided on it
        if isinstance(owner, Reason) and name == "text":
            return self._reason_text(owner)
        if name in SAYER_FIELDS:
            return self._sayer(value)
        if name in KEY_FIELDS | ITEM_FIELDS | SERIES_FIELDS:
            return self._name(self._pool(name), value)
        return ADDRESS.sub(MASKED, value)

    def _reason_text(self, reason: Reason) -> str:
        if reason.code == "by_person":
            return self._sayer(reason.text)
        return self._keys.get(reason.text) or ADDRESS.sub(MASKED, reason.text)

    @staticmethod
    def _name(pool: dict[str, str], value: str) -> str:
        return pool[value] if value else ""

    @staticmethod
    def _sayer(by: str) -> str:
        means = by.partition(" ")[0]
        return means if means in SAYERS or not by else "a person"
