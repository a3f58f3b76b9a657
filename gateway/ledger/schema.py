"""Tables and their migrations.

Each migration and its record are one transaction (sqlite-utils). A newer, unknown migration would
pass sqlite-utils silently, so `pending` compares by itself and refuses.
"""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.ledger.errors import LedgerTooNew

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATION_SET: Final = "occupancy-gateway"

_TABLES: Final = """
CREATE TABLE journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL, room TEXT NOT NULL,
    booking TEXT NOT NULL, kind TEXT NOT NULL, ruleset INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX decisions_by_booking ON decisions (booking) WHERE booking <> '';
CREATE TABLE outbox (
    room TEXT NOT NULL, write INTEGER NOT NULL, booking TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL, why TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
    PRIMARY KEY (room, write)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, ruleset INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE sensors (
    sensor TEXT PRIMARY KEY, accepted INTEGER NOT NULL, folded INTEGER NOT NULL,
    rejected INTEGER NOT NULL, last_error TEXT NOT NULL, last_sample TEXT NOT NULL,
    last_error_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def _create_tables(database: "Database") -> None:
    for statement in _TABLES.split(";"):
        if statement.strip():
            database.execute(statement)


MIGRATIONS: Final[tuple[tuple[str, Callable[["Database"], None]], ...]] = (("create_tables", _create_tables),)
"""Name and function, in order. Names are for good; add at the end."""


def pending(connection: sqlite3.Connection, path: str) -> list[str]:
    """The migrations still to be applied. Raises LedgerTooNew if the file knows more than we do."""
    try:
        rows = connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (MIGRATION_SET,)
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        rows = []
    applied = {name for (name,) in rows}
    known = [name for name, _ in MIGRATIONS]
    unknown = sorted(applied - set(known))
    if unknown:
        raise LedgerTooNew(
            f"{path}: the ledger was written by a newer version of the gateway"
            f" (it has: {', '.join(unknown)}). "
            "Install that version, or name another file under [ledger] path. Nothing has been changed."
        )
    return [name for name in known if name not in applied]


def migrate(connection: sqlite3.Connection) -> None:
    """Apply all pending migrations, each with its record in one transaction."""
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - only a new or older file needs it

    migrations = Migrations(MIGRATION_SET)
    for name, function in MIGRATIONS:
        migrations(name=name)(function)
    migrations.apply(Database(connection))
