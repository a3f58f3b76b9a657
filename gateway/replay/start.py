"""Where to begin when history is run again."""

from typing import NamedTuple

from gateway.core.site import Site
from gateway.core.units import Instant
from gateway.ledger import Anchor, LedgerError, LedgerReader


class Start(NamedTuple):
    """The site as it was after the event `seq`; 0: before the first one. `at`: when that was."""

    seq: int
    at: Instant
    site: Site


def points(reader: LedgerReader) -> list[Anchor]:
    """Every point that is known wholly, oldest first; 0 is the one before the first event.

    Raises LedgerError if nothing has been recorded, or there is none.
    """
    extent = reader.extent()
    if not extent.last_seq:
        raise LedgerError(f"{reader.path}: nothing has been recorded yet.")
    found = [anchor for anchor in reader.snapshots() if anchor.seq >= extent.first_seq - 1]
    if extent.first_seq == 1:
        return [Anchor(0, extent.first_at, 0), *found]
    if not found:
        raise LedgerError(
            f"{reader.path}: the beginning of the journal is gone, and no snapshot is left to begin at. "
            "The gateway takes one at each orderly stop: restart it, and what follows can be run again."
        )
    return found


def start(reader: LedgerReader, since: Instant | None = None) -> Start:
    """The latest point known wholly that is not after `since`; without it the earliest.

    Raises LedgerError if nothing has been recorded, or nothing so old is left: the text says from when on.
    """
    known = points(reader)
    before = [point for point in known if point.seq and since is not None and point.at <= since]
    point = max(before, key=lambda one: one.seq, default=known[0])
    return Start(point.seq, point.at, reader.site_at(point.seq) if point.seq else Site())
