"""What other policies would have come to: a table for people, JSON for programs, points for the picture."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from gateway.core.units import HOUR_MS, Duration
from gateway.replay.estimate import Estimate, Span
from gateway.replay.what_if import WhatIf
from gateway.reports.causes import cause_of
from gateway.reports.text import hours
from gateway.shown.paint import DASH, NAME, QUIET, Times, listing, text
from gateway.shown.plot import Point

LIMITS: Final = (
    (
        "Wrong: probably wrong. Within 15 min after the release, and before the booking's end, a sensor "
        "showed people or somebody said: we are here. Hours back: until the booking's end or the next sign "
        "of people; of ghosts: the share of their hours."
    ),
    "Brackets hold 95 %: of the share wrong exactly, of the hours by drawing the days anew.",
    (
        "History cannot tell of people who found their room given away and were not seen in it, and "
        "whoever came into a room that had become free counts as if it was theirs. So where releases were "
        "live, a policy that waits longer than the one of then is judged on what is left; one that waits "
        "less is judged well."
    ),
)
"""Each a paragraph below the table."""

BREAKER_LIMIT: Final = (
    "Nobody looks when another policy opens the breaker: it closes when people show, as ever. "
    "--no-breaker tells what would come of it without."
)
"""One more, unless the breaker was left out."""


def limits(tried: WhatIf) -> tuple[str, ...]:
    """What the figures cannot tell."""
    return (*LIMITS, *[BREAKER_LIMIT] * any(lived.variant.breaker for lived in tried.lived))


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
            DASH if one.wrong is None else _figure(f"{one.wrong:.1f}", _within(one.wrong_within, ".1f")),
            _figure(f"{one.hours:.1f}", _within(one.hours_within, ".0f")),
            DASH if number == 1 else _figure(f"{one.more:+.1f}", _within(one.more_within, "+.0f")),
            DASH if one.recovered is None else f"{100 * one.recovered:.0f} %",
        )
    console.print(table)
    _paint_missed(console, found)
    console.print()
    for note in (*notes, *limits(tried)):
        console.print(text(note, QUIET))


def _figure(value: str, within: str) -> Text:
    """With its interval below it, so that the table fits a narrow terminal."""
    return text(value).append(f"\n{within}", QUIET) if within else text(value)


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
    """For programs, in the words of `report`. Hours; shares 0 to 1; intervals are [low, high] or null."""
    return {
        "since": times.iso(tried.since),
        "until": times.iso(tried.until),
        "variants": [_variant_json(one) for one in found],
        "notes": [*notes, *limits(tried)],
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
        "released": total.releases,
        "released_by_kind": dict(sorted(total.kinds.items())),
        "wrong": total.wrong,
        "wrong_share": None if one.wrong is None else round(one.wrong / 100, 5),
        "wrong_share_95": None if one.wrong is None else [round(end / 100, 5) for end in one.wrong_within],
        "returned_hours": _hours(total.returned_ms),
        "returned_hours_95": _span(one.hours_within),
        "more_hours": round(one.more, 3),
        "more_hours_95": _span(one.more_within),
        "returned_ghost_share": None if one.recovered is None else round(one.recovered, 4),
        "unreturned": [
            {"cause": code, "words": cause_of(code).words, "ghosts": own.bookings, "hours": _hours(own.ms)}
            for code, own in sorted(total.missed.items(), key=lambda item: (-item[1].ms, item[0]))
        ],
        "rooms": [
            {
                "room": room,
                "released": own.releases,
                "wrong": own.wrong,
                "returned_hours": _hours(own.returned_ms),
                "ghost_hours": _hours(own.ghost_ms),
            }
            for room, own in sorted(one.lived.by_room.items())
        ],
    }


def _hours(duration_ms: Duration) -> float:
    return round(duration_ms / HOUR_MS, 3)


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
