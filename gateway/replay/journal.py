"""The journal as it is run again: without a gap, and whatever stops the core is told with its event."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from gateway.core.events import AnyEvent
from gateway.core.units import Instant
from gateway.ledger import LedgerDamaged, LedgerError, LedgerReader


def unbroken(reader: LedgerReader, after: int) -> Iterator[tuple[int, Instant, AnyEvent]]:
    """The events after this one, in order. Raises LedgerDamaged if one is missing or cannot be read."""
    before = after
    try:
        for row in reader.events(after):
            if row[0] != before + 1:
                raise LedgerDamaged(
                    f"{reader.path}: after event {before} comes event {row[0]}; what was between them is "
                    "gone, and without it history cannot be run again. Use a backup that still has it."
                )
            before = row[0]
            yield row
    except msgspec.MsgspecError as error:
        raise LedgerDamaged(
            f"{reader.path}: event {before + 1} of the journal cannot be read ({error}). "
            "The file has not been changed."
        ) from error


@contextmanager
def running(reader: LedgerReader, seq: Callable[[], int]) -> Iterator[None]:
    """Around giving events to the core; `seq`: the one that was read last. Raises LedgerDamaged."""
    try:
        yield
    except (LedgerError, sqlite3.Error):
        raise
    except msgspec.MsgspecError as error:
        raise LedgerDamaged(
            f"{reader.path}: a decision on event {seq() + 1} of the journal cannot be read ({error}). "
            "The file has not been changed."
        ) from error
    except Exception as error:  # whatever stops the core, people need to know at which event
        raise LedgerDamaged(
            f"{reader.path}: event {seq()} of the journal cannot be run again ({error}). "
            "The file has not been changed."
        ) from error
