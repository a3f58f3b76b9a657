"""The story of one booking: its decisions, its writes to Exchange, and what came of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from gateway.core.decisions import Decision, DecisionKind, Reason, Write
from gateway.core.explain import HEADLINES, explain, explain_reason
from gateway.core.units import Instant
from gateway.ledger import OutboxRow
from gateway.reports import OUTCOMES
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, Times, grid, text

STYLES: dict[DecisionKind, str] = {
    "checked_in": GOOD,
    "released": GOOD,
    "withheld": WARN,
    "not_released": WARN,
    "withdrawn": WARN,
    "refused": WARN,
}

STATES: dict[str, tuple[str, str]] = {
    "pending": ("waits to be sent", ""),
    "verifying": ("is being compared with Exchange", ""),
    "sending": ("is being sent", ""),
    "unclear": ("was sent, and Exchange does not show it yet", WARN),
    "applied": ("done, Exchange shows it", GOOD),
    "superseded": ("dropped", WARN),
    "expired": ("given up", BAD),
}


class Story(NamedTuple):
    """All that is known of one booking. `start`, `end`: None where the ledger cannot tell any more."""

    room: str
    name: str
    booking: str
    start: Instant | None
    end: Instant | None
    live: bool
    decisions: Sequence[Decision]
    writes: Sequence[OutboxRow]
    closing: str


def worded(decision: Decision, times: Times) -> str:
    """One decision in words; what a booking came to in the words of the reports."""
    if decision.kind == "concluded" and decision.tally is not None:
        return f"{HEADLINES['concluded']}: {OUTCOMES[decision.tally.outcome]}."
    try:
        return explain(decision, times.clock)
    except KeyError:
        clauses = "; ".join(reason_words(reason, times) for reason in decision.reasons)
        return f"{HEADLINES[decision.kind]}: {clauses}."


def reason_words(reason: Reason, times: Times) -> str:
    """One reason in words. A ledger outlives its versions: a code of another one speaks for itself."""
    try:
        return explain_reason(reason, times.clock)
    except KeyError:
        return " ".join([reason.code.replace("_", " "), reason.sensor]).rstrip()


def write_words(write: Write, times: Times) -> str:
    """What a write does, with the way it is done."""
    if write.new_end is not None:
        verb = "extend" if write.action == "extend" else "shorten"
        return f"{verb} it to {times.clock(write.new_end)}"
    does = {
        "check_in": "mark it as checked in",
        "release": "give the room back",
        "hold": "hold the room for those who lost it",
        "walk_up": "show the room as in use",
        "book": "book it for those who asked",
        "cancel": "cancel it",
    }
    how = {"decline": "decline", "cancel": "cancel", "delete": "delete"}.get(write.method, "")
    what = does.get(write.action, write.action)
    return f"{what} ({how})" if how else what


def write_state(row: OutboxRow) -> tuple[str, str]:
    """How far a write has come, in words, and their style."""
    words, style = STATES[row.state]
    why = f": {row.why}" if row.why else ""
    tries = f" (sent {row.attempts} times)" if row.attempts > 1 else ""
    return f"{words}{why}{tries}", style


def paint_story(console: Console, story: Story, times: Times) -> None:
    """Paint what `explain` has to say."""
    heading = text(story.name, NAME)
    if story.start is not None and story.end is not None:
        heading.append(f"  {times.date(story.start)}  {times.on(story.start).span(story.start, story.end)}")
    heading.append(
        "  live" if story.live else "  shadow, nothing is written", style="" if story.live else QUIET
    )
    console.print(heading)
    console.print(text(f"Booking {story.booking}", QUIET), overflow="fold")
    console.print()
    own = times if story.start is None else times.on(story.start)
    lines = grid(2)
    for decision in story.decisions:
        line = text(worded(decision, own), "")
        line.stylize(STYLES.get(decision.kind, ""), 0, len(HEADLINES[decision.kind]))
        lines.add_row(text(own.second(decision.at), QUIET), line)
    if not story.decisions:
        lines.add_row(text(DASH, QUIET), text("Nothing has been decided about it yet."))
    console.print(lines)
    if story.writes:
        console.print()
        _paint_writes(console, story.writes, own)
    console.print()
    console.print(text(story.closing, NAME))


def _paint_writes(console: Console, writes: Sequence[OutboxRow], times: Times) -> None:
    console.print(text("Written to Exchange", QUIET))
    lines = grid(2)
    for row in writes:
        state, style = write_state(row)
        line = Text(write_words(row.write, times))
        line.append(": ")
        line.append(text(state, style))
        lines.add_row(text(times.second(row.changed_at), QUIET), line)
    console.print(lines)


def story_json(story: Story, times: Times) -> dict[str, Any]:
    """The same for programs."""
    own = times if story.start is None else times.on(story.start)
    tally = next((d.tally for d in reversed(story.decisions) if d.tally is not None), None)
    return {
        "room": story.room,
        "booking": story.booking,
        "start": times.iso(story.start),
        "end": times.iso(story.end),
        "live": story.live,
        "decisions": [decision_json(d, own) for d in story.decisions],
        "writes": [
            {
                "write": row.write.id,
                "action": row.write.action,
                "method": row.write.method,
                "state": row.state,
                "why": row.why,
                "attempts": row.attempts,
                "changed_at": times.iso(row.changed_at),
            }
            for row in story.writes
        ],
        "tally": None if tally is None else msgspec.to_builtins(tally),
        "closing": story.closing,
    }


def decision_json(decision: Decision, times: Times) -> dict[str, Any]:
    """One decision for programs: what, when, in words, and the reasons as data with their words."""
    return {
        "at": times.iso(decision.at),
        "room": decision.room,
        "booking": decision.booking,
        "kind": decision.kind,
        "live": decision.live,
        "text": worded(decision, times),
        "reasons": [
            msgspec.to_builtins(reason) | {"words": reason_words(reason, times)}
            for reason in decision.reasons
        ],
    }
