"""The one writer of the ledger. Lives on one thread: the one that opens it."""

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent
from gateway.core.site import RULESET, Site
from gateway.core.units import DAY_MS, Duration, Instant
from gateway.ledger import schema
from gateway.ledger.batch import Batch, OutboxRow
from gateway.ledger.errors import LedgerDamaged, LedgerError, LedgerInUse, LedgerUnwritable
from gateway.ledger.reader import decisions_after, events_after, open_rows, replay_from

PROBE_NOTE: Final = "last_probe"
SNAPSHOTS_KEPT: Final = 3
"""The newest ones; a restart needs one."""

ANCHOR_EVERY_MS: Final[Duration] = DAY_MS
"""Of older snapshots the first of each day (UTC) stays as long as the journal after it does: history is run
again from there without all that came before, and the journal can forget its beginning. So does the last one
of each ruleset: from it the next ruleset went on."""

PAGE_BYTES: Final = 1024
"""A commit rewrites whole pages, and most hold one or two seconds of readings: small pages write about
a third less to disk in a day than SQLite's default of 4096."""

WAL_PAGES_BEFORE_CHECKPOINT: Final = 4_000
"""4 MB, as SQLite's default is with its own page size."""

Checkpoint = Callable[[str], None]
"""Called with the name of a point in the life of a commit; crash tests stop the process there."""


