"""The ledger: what is committed stays, what is not never happened, and nothing is overwritten."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.decisions import Decision, Write
from gateway.core.events import ClockStepped, Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS, HOUR_MS
from gateway.ledger import (
    Batch,
    Counts,
    Ledger,
    LedgerDamaged,
    LedgerError,
    LedgerInUse,
    LedgerReader,
    LedgerTooNew,
    LedgerUnwritable,
    OutboxChange,
)

RADAR = SensorProfile("radar", "presence", hold_ms=60_000, heartbeat_ms=60_000)
SITE = SiteConfig((RoomConfig("orion", sensors=(RADAR,)),))
WRITE = Write(7, "release", "decline", "id-1", 1_000, 2_000, 3_000)
RELEASE = Decision("release", "orion", 500, booking="uid-1", live=True, write=WRITE)
SEEN = Decision("seen", "orion", 500, booking="uid-1")


def events(count: int, start: int = 0) -> Batch:
    """A batch that configures a site and hears a radar `count` times."""
    batch = Batch()
    if start == 0:
        batch.events = [(0, Configured(SITE)), (0, LinkUp(session_present=False))]
    batch.events += [(start + i + 1, Reading("radar", "presence", i % 2)) for i in range(count)]
    batch.events.append((start + count + 1, Tick()))
    return batch


def test_a_restart_knows_exactly_what_was_committed(tmp_path: Path) -> None:
    """The site loaded from the journal equals the site that heard the events."""
    ledger = Ledger(tmp_path / "ledger.db")
    batch = events(10)
    ledger.commit(batch)
    ledger.close()
    expected = Site()
    for at, event in batch.events:
        expected.handle(event, at)
    again = Ledger(tmp_path / "ledger.db")
    assert again.load().snapshot() == expected.snapshot()
    again.close()


def test_a_snapshot_and_the_events_after_it_give_the_same_site_as_all_events(tmp_path: Path) -> None:
    """Loading from a snapshot in the middle of the journal changes nothing."""
    ledger = Ledger(tmp_path / "ledger.db")
    first, second = events(10), events(7, start=100)
    site = Site()
    for at, event in first.events:
        site.handle(event, at)
    first.snapshot = site.snapshot()
    ledger.commit(first)
    ledger.commit(second)
    for at, event in second.events:
        site.handle(event, at)
    assert ledger.load().snapshot() == site.snapshot()
    ledger.close()


def test_decision_events_and_outbox_row_are_one_transaction(tmp_path: Path) -> None:
    """A commit that fails at its end leaves no event, no decision and no outbox row (L2)."""

    def fail(point: str) -> None:
        if point == "inside_commit":
            raise sqlite3.OperationalError("disk I/O error")

    ledger = Ledger(tmp_path / "ledger.db", checkpoint=fail)
    batch = events(3)
    batch.decisions = [(len(batch.events) - 1, RELEASE)]
    with pytest.raises(LedgerUnwritable, match="nothing that it acknowledged is lost"):
        ledger.commit(batch)
    assert ledger.newest_instant() is None
    assert ledger.open_rows() == []
    ledger.close()


def test_an_outbox_row_walks_through_its_states_and_leaves_the_open_rows(tmp_path: Path) -> None:
    """Open rows are those that have not ended; attempts and reasons are kept."""
    ledger = Ledger(tmp_path / "ledger.db")
    batch = events(1)
    batch.decisions = [(len(batch.events) - 1, RELEASE)]
    ledger.commit(batch)
    assert [(row.state, row.write) for row in ledger.open_rows()] == [("pending", WRITE)]
    ledger.commit(Batch(outbox=[OutboxChange("orion", 7, "sending", 600, attempts=1)]))
    assert [row.state for row in ledger.open_rows()] == ["sending"]
    ledger.commit(Batch(outbox=[OutboxChange("orion", 7, "applied", 700)]))
    assert ledger.open_rows() == []
    ledger.close()
    with LedgerReader(tmp_path / "ledger.db") as reader:
        (row,) = reader.outbox(room="orion")
    assert (row.state, row.attempts, row.changed_at) == ("applied", 1, 700)


def test_counts_add_up_over_commits_and_keep_the_last_sample(tmp_path: Path) -> None:
    """Message counts per sensor are sums; the last refused sample stays until the next refusal."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.commit(Batch(counts={"radar": Counts(3, 2, 1, "not a number", "abc", 50)}))
    ledger.commit(Batch(counts={"radar": Counts(1, 0, 0)}))
    ledger.close()
    with LedgerReader(tmp_path / "ledger.db") as reader:
        assert reader.counts() == {"radar": Counts(4, 2, 1, "not a number", "abc", 50)}


