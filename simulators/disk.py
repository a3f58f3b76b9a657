"""A disk that fails: for ledgers in simulated worlds.

The gateway calls its checkpoints with the names of points in the life of a commit. A `FailingDisk` listens
there and raises what SQLite raises when a disk does not do its part. Slowness comes from a
`simulators.clock.SlowExecutor` that asks `takes_s`.

    DiskFault (sqlite3.OperationalError, so that the ledger takes it for SQLite's own)
    ├── DiskFull       "database or disk is full", before anything of the transaction is durable
    └── SyncFailed     "disk I/O error" from the COMMIT itself
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

SIDE_FILES: Final = ("", "-wal")
"""What a power cut leaves of a database in WAL mode; its shared memory is made anew."""


class DiskFault(sqlite3.OperationalError):
    """Base of what a failing disk does to a commit."""


class DiskFull(DiskFault):
    """SQLITE_FULL."""


class SyncFailed(DiskFault):
    """SQLITE_IOERR from fsync."""


class FailingDisk:
    """State of one disk. `full` until it is reset; `fail_next` commits fail at their fsync."""

    def __init__(self) -> None:
        self.full = False
        self.fail_next = 0
        self.fail_nth = 0
        """The n-th commit from the start fails, and no other; 0: none."""
        self.slow_s = 0.0
        """How long each job of the ledger takes."""
        self.commits = 0
        self.failed = 0
        self.on_failure: Callable[[], None] = lambda: None
        """Called each time that a commit fails."""

    def takes_s(self) -> float:
        """How long the next job takes, in seconds of virtual time."""
        return self.slow_s

    def pass_point(self, point: str) -> None:
        """A checkpoint of the gateway; raises `DiskFault` where the commit is to fail."""
        if point == "before_commit":
            self.commits += 1
        if point != "inside_commit":
            return
        if self.full:
            self._fails()
            raise DiskFull("database or disk is full")
        if self.fail_next or self.commits == self.fail_nth:
            self.fail_next = max(0, self.fail_next - 1)
            self._fails()
            raise SyncFailed("disk I/O error")

    def _fails(self) -> None:
        self.failed += 1
        self.on_failure()


def copy_as_it_is(database: Path, to: Path, torn: bytes = b"") -> None:
    """What a killed process leaves: the files of a database while a connection may be writing to them.

    `torn`: what else reached the disk of a transaction that was being written and never synced.
    """
    for suffix in SIDE_FILES:
        source, target = database.with_name(database.name + suffix), to.with_name(to.name + suffix)
        if source.exists():
            shutil.copyfile(source, target)
    log = to.with_name(to.name + SIDE_FILES[-1])
    if torn and log.exists():
        with log.open("ab") as file:
            file.write(torn)
