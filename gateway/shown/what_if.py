"""What other policies would have come to: a table for people, JSON for programs, points for the picture."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.core.units import HOUR_MS, Duration
from gateway.replay.estimate import Estimate, Span
from gateway.replay.what_if import Tell, WhatIf
from gateway.reports.causes import cause_of
from gateway.reports.text import hours
from gateway.shown.paint import DASH, NAME, QUIET, Times, listing, text
from gateway.shown.plot import Point

LIMITS: Final = (
    (
        "Probably wrong: within 15 min after the release, and before the booking's end, a sensor showed "
        "people or somebody said: we are here. Given back: until the booking's end or the next sign of "
        "people."
    ),
    "Brackets hold 95 %: of the share wrong exactly, of the hours by drawing the days anew.",
    (
        "History cannot tell of people who found their room given away and were not seen in it, and "
        "whoever came into a room that had become free counts as if it was theirs. So where releases were "
        "live, a policy that waits longer than the one of then is judged on what is left; one that waits "
        "less is judged well."
    ),
    (
        "Nobody looks when another policy opens the breaker: it closes when people show, as ever. --no- "
        "breaker tells what would come of it without."
    ),
)
"""Each a paragraph below the table."""


def paint_what_if(
    console: Console, tried: WhatIf, found: Sequence[Estimate], times: Times, notes: Sequence[str] = ()
) -> None:
    """Each policy's figures, why the rest of the ghosts was not given back, and what all that cannot tell."""
    console.print(text("What if? History under other policies", NAME))
    console.print(text(times.span(tried.since, tried.until), QUIET))
    console.print()
    table = listing(
        "", "Policy", "Releases", "Wrong", "of 100", "Hours back", "more", "of ghosts", right=range(2, 8)
    )
    for column in table.columns[2:]:
        column.no_wrap = True
    for number, one in enumerate(found, start=1):
        total = one.lived.total
        table.add_row(
            str(number),
            text(one.lived.variant.name, NAME if number == 1 else ""),
            str(total.releases),
            str(total.wrong),
            DASH if one.wrong is None else f"{one.wrong:.1f} {_within(one.wrong_within, '.1f')}",
            f"{one.hours:.1f} {_within(one.hours_within, '.0f')}",
            DASH if number == 1 else f"{one.more:+.1f} {_within(one.more_within, '+.0f')}",
            DASH if one.recovered is None else f"{100 * one.recovered:.0f} %",
        )
    console.print(table)
    _paint_missed(console, found)
    console.print()
    for note in (*notes, *LIMITS):
        console.print(text(note, QUIET))


def _paint_missed(console: Console, found: Sequence[Estimate]) -> None:
    """Why ghosts were not given back, in hours, a column for each policy."""
    by_policy = [_by_words(one) for one in found]
    largest = {words: max(own.get(words, 0) for own in by_policy) for own in by_policy for words in own}
    if not largest:
        return
    console.print()
    console.print(text("Ghost hours of bookings that were not given back, and why", QUIET))
    numbers = [str(number) for number in range(1, len(found) + 1)]
    table = listing(*numbers, "", right=range(len(numbers)))
    for words in sorted(largest, key=lambda one: (-largest[one], one)):
        table.add_row(*(hours(own.get(words, 0)) for own in by_policy), text(words))
    console.print(table)


def _by_words(one: Estimate) -> dict[str, Duration]:
    merged: dict[str, Duration] = {}
    for code, missed in one.lived.total.missed.items():
        words = cause_of(code).words
        merged[words] = merged.get(words, 0) + missed.ms
    return merged


def _within(span: Span | None, form: str) -> str:
    """An interval, as short as can be."""
    to = " to " if "+" in form else DASH
    return "" if span is None else f"({span[0]:{form}}{to}{span[1]:{form}})"


def what_if_json(
    tried: WhatIf, found: Sequence[Estimate], times: Times, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """For programs. Hours; intervals are [low, high] or null."""
    return {
        "since": times.iso(tried.since),
        "until": times.iso(tried.until),
        "variants": [_variant_json(one) for one in found],
        "notes": [*notes, *LIMITS],
    }


def _variant_json(one: Estimate) -> dict[str, Any]:
    total = one.lived.total
    return {
        "policy": one.lived.variant.name,
        "days": len(one.lived.by_day),
        "bookings": total.bookings,
        "booked_hours": _hours(total.booked_ms),
        "ghosts": total.ghosts,
        "ghost_hours": _hours(total.ghost_ms),
        "releases": total.releases,
        "releases_by_kind": dict(sorted(total.kinds.items())),
        "probably_wrong": total.wrong,
        "probably_wrong_per_100": _rounded(one.wrong),
        "probably_wrong_per_100_within": _span(one.wrong_within),
        "hours_given_back": _hours(total.returned_ms),
        "hours_given_back_within": _span(one.hours_within),
        "hours_more": _rounded(one.more),
        "hours_more_within": _span(one.more_within),
        "ghost_share_given_back": None if one.recovered is None else round(one.recovered, 4),
        "not_given_back": {
            code: {"ghosts": own.bookings, "hours": _hours(own.ms), "words": cause_of(code).words}
            for code, own in sorted(total.missed.items(), key=lambda item: (-item[1].ms, item[0]))
        },
        "rooms": {
            room: {
                "releases": own.releases,
                "probably_wrong": own.wrong,
                "hours_given_back": _hours(own.returned_ms),
                "ghost_hours": _hours(own.ghost_ms),
            }
            for room, own in sorted(one.lived.by_room.items())
        },
    }


def _hours(duration_ms: Duration) -> float:
    return round(duration_ms / HOUR_MS, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _span(span: Span | None) -> list[float] | None:
    return None if span is None else [round(value, 3) for value in span]


def plot_points(found: Sequence[Estimate]) -> list[Point]:
    """Every policy that released anything."""
    return [
        Point(
            one.lived.variant.name,
            one.wrong,
            one.wrong_within,
            one.hours,
            one.hours_within or (one.hours, one.hours),
        )
        for one in found
        if one.wrong is not None
    ]


class Bar:
    """How far it has come: a bar on a terminal, nothing elsewhere. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("living through history"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Tell:
        self._progress.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _tell(self, done: Duration, whole: Duration) -> None:
        self._progress.update(self._task, completed=done, total=whole)
