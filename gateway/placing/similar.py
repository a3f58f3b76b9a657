"""Which room a device's name sounds like. Nothing is said where it is not clear: a wrong guess costs a walk.

A room is meant where every word of its id, of its name or of its mailbox stands in the device's name or
topic, numbers exactly and words at least nearly (difflib). Of several such rooms the one whose words hold
those of the others is meant (`orion-2` beside `orion`), and otherwise none.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from gateway.core.policy import Role

NEARLY: Final = 0.8
"""How alike two words must be (`SequenceMatcher.ratio`): one slip in six letters, and not another word."""
SHORTEST_NEARLY: Final = 5
"""Shorter words must be the same: `lab1` and `lab2`, `vega` and `vela` differ by one letter."""
MAX_CHARACTERS: Final = 300
"""Of a name or topic that are looked at."""

NOISE: Final = frozenset(
    [
        "a",
        "and",
        "area",
        "besprechungsraum",
        "conf",
        "conference",
        "de",
        "in",
        "mailbox",
        "meeting",
        "meetingroom",
        "office",
        "raum",
        "res",
        "resource",
        "room",
        "salle",
        "the",
        "zimmer",
    ]
)
"""Words that rooms share, so they tell none from another."""
DOORS: Final = frozenset(["door", "doorway", "entrance", "entry", "eingang", "exit", "porte", "tuer", "tur"])
SEATS: Final = frozenset(["chair", "desk", "desks", "schreibtisch", "seat", "sitz", "stuhl", "tisch"])
_ADDRESS: Final = re.compile(r"(?<![0-9A-Za-z])(0x)?(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{6,}(?![0-9A-Za-z])")
"""A device's address in hexadecimal: what looks like a name or number in it is none."""
_WORD: Final = re.compile(r"(?<![0-9A-Za-z])[A-Za-z][0-9]+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


class RoomNames(NamedTuple):
    """What a room is called."""

    id: str
    name: str
    mailbox: str


def words_of(text: str) -> tuple[str, ...]:
    """The words and numbers of a name, casefolded, without accents: `Room-2.04 Élan` is room, 2, 4, elan."""
    spelled = text[:MAX_CHARACTERS].replace("ß", "ss").replace("Ø", "O").replace("ø", "o")
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return tuple(word.lstrip("0") or "0" if word.isdigit() else word.lower() for word in _WORD.findall(plain))


def slug_of(text: str, limit: int = 40) -> str:
    """A short name made from another one; empty where nothing of it can be written so."""
    spelled = text.replace("ß", "ss").replace("Ø", "O").replace("ø", "o")
    plain = unicodedata.normalize("NFKD", spelled[:MAX_CHARACTERS]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.casefold()).strip("-")[:limit].strip("-")


def suggested_room(device: Sequence[str], rooms: Sequence[RoomNames]) -> str:
    """The id of the room that one of the device's names sounds like; empty: none for sure."""
    heard = {word for name in device for word in words_of(_ADDRESS.sub(" ", name))}
    matches = [(said, room.id) for room in rooms if (said := _match(heard, room))]
    if not matches:
        return ""
    said, meant = max(matches, key=lambda match: sum(len(word) for word in match[0]))
    if any(other != meant and not words < said for words, other in matches):
        return ""  # two rooms are named, neither of them only as a part of the other
    return "" if _numbers_say_otherwise(heard, meant, rooms) else meant


def _match(heard: set[str], room: RoomNames) -> frozenset[str]:
    """The words of one of the room's names, all of which the device's have; empty: not that room."""
    names = (room.id, room.name, room.mailbox.partition("@")[0])
    return max((_match_one(heard, words_of(name)) for name in names), key=len)


def _match_one(heard: set[str], words: tuple[str, ...]) -> frozenset[str]:
    telling = frozenset(words) - NOISE
    if all(word.isdigit() for word in telling):
        return frozenset()  # a bare number is in too many names
    return telling if all(_stands_in(word, heard) for word in telling) else frozenset()


def _stands_in(word: str, heard: set[str]) -> bool:
    if word in heard:
        return True
    if word.isdigit() or len(word) < SHORTEST_NEARLY:
        return False
    return any(
        len(other) >= SHORTEST_NEARLY and SequenceMatcher(None, word, other).ratio() >= NEARLY
        for other in heard
        if not other.isdigit()
    )


def _numbers_say_otherwise(heard: set[str], meant: str, rooms: Sequence[RoomNames]) -> bool:
    """`orion-3` is not `orion` where there is an `orion-2`: numbers tell rooms apart there."""
    own = next(room for room in rooms if room.id == meant)
    said = {word for word in heard if word.isdigit()}
    known = _numbers(own)
    if not said - known:
        return False
    letters = _letters(own)
    return any(_letters(other) == letters and _numbers(other) for other in rooms if other.id != meant)


def _numbers(room: RoomNames) -> set[str]:
    return {word for name in (room.id, room.name) for word in words_of(name) if word.isdigit()}


def _letters(room: RoomNames) -> tuple[str, ...]:
    return tuple(word for word in words_of(room.id) if not word.isdigit() and word not in NOISE)


def guessed_role(device: Sequence[str]) -> Role:
    """What a device's names say that it watches; the room, where they say nothing."""
    heard = {word for name in device for word in words_of(name)}
    if heard & DOORS:
        return "door"
    return "seat" if heard & SEATS else "room"
