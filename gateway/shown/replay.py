"""What running history again came to, on the screen and for programs."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from rich.console import Console

from gateway.core.decisions import Decision
from gateway.replay.compare import Difference
from gateway.replay.rerun import Fault, Part, Verdict
from gateway.shown.paint import BAD, DASH, GOOD, NAME, QUIET, WARN, Times, grid, short_keys, text
from gateway.shown.timeline import decision_json, worded

SHOWN: Final = 3
"""Decisions of each side of a difference; what comes after them mostly follows from them."""

FAULTS_SHOWN: Final = 5


def paint_verdict(console: Console, verdict: Verdict, times: Times) -> None:
    """Paint what `replay` found: what was compared, faults first, then what other rules decided otherwise."""
    for part in verdict.parts:
        console.print(text(_compared_words(part, verdict, times), QUIET))
    console.print()
    if verdict.faults:
        _paint_faults(console, verdict, times)
    if verdict.differences:
        _paint_differences(console, verdict.differences, times)
    console.print(*_closing(verdict), sep="\n")


def _compared_words(part: Part, verdict: Verdict, times: Times) -> str:
    whose = "today's rules" if part.ruleset == verdict.ruleset else "other rules than today's"
    span = f"{times.moment(part.since)} {DASH} {times.moment(part.until)}"
    return f"{span}: {part.decisions:,} decisions of ruleset {part.ruleset} ({whose})"


def _closing(verdict: Verdict) -> list[Any]:
    """The sum of it, and what it means."""
    lines = []
    same = [part for part in verdict.parts if part.ruleset == verdict.ruleset]
    if same and not verdict.faults:
        count = sum(part.decisions for part in same)
        kept = f", and so does all that was remembered at {verdict.snapshots} kept snapshots"
        told = f"The same: all {count:,} decisions of ruleset {verdict.ruleset} come out as recorded"
        lines.append(text(f"{told}{kept if verdict.snapshots else ''}.", GOOD))
    if len(same) < len(verdict.parts):
        older = sum(part.decisions for part in verdict.parts) - sum(part.decisions for part in same)
        if verdict.differences:
            told = f"Today's rules (ruleset {verdict.ruleset}) decide otherwise on {_bookings(verdict)}"
            lines.append(text(f"{told}, of {older:,} decisions of other rulesets. That is no fault.", WARN))
        else:
            lines.append(
                text(f"Today's rules decide the same on {older:,} decisions of other rulesets.", GOOD)
            )
        if verdict.details:
            lines.append(text(f"{verdict.details:,} more differ in their reasons or figures alone.", QUIET))
    if verdict.lost:
        lines.append(
            text(f"{verdict.lost:,} events after a fault could not be compared: no snapshot is there.", QUIET)
        )
    return lines


def _bookings(verdict: Verdict) -> str:
    """How many bookings decisions differ about; a room or the site as a whole counts apart."""
    bookings = len({(one.room, one.booking) for one in verdict.differences if one.booking})
    others = len({one.room for one in verdict.differences if not one.booking})
    words = [f"{bookings:,} booking{'s' * (bookings != 1)}"] * bool(bookings)
    words += [f"{others:,} room{'s' * (others != 1)} as a whole"] * bool(others)
    return " and ".join(words)


def _paint_faults(console: Console, verdict: Verdict, times: Times) -> None:
    console.print(text("NOT THE SAME: the same rules and the same facts come to another conclusion.", BAD))
    console.print(
        text(
            "Either the ledger was altered after it had been written, or the program is at fault. Compare it "
            "with a backup; if that has the same entries, please report what stands here.",
            QUIET,
        )
    )
    for fault in verdict.faults[:FAULTS_SHOWN]:
        console.print()
        console.print(text(f"Event {fault.seq}, {times.moment(fault.at)}", NAME))
        if fault.memory:
            told = (
                f"The snapshot kept there holds something else than what comes of its events: {fault.memory}"
            )
            console.print(text(f"  {told}"))
        else:
            _paint_sides(console, fault.recorded, "again", fault.again, times.on(fault.at))
    left = len(verdict.faults) - FAULTS_SHOWN
    if left > 0:
        console.print(text(f"\nand {left:,} more; --json lists them.", QUIET))
    console.print()


def _paint_differences(console: Console, differences: Sequence[Difference], times: Times) -> None:
    keys = short_keys(one.booking for one in differences if one.booking)
    for day, those in groupby(differences, key=lambda one: times.date(one.at)):
        console.print(text(day, NAME))
        for one in those:
            whose = " ".join(filter(None, (one.room or "the site", keys.get(one.booking, ""))))
            console.print(text(f"  {whose}  (ruleset {one.ruleset})"))
            _paint_sides(console, one.recorded, "today", one.today, times.on(one.at), indent=4)
        console.print()


def _paint_sides(
    console: Console,
    recorded: Sequence[Decision],
    label: str,
    other: Sequence[Decision],
    times: Times,
    *,
    indent: int = 2,
) -> None:
    """What was recorded, and below it what comes now."""
    lines = grid(3, indent=indent)
    for side, decisions in (("recorded", recorded), (label, other)):
        for place, decision in enumerate(decisions[:SHOWN]):
            who = "" if place else side
            lines.add_row(
                text(who, QUIET), text(times.second(decision.at), QUIET), text(worded(decision, times))
            )
        if not decisions:
            lines.add_row(text(side, QUIET), text(DASH, QUIET), text("nothing", QUIET))
        left = len(decisions) - SHOWN
        if left > 0:
            lines.add_row("", "", text(f"and {left:,} more, which may follow from that", QUIET))
    console.print(lines)


def verdict_json(verdict: Verdict, times: Times) -> dict[str, Any]:
    """The same for programs, with every fault and difference in full."""
    return {
        "ruleset": verdict.ruleset,
        "same": not verdict.faults,
        "begun_at": times.iso(verdict.begun_at),
        "events": verdict.events,
        "decisions": verdict.decisions,
        "stretches": [
            {
                "ruleset": part.ruleset,
                "since": times.iso(part.since),
                "until": times.iso(part.until),
                "decisions": part.decisions,
            }
            for part in verdict.parts
        ],
        "snapshots": verdict.snapshots,
        "faults": [_fault_json(fault, times) for fault in verdict.faults],
        "not_compared": verdict.lost,
        "differences": [_difference_json(one, times) for one in verdict.differences],
        "details": verdict.details,
    }


def _fault_json(fault: Fault, times: Times) -> dict[str, Any]:
    return {
        "event": fault.seq,
        "at": times.iso(fault.at),
        "recorded": [decision_json(decision, times.on(fault.at)) for decision in fault.recorded],
        "again": [decision_json(decision, times.on(fault.at)) for decision in fault.again],
        "memory": fault.memory,
    }


def _difference_json(one: Difference, times: Times) -> dict[str, Any]:
    return {
        "room": one.room,
        "booking": one.booking,
        "ruleset": one.ruleset,
        "at": times.iso(one.at),
        "recorded": [decision_json(decision, times.on(one.at)) for decision in one.recorded],
        "today": [decision_json(decision, times.on(one.at)) for decision in one.today],
    }
