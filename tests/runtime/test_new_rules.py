"""A gateway whose rules are newer than its ledger does not mix up its writes with theirs."""

from pathlib import Path

from timeline import MIDNIGHT, RADAR, at, booking

from gateway.core.decisions import Decision, Write
from gateway.core.events import Booted, CalendarRead, CheckedIn, Configured, LinkUp, Tick
from gateway.core.policy import RoomConfig, SiteConfig
from gateway.core.site import RULESET
from gateway.core.units import DAY_MS
from gateway.ledger import Batch, Ledger, LedgerReader, LedgerWorker
from gateway.replay.rerun import rerun
from gateway.runtime.brain import Brain
from simulators.clock import VirtualClock, run_virtual

BOOKED = (booking("10:00", "11:00"), booking("11:00", "12:00"))
LAST_WRITE = Write(7, "check_in", "category", "id-uid-09:00", at("09:00"), at("10:00"), at("10:00"))
SITE = SiteConfig((RoomConfig("orion", mode="live", sensors=(RADAR,)),))


def killed(path: Path, ruleset: int) -> None:
    """A ledger without a snapshot. The rules of then made a write that today's would not."""
    ledger = Ledger(path, ruleset=ruleset)
    read = CalendarRead("orion", MIDNIGHT, MIDNIGHT + DAY_MS, BOOKED)
    facts = (Configured(SITE), LinkUp(session_present=False), read, Tick())
    made = Decision("checked_in", "orion", at("09:00"), "uid-09:00", live=True, write=LAST_WRITE)
    ledger.commit(Batch(events=[(at("09:00"), fact) for fact in facts], decisions=[(3, made)]))
    ledger.close()


def started(path: Path) -> list[int]:
    """Start on the ledger, let people check in at two bookings, be killed; the numbers of their writes."""

    async def main(clock: VirtualClock) -> list[int]:
        worker = LedgerWorker(path)
        await worker.open()
        brain = Brain(worker, clock)
        await brain.start()
        decisions = await brain.record(Booted(at("09:00")), LinkUp(session_present=False))
        for one in BOOKED:
            decisions += await brain.record(CheckedIn("orion", one.key))
        await worker.close()
        return [decision.write.id for decision in decisions if decision.write is not None]

    return run_virtual(main, at("09:30"))


def test_new_rules_count_writes_behind_those_of_the_old_ones(tmp_path: Path) -> None:
    """No row of the outbox is taken for another, and no commit fails for it."""
    killed(tmp_path / "ledger.db", RULESET - 1)
    assert started(tmp_path / "ledger.db") == [8, 9]


def test_new_rules_keep_a_snapshot_with_their_first_commit(tmp_path: Path) -> None:
    """Killed after it, they know again what they have written, and history can be run again to the byte."""
    path = tmp_path / "ledger.db"
    killed(path, RULESET - 1)
    started(path)
    with LedgerReader(path) as reader:
        (anchor,) = reader.snapshots()
        assert (anchor.ruleset, anchor.at) == (RULESET, at("09:30"))
        assert reader.site().state.rooms["orion"].writes == 9
        verdict = rerun(reader)
    assert [part.ruleset for part in verdict.parts] == [RULESET - 1, RULESET]
    assert (verdict.faults, verdict.snapshots) == ([], 1)


def test_the_same_rules_take_no_snapshot_for_it(tmp_path: Path) -> None:
    """A restart is nothing special."""
    killed(tmp_path / "ledger.db", RULESET)
    started(tmp_path / "ledger.db")
    with LedgerReader(tmp_path / "ledger.db") as reader:
        assert reader.snapshots() == []
