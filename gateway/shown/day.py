"""A day's bookings, room by room, and lists of decisions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from gateway.core.decisions import Decision, Tally
from gateway.core.life import State
from gateway.core.units import Instant
from gateway.reports import OUTCOMES, cause_words
from gateway.shown.paint import DASH, GOOD, NAME, QUIET, Times, grid, listing, short_keys, text
from gateway.shown.timeline import STYLES, worded

STATE_WORDS: dict[State, str] = {
    "upcoming": "not begun",
    "open": "nobody seen yet",
    "seen": "somebody was here",
    "checked_in": "checked in",
    "releasing": "being given back",
    "released": "given back",
    "over": "over",
}

STATE_STYLES: dict[State, str] = {"checked_in": GOOD, "upcoming": QUIET}


class Entry(NamedTuple):
    """One booking of the day. `start`, `end`: None where the ledger cannot tell any more."""

    room: str
    booking: str
    start: Instant | None
    end: Instant | None
    state: State
    live: bool
    tally: Tally | None
    """What it came to, once it is over."""
    outlook: str
    """What the gateway is about to do with it, while it is not."""


def words_of(entry: Entry) -> tuple[str, str]:
    """State or outcome in words, and their style."""
    if entry.tally is None:
        return STATE_WORDS[entry.state], STATE_STYLES.get(entry.state, "")
    words = OUTCOMES[entry.tally.outcome]
    if entry.tally.outcome in ("no_show_kept", "withheld", "exempt", "unknown") and entry.tally.cause:
        words = f"{words}: {cause_words(entry.tally.cause)}"
    return words, GOOD if entry.tally.outcome == "attended" else ""


def paint_day(
    console: Console, entries: Mapping[str, Sequence[Entry]], names: Mapping[str, str], day: str, times: Times
) -> None:
    """Paint `bookings`: each room with its bookings in order."""
    console.print(text(day, NAME))
    keys = short_keys(entry.booking for room in entries.values() for entry in room)
    for room, bookings in entries.items():
        console.print()
        console.print(text(names.get(room, room), NAME))
        if not bookings:
            console.print(text("  no bookings", QUIET))
            continue
        lines = grid(3, indent=2)
        for entry in bookings:
            span = times.span(entry.start, entry.end) if entry.start and entry.end else DASH
            words, style = words_of(entry)
            line = text(words, style)
            line.append("  shadow" if _tells_shadow(entry) else "", style=QUIET)
            lines.add_row(text(span), text(keys[entry.booking], QUIET), line)
        console.print(lines)


def _tells_shadow(entry: Entry) -> bool:
    """Where it mattered, or may still matter, that nothing was written."""
    if entry.live or entry.state == "upcoming":
        return False
    return entry.tally is None or (entry.tally.outcome != "cancelled" and entry.tally.cause != "shadow")


def entry_json(entry: Entry, times: Times) -> dict[str, Any]:
    """One booking for programs."""
    return {
        "room": entry.room,
        "booking": entry.booking,
        "start": times.iso(entry.start),
        "end": times.iso(entry.end),
        "state": entry.state,
        "live": entry.live,
        "outlook": entry.outlook,
        "tally": None if entry.tally is None else msgspec.to_builtins(entry.tally),
        "words": words_of(entry)[0],
    }


def paint_decisions(console: Console, decisions: Sequence[Decision], times: Times, *, more: bool) -> None:
    """Paint `decisions`: one below the other, each in words, under a heading for each day."""
    if not decisions:
        console.print(text("No decision matches.", QUIET))
        return
    if more:
        console.print(text("Only the newest are shown; see --limit.", QUIET))
    keys = short_keys(d.booking for d in decisions if d.booking)
    day = ""
    table = None
    for decision in decisions:
        if times.date(decision.at) != day:
            if table is not None:
                console.print(table)
                console.print()
            day = times.date(decision.at)
            console.print(text(day, NAME))
            table = listing("Time", "Room", "Booking", "Decision")
        own = times.on(decision.at)
        line = text(worded(decision, own))
        line.stylize(STYLES.get(decision.kind, ""), 0, len(line.plain.partition(":")[0]))
        key = text(keys.get(decision.booking, DASH), QUIET)
        if table is not None:
            table.add_row(text(own.second(decision.at), QUIET), text(decision.room), key, line)
    if table is not None:
        console.print(table)
