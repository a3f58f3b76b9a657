"""Evidence in an office in UTC, for tests."""

from collections.abc import Iterable
from pathlib import Path

from scenarios import Given

from gateway.core.decisions import Decision
from gateway.core.site import Site
from gateway.ledger import Batch, Ledger, LedgerReader
from gateway.replay.bundle import Bundle
from gateway.replay.gather import gather
from gateway.shown.evidence import told_words
from gateway.shown.paint import Times
from simulators.scenario.world import Wall

TIMES = Times(Wall().zone)


def worded(decision: Decision) -> str:
    """A decision as a bundle of an office in UTC has it."""
    return told_words(decision, TIMES)


def bundles_of(ledger: Path) -> list[Bundle]:
    """The evidence for each booking that something was decided about."""
    with LedgerReader(ledger) as reader:
        keys = {(one.decision.room, one.decision.booking): None for one in reader.recorded()}
        return [gather(reader, room, key, "UTC", worded) for room, key in keys if key]


def stored(path: Path, record: Iterable[Given], every: int = 40) -> Path:
    """A day in a ledger as the service keeps it, with a snapshot after so many events."""
    ledger, site, batch = Ledger(path), Site(), Batch()
    for one in record:
        site.handle(one.event, one.now)
        batch.events.append((one.now, one.event))
        batch.decisions += [(len(batch.events) - 1, decision) for decision in one.decisions]
        if len(batch.events) == every:
            batch.snapshot = site.snapshot()
            ledger.commit(batch)
            batch = Batch()
    ledger.commit(batch)
    ledger.close()
    return path
