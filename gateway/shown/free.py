"""Painting of `free`: rooms that could be taken, best fit first."""

from datetime import datetime
from typing import Any, Final

from rich.console import Console

from gateway.core.units import SECOND_MS
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, Times, listing, text

Json = dict[str, Any]

WORDS: Final = {
    "free": ("free", GOOD),
    "unsure": ("not booked; whether somebody is there is unknown", WARN),
    "in_use": ("not booked, and in use", BAD),
    "unknown": ("unknown", WARN),
}
"""How a room stands, and its style."""


def paint_free(console: Console, answer: Json, times: Times) -> None:
    """Paint the gateway's answer to `free`."""
    start, end = _instant(answer["start"]), _instant(answer["end"])
    console.print(text(times.span(start, end), NAME))
    rooms = answer["rooms"]
    if not rooms:
        console.print(text("No such room is free then."))
    else:
        table = listing("Room", "People", "Where", "Offers", "State", right=(1,))
        for room in rooms:
            table.add_row(*_row(room, times))
        console.print(table)
    unsized = answer["capacity_unknown"]
    if unsized:
        why = "Left out, because the configuration does not say how many people fit"
        console.print(text(f"{why}: {', '.join(unsized)}.", QUIET))


def _row(room: Json, times: Times) -> list[Any]:
    words, style = WORDS[room["standing"]]
    why = room["trouble"] or "; ".join(room["occupancy"]["why"] if room["standing"] == "unsure" else [])
    state = text(words, style)
    if why:
        state.append(f" ({why})")
    if room["free_until"] is not None:
        state.append(f", until {times.clock(_instant(room['free_until']))}")
    where = ", ".join(part for part in (room["building"], room["floor"]) if part)
    return [
        text(room["name"] if room["name"] == room["room"] else f"{room['name']} ({room['room']})"),
        text(str(room["capacity"] or DASH)),
        text(where or DASH),
        text(", ".join(room["tags"]) or DASH),
        state,
    ]


def _instant(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp()) * SECOND_MS
