"""A long history in pieces that can be run side by side, each from a kept snapshot.

A snapshot holds what the gateway remembered under its own policy: bookings that were open keep the more
patient of two policies, and its signs come of its own sensors' holds. So each piece begins at least a day
before it counts. What reaches back further (the breaker's weeks, how quiet people are in a room, the bookings
in a row that nobody was seen in) is history's at the beginning of a piece, not the tried policy's.

Where the pieces lie depends on the ledger and the asked period alone, never on the number of processors.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.core.units import DAY_MS, FOREVER, Duration, Instant
from gateway.ledger import Anchor, LedgerError, LedgerReader
from gateway.replay.start import points

WARM_UP_MS: Final[Duration] = DAY_MS
PIECES: Final = 16
"""So many pieces keep two or four processors busy to the end."""
SHORTEST_MS: Final[Duration] = 4 * DAY_MS
"""The day of warming up shall not cost more than a fourth."""
WAITS_MS: Final[Duration] = 3 * DAY_MS
"""With no snapshot within this before a cut, the piece goes on to the next."""


class Piece(NamedTuple):
    """Run from the snapshot of event `seq`, taken at `begins`; 0: from the beginning.

    What is concluded after `since`, up to `until`, counts.
    """

    seq: int
    begins: Instant
    since: Instant
    until: Instant


def pieces(reader: LedgerReader, since: Instant | None, until: Instant | None) -> list[Piece]:
    """The pieces of the asked period, in order. Raises LedgerError where the ledger has nothing of it."""
    known = points(reader)
    extent = reader.extent()
    first = max(known[0].at, 0 if since is None else since)
    last = min(extent.last_at, FOREVER if until is None else until)
    if first >= last:
        raise LedgerError(f"{reader.path}: nothing is recorded in this period.")
    cuts = [first, *_cuts(known, first, last), last]
    found = []
    for start, end in pairwise(cuts):
        point = _point_before(known, start) or known[0]
        # What came before the first event, or in the very millisecond of a snapshot, is nothing to lose.
        found.append(Piece(point.seq, point.at, start if point.at < start else start - 1, end))
    return found


def _cuts(known: Sequence[Anchor], first: Instant, last: Instant) -> list[Instant]:
    length = max(SHORTEST_MS, (last - first) // PIECES)
    cuts = []
    for number in range(1, (last - first + DAY_MS // 2) // length):  # a journal seldom ends at midnight
        cut = first + number * length
        point = _point_before(known, cut)
        if point is not None and cut - point.at <= WAITS_MS:
            cuts.append(point.at + WARM_UP_MS)  # a little earlier: nothing is run only to warm up longer
    return cuts


def _point_before(known: Sequence[Anchor], instant: Instant) -> Anchor | None:
    """The newest point that leaves time to warm up."""
    before = [point for point in known if point.at <= instant - WARM_UP_MS]
    return before[-1] if before else None
