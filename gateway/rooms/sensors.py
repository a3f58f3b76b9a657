"""Changes the sensors in a configuration's text: put into a room, moved, renamed, ignored.

As in `gateway.rooms.edit`: what a person wrote stays where it is, comments move with what they stand
above, and the result is taken only if it says exactly what was meant and is a sound configuration.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.core.policy import Role
from gateway.firmware.plan import section
from gateway.firmware.quoting import quoted
from gateway.rooms.edit import EditError, bare, ending_of, prove, sound
from gateway.settings import SensorSettings

_ROOM: Final = re.compile(r"\s*\[\[\s*room\s*\]\]")
_SENSOR: Final = re.compile(r"\s*\[\[\s*room\s*\.\s*sensor\s*\]\]")
_BENEATH: Final = re.compile(r"\s*\[\s*room\s*\.\s*sensor\s*\.")
_HEADER: Final = re.compile(r"\s*\[")


class Block(NamedTuple):
    """The lines of one [[room]] or [[room.sensor]], with the comment right above it; counted from 0."""

    room: int
    sensor: int
    """-1: the room's own."""
    start: int
    end: int
    """The line after its last one that is not blank."""


class Editing(NamedTuple):
    """Where a configuration comes from, for messages and for paths in it."""

    file: str = "gateway.toml"
    base: Path = Path()
    environ: Mapping[str, str] = os.environ


# -- what can be asked for ----------------------------------------------------------------------------


def added(text: str, room: str, sensor: SensorSettings, editing: Editing) -> str:
    """The text with a new sensor at the end of a room. Raises EditError."""
    written = section(sensor)
    table = tomllib.loads(written)["room"]["sensor"][0]

    def meant(data: Any) -> None:
        _room_in(data, room).setdefault("sensor", []).append(table)

    lines = _lines(text)
    position = _room_position(text, room)
    _insert(lines, text, position, written.rstrip("\n").split("\n"))
    return _checked(text, lines, meant, editing)


def moved(text: str, sensor: str, room: str, role: Role | None, editing: Editing) -> str:
    """The text with a configured sensor in that room (its own, too) and role (None: as it is).

    Raises EditError.
    """
    data = tomllib.loads(text)
    old_room, place = _find(data, sensor)
    if role is not None and data["room"][old_room]["sensor"][place].get("role", "room") != role:
        return moved(_with_role(text, sensor, role, editing), sensor, room, None, editing)
    target = _room_position(text, room)
    if target == old_room:
        return text

    def meant(data: Any) -> None:
        taken = data["room"][old_room]["sensor"].pop(place)
        if not data["room"][old_room]["sensor"]:
            del data["room"][old_room]["sensor"]
        _room_in(data, room).setdefault("sensor", []).append(taken)

    lines = _lines(text)
    block = _block(text, old_room, place)
    cut = [line.removesuffix("\r") for line in lines[block.start : block.end]]
    # From the end of the file to its beginning, so that the places of what is left stay right.
    if target > old_room:
        _insert(lines, text, target, cut)
        _cut(lines, block)
    else:
        _cut(lines, block)
        _insert(lines, text, target, cut)
    return _checked(text, lines, meant, editing)


def renamed(text: str, old: str, new: str, editing: Editing) -> str:
    """The text with another id for a sensor. Raises EditError."""
    room, place = _find(tomllib.loads(text), old)

    def meant(data: Any) -> None:
        data["room"][room]["sensor"][place]["id"] = new

    lines = _lines(text)
    _set(lines, text, _block(text, room, place), "id", quoted(new))
    return _checked(text, lines, meant, editing)


def ignoring(text: str, topics: list[str], editing: Editing) -> str:
    """The text with exactly these topics under [discovery] ignore. Raises EditError."""

    def meant(data: Any) -> None:
        data.setdefault("discovery", {})["ignore"] = topics

    known = tomllib.loads(text).get("discovery")
    ending = ending_of(text)
    line = f"ignore = {tomlkit.item(topics).as_string()}"
    if known is None:
        whole = text if text.endswith("\n") or not text else text + ending
        return _checked(text, _lines(f"{whole}{ending}[discovery]{ending}{line}{ending}"), meant, editing)
    if "ignore" in known:
        return _checked(text, _lines(_with_ignored(text, known["ignore"], topics)), meant, editing)
    lines = _lines(text)
    header = re.compile(r"\s*\[\s*discovery\s*\]")
    place = next((n for n, one in enumerate(bare(text).split("\n")) if header.match(one)), None)
    if place is None:
        raise EditError("[discovery] is not a table of its own; write it so, or enter the change by hand")
    lines.insert(place + 1, line + ending.removesuffix("\n"))
    return _checked(text, lines, meant, editing)


def _with_ignored(text: str, before: list[str], topics: list[str]) -> str:
    """Only what differs is touched: a list over several lines keeps its comments."""
    try:
        document: Any = tomlkit.parse(text)
        listed = document["discovery"]["ignore"]
        for place in reversed(range(len(before))):
            if before[place] not in topics:
                del listed[place]
        for topic in topics:
            if topic not in before:
                listed.append(topic)
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise EditError(
            f"the configuration is written in a way that cannot be changed safely: {error}"
        ) from error


# -- the check on all of it ---------------------------------------------------------------------------


def _checked(text: str, lines: list[str], meant: Callable[[Any], None], editing: Editing) -> str:
    wanted = deepcopy(tomllib.loads(text))
    meant(wanted)
    result = "\n".join(lines)
    prove(text, result, wanted)
    return sound(result, file=editing.file, base=editing.base, environ=editing.environ)


# -- places -------------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _find(data: Mapping[str, Any], sensor: str) -> tuple[int, int]:
    """Room and place of a configured sensor. Raises EditError."""
    for room, table in enumerate(data.get("room", [])):
        for place, one in enumerate(table.get("sensor", [])):
            if one.get("id") == sensor:
                return room, place
    raise EditError(f"no room has a sensor {sensor!r}; `sensors list` names them")


def _room_in(data: Any, room: str) -> Any:
    return next(table for table in data["room"] if table["id"] == room)


def _room_position(text: str, room: str) -> int:
    for position, table in enumerate(tomllib.loads(text).get("room", [])):
        if table.get("id") == room:
            return position
    raise EditError(f"there is no room {room!r} in the configuration")


def _blocks(text: str) -> list[Block]:
    lines, kept = bare(text).split("\n"), text.split("\n")
    heads = [number for number, line in enumerate(lines) if _HEADER.match(line) and not _BENEATH.match(line)]
    starts = [_with_comment(kept, number) for number in heads]
    blocks: list[Block] = []
    room = sensor = -1
    for number, start, after in zip(heads, starts, [*starts[1:], len(lines)], strict=True):
        end = after
        while end > number + 1 and not kept[end - 1].strip():
            end -= 1
        if _ROOM.match(lines[number]):
            room, sensor = room + 1, -1
            blocks.append(Block(room, -1, start, end))
        elif _SENSOR.match(lines[number]):
            sensor += 1
            blocks.append(Block(room, sensor, start, end))
    return blocks


def _with_comment(lines: list[str], number: int) -> int:
    """The first line of the comment that stands right above a header, or the header itself."""
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
    return number


def _block(text: str, room: int, sensor: int) -> Block:
    for block in _blocks(text):
        if (block.room, block.sensor) == (room, sensor):
            return block
    raise EditError(
        "the sensor is not written as a [[room.sensor]] of its own; write it so, or enter the change by hand"
    )


# -- steps --------------------------------------------------------------------------------------------


def _insert(lines: list[str], text: str, room: int, new: list[str]) -> None:
    """Put lines behind the last block of a room, with a blank line before them."""
    now = "\n".join(lines)
    ends = [block.end for block in _blocks(now) if block.room == room]
    if not ends:
        raise EditError("the room is not written as a [[room]] of its own; enter the change by hand")
    carriage = ending_of(text).removesuffix("\n")
    end = max(ends)
    if end == len(lines):  # the file's last line has no end
        lines[-1] += carriage
        lines.append("")
    lines[end:end] = [line + carriage for line in ["", *new]]


def _cut(lines: list[str], block: Block) -> None:
    """Take a block away, and the blank lines before it."""
    start = block.start
    while start and not lines[start - 1].strip():
        start -= 1
    del lines[start : block.end]


def _set(lines: list[str], text: str, block: Block, key: str, value: str) -> bool:
    """Replace a text value where it stands; False if the block has no such key of its own."""
    plain = bare(text).split("\n")
    for number in range(block.start, block.end):
        found = re.match(rf"(\s*{key}\s*=\s*)(_+)", plain[number])
        if found is not None:
            line = lines[number]
            lines[number] = line[: found.end(1)] + value + line[found.end(2) :]
            return True
        if _BENEATH.match(plain[number]):
            break
    return False


def _with_role(text: str, sensor: str, role: Role, editing: Editing) -> str:
    room, place = _find(tomllib.loads(text), sensor)
    lines, block = _lines(text), _block(text, room, place)
    if not _set(lines, text, block, "role", quoted(role)):
        heads = [n for n in range(block.start, block.end) if _SENSOR.match(lines[n])]
        indent = re.match(r"[ \t]*", lines[heads[0]])
        line = f"{indent[0] if indent else ''}role = {quoted(role)}"
        lines.insert(heads[0] + 1, line + ending_of(text).removesuffix("\n"))

    def meant(data: Any) -> None:
        data["room"][room]["sensor"][place]["role"] = role

    return _checked(text, lines, meant, editing)
