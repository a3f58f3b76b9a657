"""What an import of rooms changes, on the screen, like a patch: + new, ~ different, - gone."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding

from gateway.rooms.changes import Changes
from gateway.settings_problems import shown
from gateway.shown.paint import BAD, GOOD, QUIET, WARN, text


def paint_changes(console: Console, changes: Changes, *, write: bool, backup: Path | None) -> None:
    """Every change, then what was done, or how to do it."""
    for room in changes.added:
        console.print(text(f"+ {room.id} ({room.mailbox})", GOOD))
        for key, value in room.settings.items():
            _beneath(console, f"{key} = {_value(value)}")
        _note(console, room.note)
    for change in changes.changed:
        console.print(text(f"~ {change.id} ({change.mailbox})", WARN))
        for each in change.differences:
            before = "not set" if each.before is None else _value(each.before)
            _beneath(console, f"{each.key}: {before} -> {_value(each.after)}")
        _note(console, change.note)
    for gone in changes.gone:
        console.print(text(f"- {gone.id} ({gone.mailbox})", BAD))
    if changes.gone:
        _beneath(
            console, "not told any more; they stay in the configuration until somebody removes them there"
        )
    counts = (
        f"{len(changes.added)} new, {len(changes.changed)} different, {len(changes.gone)} gone, "
        f"{changes.same} as they are."
    )
    console.print(text(counts))
    if backup is not None:
        console.print(text(f"Written; the configuration of before is {backup}.", GOOD))
        console.print(
            text("New rooms need their sensors; a running gateway reads it when it is started again.")
        )
    elif changes.writes and not write:
        console.print(text("Nothing was written; with --write it is.", QUIET))
    elif not changes.writes:
        console.print(text("There is nothing to write.", QUIET))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(shown(each) for each in value)}]"
    return shown(value)


def _beneath(console: Console, words: str) -> None:
    console.print(Padding(text(words, QUIET), (0, 0, 0, 4), expand=False))


def _note(console: Console, note: str) -> None:
    if note:
        console.print(Padding(text(f"note: {note}", WARN), (0, 0, 0, 4), expand=False))
