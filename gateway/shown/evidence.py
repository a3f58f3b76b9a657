"""What came of verifying evidence, for people and for programs."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gateway.core.decisions import Decision
from gateway.core.explain import HEADLINES
from gateway.core.site import RULESET
from gateway.replay.bundle import Bundle, BundleError
from gateway.replay.otherwise import Change, Otherwise
from gateway.replay.otherwise_words import caveat, headline, none_found, told
from gateway.replay.verify import Difference, Verdict
from gateway.shown.paint import BAD, ELLIPSIS, GOOD, NAME, QUIET, WARN, Times, grid, text
from gateway.shown.timeline import STYLES, decision_json, worded

FOLLOWS = "The decisions follow from the facts: worked out again, they are the same, byte for byte."
FOLLOWS_NOT = "This evidence does not hold."
NOT_SHOWN = "Whether the decisions followed from the facts then, these rules cannot tell."


class Report(NamedTuple):
    """All that is told of one file. `found`: None if nothing was searched, for the file does not hold."""

    bundle: Bundle
    verdict: Verdict
    found: Otherwise | None


def office_times(bundle: Bundle, name: str) -> Times:
    """The office's clock. Raises BundleError if this machine does not know its zone."""
    try:
        return Times(ZoneInfo(bundle.time_zone))
    except (KeyError, ValueError, OSError):
        raise BundleError(
            f'{name}: this machine knows no time zone "{bundle.time_zone}" (at $.time_zone).'
        ) from None


def told_words(decision: Decision, times: Times) -> str:
    """A decision as it stands in a bundle: with its moment on the office's clock."""
    return f"{times.moment(decision.at)}: {worded(decision, times)}"


def paint_verdict(console: Console, report: Report, times: Times) -> None:
    """Paint what `verify` has to say."""
    bundle, verdict, found = report
    own = times.on(bundle.booking.start) if bundle.booking.start else times
    heading = text(bundle.room_name or bundle.room, NAME)
    if bundle.booking.start:
        heading.append(
            f"  {times.date(bundle.booking.start)}  {own.span(bundle.booking.start, bundle.booking.end)}"
        )
    console.print(heading)
    hidden = f"(its key is left out; SHA-256 of it: {bundle.booking.key_sha256[:16]}{ELLIPSIS})"
    key = bundle.booking.key or hidden
    console.print(text(f"Booking {key}", QUIET), overflow="fold")
    console.print(text(f"Times of {bundle.time_zone}", QUIET))
    console.print()
    _paint_decisions(console, [made.decision for made in bundle.decisions], own)
    for note in bundle.notes:
        console.print(text(f"Note: {note}", QUIET))
    console.print()
    _paint_result(console, verdict, own)
    if found is not None:
        console.print()
        _paint_otherwise(console, bundle, found, own)


def _paint_decisions(console: Console, decisions: list[Decision], times: Times) -> None:
    lines = grid(2)
    for decision in decisions:
        line = text(worded(decision, times), "")
        line.stylize(STYLES.get(decision.kind, ""), 0, len(HEADLINES[decision.kind]))
        lines.add_row(text(times.second(decision.at), QUIET), line)
    console.print(lines)


def _paint_result(console: Console, verdict: Verdict, times: Times) -> None:
    if verdict.follows:
        console.print(text(FOLLOWS, GOOD))
        if verdict.rules_changed:
            console.print(text("The rules have changed since, but not for this booking."))
        return
    if verdict.problems:
        console.print(text(FOLLOWS_NOT, BAD))
        for problem in verdict.problems:
            console.print(_indented(text(problem[:1].upper() + problem[1:])))
    if verdict.rules_changed and verdict.difference is not None:
        console.print(text(changed_words(verdict.difference, times), WARN))
        console.print(text(NOT_SHOWN))


def changed_words(difference: Difference, times: Times) -> str:
    """How today's rules differ from those that made the decisions."""
    today, then = difference.today, difference.recorded
    would = (
        "come to nothing more"
        if today is None
        else f"decide at {times.clock(today.at)}: {worded(today, times)}"
    )
    was = "nothing more" if then is None else f"{times.clock(then.at)}: {worded(then, times)}"
    return (
        f"The rules have changed since (today's ruleset is {RULESET}). In place of decision "
        f"{difference.number} ({was.rstrip('.')}), today's rules would {would}"
    )


def _paint_otherwise(console: Console, bundle: Bundle, found: Otherwise, times: Times) -> None:
    if not found.changes:
        console.print(text(none_found(found)))
        return
    console.print(text(headline(found, times.clock), NAME))
    for number, change in enumerate(found.changes):
        sentence = told(change, found, bundle.sensors, times.clock)
        console.print(_indented(text(sentence, "" if number else NAME)))
    console.print(text(caveat(found), QUIET))


def _indented(sentence: Text) -> Padding:
    return Padding(sentence, (0, 0, 0, 2))


def verdict_json(report: Report, times: Times) -> dict[str, Any]:
    """The same for programs."""
    bundle, verdict, found = report
    difference = verdict.difference
    return {
        "room": bundle.room,
        "booking": msgspec.to_builtins(bundle.booking)
        | {"start": times.iso(bundle.booking.start or None), "end": times.iso(bundle.booking.end or None)},
        "time_zone": bundle.time_zone,
        "written_by": {"program": bundle.program, "ruleset": bundle.ruleset},
        "ruleset": RULESET,
        "follows": verdict.follows,
        "problems": list(verdict.problems),
        "rules_changed": verdict.rules_changed,
        "difference": None
        if difference is None
        else {
            "number": difference.number,
            "recorded": None if difference.recorded is None else decision_json(difference.recorded, times),
            "today": None if difference.today is None else decision_json(difference.today, times),
        },
        "decisions": [
            decision_json(made.decision, times) | {"ruleset": made.ruleset} for made in bundle.decisions
        ],
        "notes": list(bundle.notes),
        "otherwise": None if found is None else _otherwise_json(bundle, found, times),
    }


def _otherwise_json(bundle: Bundle, found: Otherwise, times: Times) -> dict[str, Any]:
    def change_json(change: Change) -> dict[str, Any]:
        return {
            "code": change.code,
            "text": told(change, found, bundle.sensors, times.clock),
            "sensors": list(change.sensors),
            "since": times.iso(change.since),
            "until": times.iso(change.until),
            "value": change.value,
            "every_sensor_well_besides": change.well,
            "taken_at": times.iso(change.then.taken_at),
        }

    return {
        "searched": found.searched,
        "tried": found.runs,
        "taken_at": times.iso(found.as_it_was.taken_at),
        "facts_end": times.iso(found.end),
        "booking_over": found.over,
        "changes": [change_json(change) for change in found.changes],
    }
