"""Identifiers in the form that Exchange gives them, from counters instead of chance.

- Event ids are opaque and case-sensitive. The same item has an immutable id (with
  `Prefer: IdType="ImmutableId"`) and a changeable one; inside the simulator only immutable ones exist.
- An iCalUId is a Global Object ID (Microsoft's MS-OXOCAL, 2.2.1.27): the same in every mailbox, and
  for an occurrence of a series the date of its original start stands in four of its bytes.
- A change key belongs to one mailbox and differs after every change.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from hashlib import blake2b
from typing import Final, NamedTuple

from gateway.core.units import Instant
from simulators.exchange.errors import MalformedId

_IMMUTABLE: Final = "AAkALg"
_CHANGEABLE: Final = "AAMkAG"
_CORE: Final = 24
"""Base64 characters that tell items apart."""
_ITEM_TAIL: Final = "AAA="
_ITEM_LENGTH: Final = len(_IMMUTABLE) + _CORE + len(_ITEM_TAIL)
_OCCURRENCE_LENGTH: Final = _ITEM_LENGTH + 4
_OBJECT_ID_PREFIX: Final = "040000008200E00074C5B7101A82E008"
_FILETIME_OF_1970_MS: Final = 11_644_473_600_000


def _digest(*parts: object, size: int) -> bytes:
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).digest()


def guid(*parts: object) -> str:
    """A GUID that depends on nothing but `parts`. By hand: every answer carries one, and `uuid` is slow."""
    raw = bytearray(_digest(*parts, size=16))
    raw[6] = raw[6] & 0x0F | 0x40  # version 4
    raw[8] = raw[8] & 0x3F | 0x80  # of RFC 9562
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class OccurrenceId(NamedTuple):
    """What an occurrence's id says: its series, its original date, how often it has come back."""

    series_id: str
    day: date
    generation: int


class Minter:
    """Hands out identifiers, one after the other, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    def item_id(self, mailbox_id: str) -> str:
        """A new item's immutable id."""
        core = _digest(self._seed, "item", mailbox_id, self._next(), size=_CORE * 3 // 4)
        return _IMMUTABLE + urlsafe_b64encode(core).decode() + _ITEM_TAIL

    def uid(self, now: Instant) -> str:
        """A new meeting's iCalUId."""
        filetime = (now + _FILETIME_OF_1970_MS) * 10_000
        created = filetime.to_bytes(8, "little").hex()
        data = _digest(self._seed, "uid", self._next(), size=16).hex()
        return f"{_OBJECT_ID_PREFIX}00000000{created}000000000000000010000000{data}".upper()

    def change_key(self, mailbox_id: str) -> str:
        """A change key that this mailbox has not used before."""
        key = _digest(self._seed, "mailbox", mailbox_id, size=16) + self._next().to_bytes(6, "big")
        return urlsafe_b64encode(key).decode().replace("-", "+").replace("_", "/")


def uid_of_occurrence(uid: str, day: date) -> str:
    """A series' iCalUId with the occurrence's original date in it."""
    at = len(_OBJECT_ID_PREFIX)
    return f"{uid[:at]}{day.year:04X}{day.month:02X}{day.day:02X}{uid[at + 8 :]}"


def occurrence_id(series_id: str, day: date, generation: int) -> str:
    """The id of one occurrence; another `generation` after it was declined and accepted again."""
    tail = day.toordinal().to_bytes(3, "big") + bytes((generation, 0x10, 0))
    return series_id[: -len(_ITEM_TAIL)] + urlsafe_b64encode(tail).decode()


def split_occurrence_id(event_id: str) -> OccurrenceId | None:
    """What an (immutable) id says if it is an occurrence's, else None."""
    if len(event_id) != _OCCURRENCE_LENGTH:
        return None
    try:
        tail = urlsafe_b64decode(event_id[-8:])
        day = date.fromordinal(int.from_bytes(tail[:3], "big"))
    except ValueError as error:
        raise MalformedId from error
    return OccurrenceId(event_id[:-8] + _ITEM_TAIL, day, tail[3])


def immutable_id(event_id: str) -> str:
    """The immutable form of either form of id. Raises `MalformedId`."""
    if not event_id.startswith((_IMMUTABLE, _CHANGEABLE)) or len(event_id) not in (
        _ITEM_LENGTH,
        _OCCURRENCE_LENGTH,
    ):
        raise MalformedId
    return _IMMUTABLE + event_id[len(_IMMUTABLE) :]


def changeable_id(event_id: str) -> str:
    """The form that Graph gives without `Prefer: IdType="ImmutableId"`."""
    return _CHANGEABLE + event_id[len(_CHANGEABLE) :]
