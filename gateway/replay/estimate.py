"""How far the figures of a try can be trusted.

* The share of releases that were probably wrong: exact (Clopper and Pearson), because there are few of them.
* Hours given back: a bootstrap over days. Bookings of one day hang together (weather, holidays, one breaker),
  days hardly do, so days are drawn anew, as many as there were; between the 2.5th and the 97.5th percentile
  of the sums lie 95 %. Only days on which anything was booked are drawn from.
* More or fewer hours than as it was configured: the same draws, so that a busy day counts in both.

The draws come of a fixed seed: the same ledger gives the same intervals.
"""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.core.units import HOUR_MS
from gateway.replay.what_if import Lived
from gateway.reports.intervals import clopper_pearson

DRAWS: Final = 2_000
SEED: Final = 20_260_922
FEWEST_DAYS: Final = 5
"""Of fewer days nothing is said about how they vary."""

Span = tuple[float, float]


class Estimate(NamedTuple):
    """A variant's figures with their 95 % intervals; None: too few days, or no release at all."""

    lived: Lived
    hours: float
    """Given back."""
    hours_within: Span | None
    more: float
    """Hours more than as it was configured."""
    more_within: Span | None
    wrong: float | None
    """Probably wrong of 100 releases."""
    wrong_within: Span
    recovered: float | None
    """The share of ghost hours that was given back, 0 to 1."""


def estimates(lived: Sequence[Lived]) -> list[Estimate]:
    """Of each variant; the first one is what the others are compared with."""
    days = sorted({day for one in lived for day in one.by_day})
    by_day = [[_hours(one, day) for day in days] for one in lived]
    drawn = _draw(len(days))
    first_sums = [sum(by_day[0][i] for i in draw) for draw in drawn] if lived else []
    found = []
    for one, hours in zip(lived, by_day, strict=True):
        sums = [sum(hours[i] for i in draw) for draw in drawn]
        differences = [own - first for own, first in zip(sums, first_sums, strict=True)]
        total = one.total
        low, high = clopper_pearson(total.wrong, total.releases)
        found.append(
            Estimate(
                one,
                total.returned_ms / HOUR_MS,
                _middle(sums),
                (total.returned_ms - lived[0].total.returned_ms) / HOUR_MS,
                _middle(differences),
                100 * total.wrong / total.releases if total.releases else None,
                (100 * low, 100 * high),
                total.ghost_returned_ms / total.ghost_ms if total.ghost_ms else None,
            )
        )
    return found


def _hours(lived: Lived, day: int) -> float:
    figures = lived.by_day.get(day)
    return 0.0 if figures is None else figures.returned_ms / HOUR_MS


def _draw(days: int) -> list[list[int]]:
    """Days by their position, drawn with replacement, often."""
    if days < FEWEST_DAYS:
        return []
    dice = random.Random(SEED)  # noqa: S311 - a repeatable draw, not a secret
    return [dice.choices(range(days), k=days) for _ in range(DRAWS)]


def _middle(sums: Sequence[float]) -> Span | None:
    """The middle 95 % of them."""
    if not sums:
        return None
    ordered = sorted(sums)
    tail = len(ordered) * 25 // 1_000
    return ordered[tail], ordered[-1 - tail]
