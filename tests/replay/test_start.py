"""Where history can be run again from: the beginning, or a kept snapshot; never the middle of nothing."""

from pathlib import Path

import pytest

from gateway.core.events import Configured, LinkUp, Reading, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import DAY_MS
from gateway.ledger import Batch, Ledger, LedgerError, LedgerReader
from gateway.replay.start import start

RADAR = SensorProfile("radar", "presence", hold_ms=60_000, heartbeat_ms=60_000)
SITE = SiteConfig((RoomConfig("orion", sensors=(RADAR,)),))


def days(path: Path, count: int, prune_before: int = 0) -> dict[int, bytes]:
    """A ledger of so many days, each ending with a snapshot; what each of these holds."""
    ledger, site, sites = Ledger(path), Site(), {}
    for day in range(count):
        batch = Batch()
        if day == 0:
            batch.events = [(0, Configured(SITE)), (0, LinkUp(session_present=False))]
        batch.events += [(day * DAY_MS + i, Reading("radar", "presence", i % 2)) for i in range(1, 5)]
        batch.events.append((day * DAY_MS + 5, Tick()))
        for at, event in batch.events:
            site.handle(event, at)
        batch.snapshot = site.snapshot()
        sites[ledger.commit(batch)] = batch.snapshot
    while ledger.prune(prune_before):
        pass
    ledger.close()
    return sites


def test_a_whole_journal_is_run_from_its_beginning(tmp_path: Path) -> None:
    """Without a moment it begins with an empty site, before the first event."""
    days(tmp_path / "ledger.db", 3)
    with LedgerReader(tmp_path / "ledger.db") as reader:
        begin = start(reader)
        assert (begin.seq, begin.site.snapshot()) == (0, Site().snapshot())


def test_a_later_moment_begins_at_the_newest_snapshot_before_it(tmp_path: Path) -> None:
    """What comes before it need not be run; a moment before every snapshot begins at the beginning."""
    sites = days(tmp_path / "ledger.db", 4)
    with LedgerReader(tmp_path / "ledger.db") as reader:
        begin = start(reader, since=2 * DAY_MS)
        assert begin.seq == sorted(sites)[1]
        assert begin.site.snapshot() == sites[begin.seq]
        assert start(reader, since=0).seq == 0


def test_a_pruned_journal_begins_at_its_first_snapshot(tmp_path: Path) -> None:
    """Asked for more than is left, it begins where the ledger does."""
    sites = days(tmp_path / "ledger.db", 5, prune_before=2 * DAY_MS)
    with LedgerReader(tmp_path / "ledger.db") as reader:
        assert start(reader).seq == start(reader, since=0).seq == sorted(sites)[1]
        assert start(reader, since=DAY_MS * 4).seq == sorted(sites)[3]


def test_an_empty_ledger_says_so(tmp_path: Path) -> None:
    """Nothing has been recorded: there is nothing to run again."""
    Ledger(tmp_path / "ledger.db").close()
    with LedgerReader(tmp_path / "ledger.db") as reader, pytest.raises(LedgerError, match="nothing has been"):
        start(reader)