def test_a_second_gateway_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """Two gateways on one ledger: the second says who holds it, and changes nothing."""
    ledger = Ledger(tmp_path / "ledger.db")
    code = (
        "import sys; from pathlib import Path; from gateway.ledger import Ledger, LedgerInUse\n"
        "try: Ledger(Path(sys.argv[1]))\n"
        "except LedgerInUse as error: print(error); sys.exit(3)"
    )
    second = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, str(tmp_path / "ledger.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 3
    assert f"process {os.getpid()}" in second.stdout
    ledger.close()
    Ledger(tmp_path / "ledger.db").close()


def test_two_ledgers_in_one_process_are_refused_too(tmp_path: Path) -> None:
    """The lock belongs to the open file, not to the process."""
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(LedgerInUse):
        Ledger(tmp_path / "ledger.db")
    ledger.close()


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An unknown migration means a newer writer: refuse, name it, change nothing."""
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('occupancy-gateway', 'from_the_future', '2030-01-01')"
        )
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match="from_the_future"):
        Ledger(path)
    with pytest.raises(LedgerTooNew, match="from_the_future"):
        LedgerReader(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Rubbish in place of a database: a clear error, and the rubbish stays for whoever may save it."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this was a ledger once " * 400)
    before = path.read_bytes()
    with pytest.raises(LedgerDamaged, match="Restore a backup"):
        Ledger(path)
    with pytest.raises(LedgerDamaged):
        LedgerReader(path)
    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_replayed_names_the_event(tmp_path: Path) -> None:
    """An event that is no event: the error names its number; nothing is dropped silently."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.commit(events(2))
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE journal SET event = '[\"no such\"]' WHERE seq = 3")
    connection.close()
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(LedgerDamaged, match="cannot be replayed"):
        ledger.load()
    ledger.close()


def test_a_missing_ledger_cannot_be_read(tmp_path: Path) -> None:
    """Reading commands say that the gateway has not run yet, and create nothing."""
    with pytest.raises(LedgerError, match="no ledger yet"):
        LedgerReader(tmp_path / "ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_pruning_never_touches_what_a_restart_needs(tmp_path: Path) -> None:
    """Old events go only up to the newest snapshot; the site stays the same."""
    ledger = Ledger(tmp_path / "ledger.db")
    first, second = events(10), events(5, start=1_000)
    site = Site()
    for at, event in first.events:
        site.handle(event, at)
    first.snapshot = site.snapshot()
    ledger.commit(first)
    ledger.commit(second)
    before = ledger.load().snapshot()
    assert ledger.prune(before=10_000, at_most=4) == 4
    while ledger.prune(before=10_000):
        pass
    assert ledger.load().snapshot() == before
    ledger.close()
    with LedgerReader(tmp_path / "ledger.db") as reader:
        assert next(at for _, at, _ in reader.events()) == 11, "what follows the snapshot stays"


def test_the_last_snapshot_of_each_ruleset_stays(tmp_path: Path) -> None:
    """From it the next ruleset went on: without it nobody could tell what that one knew when it began."""
    path = tmp_path / "ledger.db"
    for ruleset, first, count in ((1, 0, 6), (2, 100, 6), (3, 200, 8)):
        ledger = Ledger(path, ruleset=ruleset)
        for number in range(count):
            batch = events(1, start=first + 10 * number)
            batch.decisions = [(len(batch.events) - 1, SEEN)] if not number else []
            batch.snapshot = Site().snapshot()
            ledger.commit(batch)
        ledger.close()
    with LedgerReader(path) as reader:
        kept = reader.snapshots()
        assert [one.ruleset for one in kept] == [1, 1, 2, 3, 3, 3]
        assert kept[1].at == 52
        assert kept[2].at == 152
        assert [reign.ruleset for reign in reader.reigns()] == [1, 2, 3]


def test_a_reader_that_holds_still_sees_nothing_of_what_comes_later(tmp_path: Path) -> None:
    """Events, decisions and snapshots that are read one after the other belong together."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.commit(events(3))
    with LedgerReader(path) as still, LedgerReader(path) as other:
        still.hold_still()
        assert (still.extent().last_seq, still.last_event(2), still.last_event(-1)) == (6, 4, 0)
        ledger.commit(events(3, start=10))
        assert (still.extent().last_seq, other.extent().last_seq) == (6, 10)
    ledger.close()


def test_what_pruning_leaves_begins_with_a_snapshot_and_can_be_run_again(tmp_path: Path) -> None:
    """The first snapshot of each day stays; the journal forgets only up to one of them, and decisions too.

    A clock that ran years ahead for a moment keeps nothing from being forgotten.
    """
    ledger = Ledger(tmp_path / "ledger.db")
    site = Site()
    sites: dict[int, bytes] = {}
    for day in range(6):
        for part in range(5):
            batch = events(10, start=day * DAY_MS + part * HOUR_MS)
            if day == 1 and part == 2:
                ahead = DAY_MS * 9_000
                batch.events += [
                    (ahead, ClockStepped(ahead)),
                    (batch.events[-1][0] + 1, ClockStepped(-ahead)),
                ]
            for at, event in batch.events:
                site.handle(event, at)
            batch.decisions = [(len(batch.events) - 1, Decision("seen", "orion", day))] if part == 1 else []
            batch.snapshot = site.snapshot()
            sites[ledger.commit(batch)] = batch.snapshot
    assert ledger.prune(before=3 * DAY_MS) > 0
    assert ledger.prune(before=3 * DAY_MS) == 0
    ledger.close()
    with LedgerReader(tmp_path / "ledger.db") as reader:
        start, *_ = kept = reader.snapshots()
        assert [seq.at // DAY_MS for seq in kept] == [2, 3, 4, 5, 5, 5, 5], (
            "first of each day, the newest three"
        )
        again = reader.site_at(start.seq)
        assert again.snapshot() == sites[start.seq]
        for seq, at, event in reader.events(start.seq):
            again.handle(event, at)
            if seq in sites:
                assert again.snapshot() == sites[seq]
        assert again.snapshot() == site.snapshot()
        assert all(recorded.seq >= start.seq for recorded in reader.recorded())


def test_a_journal_pruned_to_its_last_row_goes_on_counting(tmp_path: Path) -> None:
    """Sequence numbers are never used twice, however little is left."""
    ledger = Ledger(tmp_path / "ledger.db")
    batch = events(10)
    site = Site()
    for at, event in batch.events:
        site.handle(event, at)
    batch.snapshot = site.snapshot()
    newest = ledger.commit(batch)
    while ledger.prune(before=DAY_MS):
        pass
    ledger.close()
    again = Ledger(tmp_path / "ledger.db")
    assert again.next_seq == newest + 1
    assert again.load().snapshot() == batch.snapshot
    again.close()


def test_what_is_written_is_synced_in_full(tmp_path: Path) -> None:
    """WAL with synchronous=FULL: a committed transaction survives a power cut."""
    ledger = Ledger(tmp_path / "ledger.db")
    connection = ledger._db
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.close()


def test_the_journal_has_no_secondary_index(tmp_path: Path) -> None:
    """Each index on the journal would multiply what is written to disk."""
    Ledger(tmp_path / "ledger.db").close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'journal'"
        ).fetchall()
    connection.close()
    assert rows == []


def test_reading_beside_a_running_writer_sees_what_is_committed(tmp_path: Path) -> None:
    """The reader looks at the last commit and does not disturb the writer."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.commit(events(3))
    with LedgerReader(tmp_path / "ledger.db") as reader:
        assert len(list(reader.events())) == 6
        ledger.commit(events(2, start=100))
        assert len(list(reader.events())) == 9
    ledger.close()


def test_counts_add_up_and_keep_the_later_error() -> None:
    """What was counted before and after a failed write is one sum."""
    before, after = Counts(1, 2, 1, "old", "x", 5), Counts(10, 20)
    assert before.plus(after) == Counts(11, 22, 1, "old", "x", 5)
    assert after.plus(before) == Counts(11, 22, 1, "old", "x", 5)
    assert before.plus(Counts(0, 0, 2, "new", "y", 9)) == Counts(1, 2, 3, "new", "y", 9)
