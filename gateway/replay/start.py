"""Where to begin when history is run again."""

from typing import NamedTuple

from gateway.core.site import Site
from gateway.core.units import Instant
from gateway.ledger import LedgerError, LedgerReader


class Start(NamedTuple):
    """The site as it was after the event `seq`; 0: before the first one. `at`: when that was."""

    seq: int
    at: Instant
    site: Site


def start(reader: LedgerReader, since: Instant | None = None) -> Start:
    """The latest point known wholly that is not after `since`; without it the earliest.

    Raises LedgerError if nothing has been recorded, or nothing so old is left: the text says from when on.
    """
    extent = reader.extent()
    if not extent.last_seq:
        raise LedgerError(f"{reader.path}: nothing has been recorded yet.")
    whole = extent.first_seq == 1
    anchors = [anchor for anchor in reader.snapshots() if anchor.seq >= extent.first_seq - 1]
    before = [anchor for anchor in anchors if since is not None and anchor.at <= since]
    if before:
        newest = max(before, key=lambda anchor: anchor.seq)
        return Start(newest.seq, newest.at, reader.site_at(newest.seq))
    if whole:
        return Start(0, extent.first_at, Site())
    if not anchors:
        raise LedgerError(
            f"{reader.path}: the beginning of the journal is gone, and no snapshot is left to begin at. "
            "The gateway takes one at each orderly stop: restart it, and what follows can be run again."
        )
    return Start(anchors[0].seq, anchors[0].at, reader.site_at(anchors[0].seq))
