"""How long things take, remembered in little memory; and straight lines through scattered points.

A year of a sensor's silences fits into a few hundred numbers: each duration is rounded up to a bucket,
by at most a second or one percent. Rounding up is the safe side wherever a hold is derived from it.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.core.units import NEVER, SECOND_MS, Duration, Instant

FINE_BELOW: Final = 1_000
"""Up to so many seconds buckets are one second wide, above they keep three digits."""


class Spread(msgspec.Struct, omit_defaults=True):
    """Durations in ms: how many of which length. Spreads add up with `take`."""

    buckets: dict[int, int] = {}
    """Upper edge in whole seconds, and how many."""
    longest_ms: Duration = 0
    longest_at: Instant = NEVER
    """When the longest one began."""

    def add(self, duration_ms: Duration, at: Instant = NEVER) -> None:
        """Count one duration (0 or more) that began at `at`."""
        edge = edge_of(duration_ms)
        self.buckets[edge] = self.buckets.get(edge, 0) + 1
        if duration_ms > self.longest_ms:
            self.longest_ms, self.longest_at = duration_ms, at

    def take(self, other: "Spread") -> None:
        """Add what another one holds."""
        for edge, number in other.buckets.items():
            self.buckets[edge] = self.buckets.get(edge, 0) + number
        if other.longest_ms > self.longest_ms:
            self.longest_ms, self.longest_at = other.longest_ms, other.longest_at

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    def quantile(self, share: float) -> Duration | None:
        """The length that `share` (0 to 1) of them do not exceed, in ms; None without any."""
        total = self.count
        if not total:
            return None
        rank, below = max(1, math.ceil(share * total)), 0
        for edge in sorted(self.buckets):
            below += self.buckets[edge]
            if below >= rank:
                break
        return min(edge * SECOND_MS, self.longest_ms)

    def above(self, limit_ms: Duration) -> int:
        """How many are longer than this; one within a bucket's width of it may count too."""
        if self.longest_ms <= limit_ms:
            return 0
        return sum(number for edge, number in self.buckets.items() if edge * SECOND_MS > limit_ms)

    def excess_ms(self, limit_ms: Duration) -> Duration:
        """By how much they are longer than this, added up."""
        return sum(
            number * (edge * SECOND_MS - limit_ms)
            for edge, number in self.buckets.items()
            if edge * SECOND_MS > limit_ms
        )

    def limit_for(self, excess_ms: Duration) -> Duration:
        """The shortest limit (whole seconds) at which `self.excess_ms` is at most `excess_ms`."""
        longer, excess, limit = 0, 0, max(self.buckets, default=0)
        for edge in [*sorted(self.buckets, reverse=True)[1:], 0]:
            # Down to `edge` each of the `longer` ones adds a second for each second that the limit falls.
            longer += self.buckets.get(limit, 0)
            at_edge = excess + longer * (limit - edge) * SECOND_MS
            if at_edge > excess_ms:
                return (limit - (excess_ms - excess) // (longer * SECOND_MS)) * SECOND_MS
            excess, limit = at_edge, edge
        return 0


def edge_of(duration_ms: Duration) -> int:
    """The bucket of a duration: its upper edge in seconds."""
    seconds = -(-max(0, duration_ms) // SECOND_MS)
    if seconds <= FINE_BELOW:
        return seconds
    step: int = 10 ** (len(str(seconds)) - 3)
    return -(-seconds // step) * step


def slope(points: Mapping[int, float]) -> float | None:
    """The robust rise per unit of x: the median over all pairs (Theil and Sen); None without two points.

    A third of the points may be rubbish without moving it much.
    https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
    """
    known = sorted(points.items())
    rises = [
        (y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(known) for x2, y2 in known[i + 1 :] if x2 > x1
    ]
    return statistics.median(rises) if rises else None


def level(points: Mapping[int, float], rise: float, x: int) -> float:
    """Where the line of this rise through the middle of the points is at `x`."""
    return statistics.median(y - rise * px for px, y in points.items()) + rise * x


def joined(spans: Sequence[tuple[Instant, Instant]], bridge_ms: Duration) -> list[tuple[Instant, Instant]]:
    """Spans in order of their start, with those joined that lie at most `bridge_ms` apart."""
    result: list[tuple[Instant, Instant]] = []
    for start, end in spans:
        if result and start - result[-1][1] <= bridge_ms:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((start, end))
    return result


def clipped(
    spans: Sequence[tuple[Instant, Instant]], start: Instant, end: Instant
) -> list[tuple[Instant, Instant]]:
    """What of the spans lies between `start` and `end`."""
    return [(max(s, start), min(e, end)) for s, e in spans if e >= start and s <= end]


def quiet_in(
    known: Sequence[tuple[Instant, Instant]], signs: Sequence[tuple[Instant, Instant]]
) -> list[tuple[Instant, Duration]]:
    """The pauses between signs within each known span, as (begin, length); both in order of time."""
    pauses = []
    for start, end in known:
        last = start
        for begins, ends in clipped(signs, start, end):
            if begins > last:
                pauses.append((last, begins - last))
            last = max(last, ends)
        if end > last:
            pauses.append((last, end - last))
    return pauses