class Ledger:
    """Opens or creates the file, holds its lock, commits batches.

    Raises LedgerInUse, LedgerTooNew or LedgerDamaged on opening; nothing is overwritten then.
    """

    def __init__(
        self, path: Path, checkpoint: Checkpoint = lambda _: None, *, ruleset: int = RULESET
    ) -> None:
        """`ruleset`: the one that makes what is committed; another one only where a history is put back."""
        self.path = path
        self._ruleset = ruleset
        self._checkpoint = checkpoint
        self._lock = _lock(path)
        try:
            self._db = _open(path)
            self.next_seq = self._scalar("SELECT coalesce(max(seq), 0) FROM journal") + 1
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._db.close()
        self._lock.close()

    # -- writing --------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> int:
        """Write the batch in one transaction, durably; returns the journal's newest sequence number.

        Raises LedgerUnwritable if the disk does not take it; nothing of the batch happened then.
        """
        self._checkpoint("before_commit")
        encode = msgspec.json.Encoder().encode
        first = self.next_seq
        try:
            with transaction(self._db):
                self._write(batch, first, encode)
                self._checkpoint("inside_commit")
        except sqlite3.Error as error:
            raise self._unwritable(error) from error
        self.next_seq = first + len(batch.events)
        self._checkpoint("after_commit")
        return self.next_seq - 1

    def probe(self) -> None:
        """Write something, durably, that means nothing: whether the disk takes it.

        Raises LedgerUnwritable. Far cheaper than loading everything only to fail at the next commit.
        """
        self._checkpoint("before_commit")
        try:
            with transaction(self._db):
                self._db.execute(
                    "INSERT OR REPLACE INTO notes VALUES (?, ?)", (PROBE_NOTE, str(self.next_seq))
                )
                self._checkpoint("inside_commit")
        except sqlite3.Error as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: sqlite3.Error) -> LedgerUnwritable:
        return LedgerUnwritable(
            f"{self.path}: could not write ({error}). Is the disk full, failing or read-only? "
            "The gateway keeps trying; nothing that it acknowledged is lost."
        )

    def _write(self, batch: Batch, first: int, encode: Callable[[object], bytes]) -> None:
        execute_many = self._db.executemany
        execute_many(
            "INSERT INTO journal VALUES (?, ?, ?)",
            [(first + i, at, encode(event).decode()) for i, (at, event) in enumerate(batch.events)],
        )
        if batch.decisions:
            execute_many(
                "INSERT INTO decisions (seq, at, room, booking, kind, ruleset, body) VALUES (?,?,?,?,?,?,?)",
                [
                    (first + i, d.at, d.room, d.booking, d.kind, self._ruleset, encode(d).decode())
                    for i, d in batch.decisions
                ],
            )
            execute_many(
                "INSERT INTO outbox (room, write, booking, body, state, created_at, changed_at)"
                " VALUES (?, ?, ?, ?, 'pending', ?, ?)",
                [
                    (d.room, d.write.id, d.booking, encode(d.write).decode(), d.at, d.at)
                    for _, d in batch.decisions
                    if d.write is not None
                ],
            )
        execute_many(
            "UPDATE outbox SET state = ?, why = ?, attempts = max(attempts, ?), changed_at = ?"
            " WHERE room = ? AND write = ?",
            [(c.state, c.why, c.attempts, c.at, c.room, c.write) for c in batch.outbox],
        )
        execute_many(
            "INSERT INTO sensors VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (sensor) DO UPDATE SET"
            " accepted = accepted + ?2, folded = folded + ?3, rejected = rejected + ?4,"
            " last_error = iif(?4 > 0, ?5, last_error), last_sample = iif(?4 > 0, ?6, last_sample),"
            " last_error_at = iif(?4 > 0, ?7, last_error_at)",
            [
                (s, c.accepted, c.folded, c.rejected, c.last_error, c.last_sample, c.last_error_at)
                for s, c in sorted(batch.counts.items())
            ],
        )
        execute_many("INSERT OR REPLACE INTO notes VALUES (?, ?)", sorted(batch.notes.items()))
        if batch.snapshot is not None:
            seq = first + len(batch.events) - 1
            at = batch.events[-1][0] if batch.events else 0
            self._db.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)",
                (seq, at, self._ruleset, zlib.compress(batch.snapshot)),
            )
            self._db.execute(
                "DELETE FROM snapshots WHERE seq NOT IN"
                " (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)"
                " AND seq NOT IN (SELECT min(seq) FROM snapshots GROUP BY at / ?)"
                " AND seq NOT IN (SELECT seq FROM (SELECT seq, ruleset, lead(ruleset) OVER (ORDER BY seq)"
                " AS next FROM snapshots) WHERE next <> ruleset)",
                (SNAPSHOTS_KEPT, ANCHOR_EVERY_MS),
            )

    def prune(self, before: Instant, at_most: int = 5_000) -> int:
        """Forget what is older than `before`, a bounded step at a time; returns rows of the journal gone.

        What is left begins with a snapshot, so that it can be run again. Never touches what a restart
        needs (the newest snapshot and all after it) or open writes.
        """
        try:
            with transaction(self._db):
                anchor = self._anchor(before)
                gone = self._db.execute(
                    "DELETE FROM journal WHERE seq IN"
                    " (SELECT seq FROM journal WHERE seq < ? ORDER BY seq LIMIT ?)",
                    (anchor, at_most),
                ).rowcount
                if gone < at_most:
                    self._db.execute("DELETE FROM snapshots WHERE seq < ?", (anchor,))
                    self._db.execute("DELETE FROM decisions WHERE seq < ?", (anchor,))
                    self._db.execute(
                        "DELETE FROM outbox WHERE changed_at < ?"
                        " AND state IN ('applied','superseded','expired')",
                        (before,),
                    )
        except sqlite3.Error as error:
            raise LedgerUnwritable(f"{self.path}: could not forget old entries ({error}).") from error
        return gone

    def _anchor(self, before: Instant) -> int:
        """The newest snapshot before which everything is older than `before`; 0 if there is none.

        An event of a clock that ran ahead for a while is no reason to keep everything after it.
        """
        newest = self._scalar("SELECT coalesce(max(seq), 0) FROM snapshots")
        now = self.newest_instant() or 0
        kept = self._db.execute(
            "SELECT seq FROM journal WHERE seq <= ? AND at BETWEEN ? AND ? ORDER BY seq LIMIT 1",
            (newest, before, now),
        ).fetchone()
        first_kept = newest + 1 if kept is None else int(kept[0])
        row = self._db.execute("SELECT max(seq) FROM snapshots WHERE seq < ?", (first_kept,)).fetchone()
        return int(row[0] or 0)

    # -- reading back ---------------------------------------------------------------------------------

    def load(self) -> Site:
        """The site as of the last commit: newest snapshot, then every event after it."""
        return replay_from(self._db, str(self.path))

    def rules_changed(self) -> bool:
        """Whether other rules than ours decided last, or took the newest snapshot.

        Then the first commit takes one: a later load must not run what was before by rules that have
        counted writes since.
        """
        newest = (
            self._db.execute("SELECT ruleset FROM decisions ORDER BY id DESC LIMIT 1").fetchone(),
            self._db.execute("SELECT ruleset FROM snapshots ORDER BY seq DESC LIMIT 1").fetchone(),
        )
        return any(row is not None and row[0] != self._ruleset for row in newest)

    def open_rows(self) -> list[OutboxRow]:
        """The outbox rows that have not ended, oldest first."""
        return open_rows(self._db)

    def events_after(self, seq: int, limit: int) -> Iterator[tuple[int, Instant, AnyEvent]]:
        """At most `limit` events after a sequence number, in order."""
        return events_after(self._db, seq, limit)

    def decisions_after(self, number: int, kinds: Sequence[str]) -> Iterator[tuple[int, int, Decision]]:
        """As `LedgerReader.decisions_after`."""
        return decisions_after(self._db, number, kinds)

    def note(self, name: str) -> str:
        """A fact noted about this installation, or empty."""
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def newest_instant(self) -> Instant | None:
        """When the newest event happened, or None in a new ledger."""
        row = self._db.execute("SELECT at FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def _scalar(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; takes the write lock at once (sqlite-utils' own `atomic` begins deferred)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _lock(path: Path) -> "_Lock":
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Lock(path.with_name(path.name + ".lock"), path)
    except OSError as error:
        raise LedgerError(
            f"{path}: cannot create or lock the ledger there ({error.strerror}). "
            "Name a folder that the gateway may write to under [ledger] path."
        ) from error


class _Lock:
    """An advisory lock that the kernel takes back when the process dies, however it dies."""

    def __init__(self, lock_path: Path, ledger_path: Path) -> None:
        self._fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise LedgerInUse(
                f"{ledger_path}: another gateway (process {holder}) is using this ledger. "
                "Stop it first, or give this one a ledger of its own under [ledger] path."
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, str(os.getpid()).encode())

    def close(self) -> None:
        os.close(self._fd)


def _open(path: Path) -> sqlite3.Connection:
    existed = path.exists() and path.stat().st_size > 0
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        if existed:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        missing = schema.pending(connection, str(path))
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a new file; no effect on an old one
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES_BEFORE_CHECKPOINT}")
        if missing:
            schema.migrate(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerDamaged(
            f"{path}: not readable as a ledger ({error}). Restore a backup, or move the file away to start "
            "a new one. It has not been changed."
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection
