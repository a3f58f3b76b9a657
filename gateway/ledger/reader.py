"""Reading a ledger: for a restart, and for everybody who looks, with or without a running gateway."""

import errno
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from gateway.core.decisions import Decision, Write
from gateway.core.events import AnyEvent
from gateway.core.site import CoreError, Site
from gateway.core.units import FOREVER, Instant
from gateway.ledger import schema
from gateway.ledger.batch import Counts, OutboxRow
from gateway.ledger.errors import LedgerDamaged, LedgerError

_EVENT: Final = msgspec.json.Decoder(AnyEvent)
_KNOWN_LINES: Final = 4_096
"""Most lines of a journal are like one before them (ticks, a sensor's heartbeats, looks into a calendar that
has not changed): so many of them are understood once."""
_SHORT: Final = 128
"""Characters of such a line at most."""
_DECISION: Final = msgspec.json.Decoder(Decision)
_WRITE: Final = msgspec.json.Decoder(Write)


class Anchor(NamedTuple):
    """A kept snapshot: the site after the event `seq`, written at `at` under that ruleset."""

    seq: int
    at: Instant
    ruleset: int


class Recorded(NamedTuple):
    """A decision as it was written: with the event that it came of and the ruleset that made it."""

    seq: int
    ruleset: int
    decision: Decision


class GivenBack(NamedTuple):
    """A write of the gateway itself that took time from a booking and came to pass, decided at `at`."""

    room: str
    booking: str
    at: Instant
    write: Write


class Reign(NamedTuple):
    """From the event `seq` on decisions are made by this ruleset."""

    seq: int
    ruleset: int


class Extent(NamedTuple):
    """What a journal holds: its first and last event. All 0 if it is empty."""

    first_seq: int
    first_at: Instant
    last_seq: int
    last_at: Instant


def events_after(
    connection: sqlite3.Connection, seq: int, limit: int = -1
) -> Iterator[tuple[int, Instant, AnyEvent]]:
    """Every journaled event after a sequence number, in order; with `limit` that many."""
    decode = _EVENT.decode
    known: dict[str, AnyEvent] = {}
    for number, at, text in connection.execute(
        "SELECT seq, at, event FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
    ):
        event = known.get(text)
        if event is None:
            event = decode(text)
            if len(text) <= _SHORT:
                if len(known) >= _KNOWN_LINES:
                    known.clear()
                known[text] = event
        yield number, at, event


def decisions_after(
    connection: sqlite3.Connection, number: int, kinds: Sequence[str]
) -> Iterator[tuple[int, int, Decision]]:
    """Decisions of some kinds after the one of this id: id, sequence number of their event, decision."""
    marks = ", ".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT id, seq, body FROM decisions WHERE id > ? AND kind IN ({marks}) ORDER BY id",  # noqa: S608 - marks
        (number, *kinds),
    )
    for own, seq, body in rows:
        yield own, seq, _DECISION.decode(body)


def replay_from(connection: sqlite3.Connection, path: str) -> Site:
    """The site as of the last commit. Raises LedgerDamaged, naming the event that cannot be replayed."""
    seq = 0
    try:
        row = connection.execute("SELECT seq, body FROM snapshots ORDER BY seq DESC LIMIT 1").fetchone()
        site = Site() if row is None else Site.restore(zlib.decompress(row[1]))
        seq = 0 if row is None else row[0]
        for number, at, event in events_after(connection, seq):
            seq = number
            site.handle(event, at)
    except (msgspec.MsgspecError, zlib.error, CoreError, sqlite3.DatabaseError) as error:
        raise LedgerDamaged(
            f"{path}: event {seq} of the journal cannot be replayed ({error}). Restore a backup, or move "
            "the file away to start a new one. It has not been changed."
        ) from error
    number_on(site, connection.execute("SELECT room, max(write) FROM outbox GROUP BY room"))
    return site


def number_on(site: Site, newest: Iterable[tuple[str, int]]) -> None:
    """Let no new write have the number of a recorded one; `newest`: rooms, each with its highest number.

    Only where the rules have changed since a snapshot can fewer writes come of the events than were made.
    """
    for room, write in newest:
        state = site.state.rooms.get(room)
        if state is not None:
            state.writes = max(state.writes, write)


def open_rows(connection: sqlite3.Connection) -> list[OutboxRow]:
    """The outbox rows that have not ended, oldest first."""
    return _rows(connection, "WHERE state NOT IN ('applied', 'superseded', 'expired')", ())


def _rows(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[OutboxRow]:
    sql = f"SELECT room, booking, body, state, why, attempts, changed_at FROM outbox {where} ORDER BY created_at, room, write"  # noqa: S608, E501 - `where` is one of the literals in this module
    return [
        OutboxRow(room, booking, _WRITE.decode(body), state, why, attempts, changed_at)
        for room, booking, body, state, why, attempts, changed_at in connection.execute(sql, values)
    ]


def _damaged(path: Path, error: sqlite3.Error) -> LedgerDamaged:
    return LedgerDamaged(f"{path}: not readable as a ledger ({error}). It has not been changed.")


class LedgerReader:
    """Looks into a ledger without touching it; fine beside a running gateway.

    Raises LedgerError if there is none, LedgerTooNew or LedgerDamaged as the writer does, PermissionError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise LedgerError(
                f"{path}: there is no ledger yet. Has the gateway been started with this configuration?"
            )
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise _damaged(path, error) from error
        try:
            missing = schema.pending(self._db, str(path))
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise _damaged(path, error) from error
        except BaseException:
            self._db.close()
            raise
        if missing:
            self._db.close()
            raise LedgerError(
                f"{path}: not a ledger yet. Start the gateway once to prepare it; if this is a copy of one "
                "in use, make it with sqlite3 and .backup."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def site(self) -> Site:
        """The site as of the last commit."""
        return replay_from(self._db, str(self.path))

    def events(self, after: int = 0) -> Iterator[tuple[int, Instant, AnyEvent]]:
        """Sequence number, instant and event, in order."""
        return events_after(self._db, after)

    def decisions_after(self, number: int, kinds: Sequence[str]) -> Iterator[tuple[int, int, Decision]]:
        """Decisions of some kinds after the one of this id: id, sequence number of their event, decision."""
        return decisions_after(self._db, number, kinds)

    def extent(self) -> Extent:
        """The first and the last event of the journal."""
        ends = [
            self._db.execute(f"SELECT seq, at FROM journal ORDER BY seq {way} LIMIT 1").fetchone() or (0, 0)  # noqa: S608 - a literal
            for way in ("ASC", "DESC")
        ]
        return Extent(*ends[0], *ends[1])

    def snapshots(self) -> list[Anchor]:
        """The kept snapshots, oldest first: from each of them history can be run again."""
        return [
            Anchor(*row) for row in self._db.execute("SELECT seq, at, ruleset FROM snapshots ORDER BY seq")
        ]

    def site_at(self, seq: int) -> Site:
        """The site as a kept snapshot holds it. Raises LedgerDamaged if it cannot be read."""
        row = self._db.execute("SELECT body FROM snapshots WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise LedgerError(f"{self.path}: there is no snapshot of event {seq}.")
        try:
            return Site.restore(zlib.decompress(row[0]))
        except (msgspec.MsgspecError, zlib.error) as error:
            raise LedgerDamaged(
                f"{self.path}: the snapshot of event {seq} is not readable ({error})."
            ) from error

    def recorded(
        self, after: int = 0, until: int = 2**62, *, room: str = "", booking: str = ""
    ) -> Iterator[Recorded]:
        """Decisions of the events after `after` up to `until`, in order, as they were written.

        With `room` and `booking` only those about this booking.
        """
        where = "seq > ? AND seq <= ?"
        values: list[int | str] = [after, until]
        if booking:
            where += " AND booking = ? AND booking <> '' AND room = ?"  # as in `decisions`, for the index
            values += [booking, room]
        for seq, ruleset, body in self._db.execute(
            f"SELECT seq, ruleset, body FROM decisions WHERE {where} ORDER BY id",  # noqa: S608 - literals
            values,
        ):
            yield Recorded(seq, ruleset, _DECISION.decode(body))

    def reigns(self) -> list[Reign]:
        """Which ruleset decided from which event on, oldest first; empty if nothing was decided.

        Rules change with the program: at the first boot after the last decision of the ruleset before.
        """
        changes = self._db.execute(
            "SELECT before, seq, ruleset FROM (SELECT id, seq, ruleset,"
            " lag(ruleset) OVER (ORDER BY id) AS old, lag(seq) OVER (ORDER BY id) AS before FROM decisions)"
            " WHERE old IS NOT ruleset ORDER BY id"
        ).fetchall()
        return [
            Reign(0 if before is None else self._boot_between(before, seq), ruleset)
            for before, seq, ruleset in changes
        ]

    def _boot_between(self, after: int, until: int) -> int:
        row = self._db.execute(
            "SELECT seq FROM journal WHERE seq > ? AND seq <= ? AND event LIKE '[\"booted\"%'"
            " ORDER BY seq LIMIT 1",
            (after, until),
        ).fetchone()
        return until if row is None else int(row[0])

    def last_event(self, until: Instant) -> int:
        """The sequence number of the newest event that is not after `until`; 0 if there is none."""
        row = self._db.execute("SELECT coalesce(max(seq), 0) FROM journal WHERE at <= ?", (until,)).fetchone()
        return int(row[0])

    def hold_still(self) -> None:
        """All that is read from here on is of one moment, whatever a running gateway adds or forgets."""
        self._db.execute("BEGIN")

    def note(self, name: str) -> str:
        """A fact noted about this installation, or empty."""
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def decisions(
        self,
        *,
        room: str = "",
        booking: str = "",
        kind: str = "",
        since: Instant = 0,
        until: Instant = FOREVER,
        limit: int = -1,
    ) -> list[Decision]:
        """Recorded decisions, oldest first; with `limit` the newest that many. Filters combine."""
        where = ["at >= ?", "at < ?"]
        values: list[object] = [since, until]
        if booking:
            where.append("booking = ? AND booking <> ''")  # the second half lets the index be used
            values.append(booking)
        for column, value in (("room", room), ("kind", kind)):
            if value:
                where.append(f"{column} = ?")
                values.append(value)
        rows = self._db.execute(
            f"SELECT body FROM (SELECT id, body FROM decisions WHERE {' AND '.join(where)}"  # noqa: S608 - literals
            " ORDER BY id DESC LIMIT ?) ORDER BY id",
            (*values, limit),
        )
        return [_DECISION.decode(body) for (body,) in rows]

    def outbox(self, *, room: str = "", booking: str = "") -> list[OutboxRow]:
        """Intended writes and what became of them, oldest first."""
        where = "WHERE (? = '' OR room = ?) AND (? = '' OR booking = ?)"
        return _rows(self._db, where, (room, room, booking, booking))

    def given_back(self) -> list[GivenBack]:
        """The releases and early ends that Exchange confirmed, oldest first."""
        rows = self._db.execute(
            "SELECT room, booking, created_at, body FROM outbox WHERE state = 'applied'"
            " AND json_extract(body, '$.action') IN ('release', 'end_early') ORDER BY created_at, room, write"
        )
        return [GivenBack(room, booking, at, _WRITE.decode(body)) for room, booking, at, body in rows]

    def counts(self) -> dict[str, Counts]:
        """Messages per sensor since the ledger began, with the last one that was refused."""
        rows = self._db.execute(
            "SELECT sensor, accepted, folded, rejected, last_error, last_sample, last_error_at FROM sensors"
            " ORDER BY sensor"
        )
        return {sensor: Counts(*rest) for sensor, *rest in rows}

    def notes(self) -> dict[str, str]:
        """Facts noted about this installation."""
        return dict(self._db.execute("SELECT name, value FROM notes ORDER BY name").fetchall())

    def newest_instant(self) -> Instant | None:
        """When the newest event happened, or None in a new ledger."""
        row = self._db.execute("SELECT at FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else int(row[0])
