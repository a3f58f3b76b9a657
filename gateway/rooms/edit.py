"""Changes a configuration's text, so that everything that a person wrote stays where it is.

Values that are there already are replaced by tomlkit; new keys are put in as lines beneath the room's
`mailbox`, and new rooms at the end. The result is taken only if it says exactly what was meant to be
said, is a sound configuration, and still holds every comment.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.rooms.changes import Changed, Changes
from gateway.settings import SettingsError, parse
from gateway.whole_file import write_durably

HEADING: Final = "# Imported rooms. Add their sensors: a [[room.sensor]] after the room that it hangs in."
"""Above the rooms that an import adds; not put there twice in a row."""


class EditError(Exception):
    """The configuration cannot be changed without harm; it was not changed. Each argument is a sentence."""


def edited(
    text: str,
    changes: Changes,
    *,
    file: str = "gateway.toml",
    base: Path = Path(),
    environ: Mapping[str, str] = os.environ,
) -> str:
    """The configuration's text with the changes in it. Raises EditError."""
    if not changes.writes:
        return text
    wanted = _as_meant(tomllib.loads(text), changes)
    result = _with_new_rooms(_with_new_keys(_with_new_values(text, changes), changes), changes)
    prove(text, result, wanted)
    return sound(result, file=file, base=base, environ=environ)


def sound(result: str, *, file: str, base: Path, environ: Mapping[str, str]) -> str:
    """The text itself, if it is a configuration that the gateway would start with. Raises EditError."""
    try:
        parse(result, file=file, base=base, environ=environ)
    except SettingsError as error:
        raise EditError(
            "the result would be no sound configuration, so nothing was written:", *error.problems
        ) from error
    return result


def _as_meant(data: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """What the result must say: the check on all that follows."""
    rooms = [dict(room) for room in data.get("room", [])]
    for change in changes.changed:
        room = next(room for room in rooms if room["id"] == change.id)
        room.update({each.key: each.after for each in change.differences})
    rooms += [{"id": new.id, "mailbox": new.mailbox, **new.settings} for new in changes.added]
    return {**data, "room": rooms}


def _with_new_values(text: str, changes: Changes) -> str:
    """Values of keys that are there already, replaced where they stand."""
    if not any(each.before is not None for change in changes.changed for each in change.differences):
        return text
    try:
        document: Any = tomlkit.parse(text)
        for change in changes.changed:
            for room in document["room"]:
                if room["id"] == change.id:
                    _replace(room, change)
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise EditError(
            f"the configuration is written in a way that cannot be changed safely: {error}"
        ) from error


def _replace(room: Any, change: Changed) -> None:
    for each in change.differences:
        if each.before is not None:
            room[each.key] = each.after


def _with_new_keys(text: str, changes: Changes) -> str:
    """New keys as lines of their own, right beneath the room's mailbox."""
    new = {
        change.id: {each.key: each.after for each in change.differences if each.before is None}
        for change in changes.changed
    }
    lines = text.split("\n")
    places = _mailbox_lines(text)
    ending = ending_of(text)
    insertions: list[tuple[int, str]] = []
    for position, room in enumerate(tomllib.loads(text).get("room", [])):
        settings = new.get(room.get("id"), {})
        if settings and position in places:
            number = places[position]
            indent = re.match(r"[ \t]*", lines[number])
            insertions.append((number, lines_of(settings, indent[0] if indent else "", ending)))
    for number, added in reversed(insertions):
        if number == len(lines) - 1:  # the file's last line has no end
            lines[number] += ending.removesuffix("\n")
        lines.insert(number + 1, added.removesuffix("\n"))
    return "\n".join(lines)


def _mailbox_lines(text: str) -> dict[int, int]:
    """For each [[room]], counted from 0, the line (from 0) on which its mailbox stands."""
    places: dict[int, int] = {}
    room, inside = -1, False
    for number, line in enumerate(bare(text).split("\n")):
        if line.lstrip().startswith("["):
            inside = re.match(r"\s*\[\[\s*room\s*\]\]", line) is not None
            room += inside
        elif inside and re.match(r"\s*mailbox\s*=", line):
            places.setdefault(room, number)
    return places


def bare(text: str) -> str:
    """The text with everything in quotes and all comments blotted out, line by line as long as it is."""
    return _TOKEN.sub(lambda found: re.sub(r"[^\n]", "_", found[0]), text)


def lines_of(settings: Mapping[str, Any], indent: str, ending: str) -> str:
    """Settings as TOML, one a line."""
    return "".join(
        f"{indent}{key} = {tomlkit.item(value).as_string()}{ending}" for key, value in settings.items()
    )


def ending_of(text: str) -> str:
    """How lines end in this file."""
    return "\r\n" if "\r\n" in text else "\n"


def _with_new_rooms(text: str, changes: Changes) -> str:
    if not changes.added:
        return text
    ending = ending_of(text)
    parts = [text if text.endswith("\n") or not text else text + ending]
    if HEADING not in text:
        parts.append(f"{ending}{HEADING}{ending}")
    for room in changes.added:
        settings = {"id": room.id, "mailbox": room.mailbox, **room.settings}
        ordered = {key: settings[key] for key in ("id", "name", "mailbox") if key in settings}
        parts.append(f"{ending}[[room]]{ending}{lines_of(ordered | settings, '', ending)}")
    return "".join(parts)


def prove(before: str, after: str, wanted: Mapping[str, Any]) -> None:
    """Nothing else is said than before, and no comment is lost. Raises EditError."""
    try:
        said = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        said = {}
    if said != wanted:
        raise EditError(
            "the configuration is written in a way that cannot be changed safely (rooms in one line, "
            "perhaps); "
            "write each room as a [[room]] of its own, or enter the changes by hand. Nothing was written."
        )
    lost = Counter(_comments(before)) - Counter(_comments(after))
    if lost:
        raise EditError(f"a comment would be lost ({next(iter(lost))!r}), so nothing was written")


_TOKEN: Final = re.compile(
    r""""{3}(?:\\.|[^\\])*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*""", re.DOTALL
)
"""A text of TOML in any of its four forms, or a comment: a `#` within a text begins none."""


def _comments(text: str) -> list[str]:
    """The comments, which must all be there afterwards."""
    return [found[0].strip() for found in _TOKEN.finditer(text) if found[0].startswith("#")]


def write(path: Path, before: str, after: str, backup: Path) -> None:
    """Replace the file whole or not at all, with the old one kept as `backup`. Raises OSError or EditError.

    A link is followed, and owner and mode stay. EditError: somebody else has changed it meanwhile.
    """
    target = path.resolve()
    content = target.read_bytes()
    if content.decode() != before:
        raise EditError(f"{path} was changed by somebody else meanwhile; nothing was written. Try again.")
    state = target.stat()
    write_durably(backup, content, state.st_mode & 0o777)
    beside = target.with_name(f".{target.name}.new")
    write_durably(beside, after.encode(), state.st_mode & 0o777)
    try:
        if os.geteuid() == 0:
            os.chown(beside, state.st_uid, state.st_gid)
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
