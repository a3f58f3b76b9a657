"""How long a gateway takes to remember everything, with a million events in its ledger."""

import asyncio
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks import office
from gateway.clock import SystemClock
from gateway.core.events import AnyEvent, CalendarRead, Configured, LinkUp, Reading, Tick
from gateway.core.site import Site
from gateway.core.units import DAY_MS, Instant
from gateway.ledger import Batch, Ledger, LedgerWorker
from gateway.runtime.brain import SNAPSHOT_EVERY, Brain

START: Final[Instant] = 1_790_000_000_000
STEP_MS: Final = 30
EVENTS_PER_TICK: Final = 40
"""About as many facts as a second brings."""

REPEATS: Final = 3


def build(path: Path, events: int) -> int:
    """Write a ledger of at least `events` events and the longest tail after its newest snapshot; how many.

    Only what a restart may read is worked out by the core: the events after the first snapshot that
    is kept, and those before it that bring it about.
    """
    ledger = Ledger(path)
    try:
        site = Site()
        written = _commit(ledger, site, _beginning(site))
        told = office.told()
        now = START
        while written < events:
            batch = []
            for one in islice(told, SNAPSHOT_EVERY):
                now += STEP_MS
                batch.append((now, _event(one, now, len(batch))))
            if written + 4 * SNAPSHOT_EVERY < events:
                ledger.commit(Batch(events=batch, snapshot=site.snapshot() if written % 50 == 0 else None))
                written += len(batch)
            else:
                written += _commit(ledger, site, batch)
        now += STEP_MS
        tail: list[tuple[Instant, AnyEvent]] = [
            (now + number, _event(one, now + number, number))
            for number, one in enumerate(islice(told, SNAPSHOT_EVERY - 1))
        ]
        ledger.commit(Batch(events=tail))
        return written + len(tail)
    finally:
        ledger.close()


def _beginning(site: Site) -> list[tuple[Instant, AnyEvent]]:
    config = office.site_config()
    reads = (
        CalendarRead(
            room.id, START - DAY_MS, START + DAY_MS, changed=tuple(office.bookings(room.id, START))
        )
        for room in config.rooms
    )
    return [(START, event) for event in (Configured(config), LinkUp(session_present=False), *reads, Tick())]


def _event(one: office.Told, now: Instant, number: int) -> Reading | Tick:
    return Tick() if number % EVENTS_PER_TICK == 0 else office.reading(one, now)


def _commit(ledger: Ledger, site: Site, events: list[tuple[Instant, AnyEvent]]) -> int:
    """Let the core know the events, and commit them with a snapshot."""
    for at, event in events:
        site.handle(event, at)
    ledger.commit(Batch(events=events, snapshot=site.snapshot()))
    return len(events)


async def measure(path: Path, events: int) -> tuple[float, int]:
    """Seconds from opening the ledger until the brain can think, and the number of events in it."""
    held = await asyncio.to_thread(build, path, events)
    return statistics.median([await _start(path) for _ in range(REPEATS)]), held


async def _start(path: Path) -> float:
    worker = LedgerWorker(path)
    began = time.perf_counter()
    await worker.open()
    try:
        await Brain(worker, SystemClock()).start()
        return time.perf_counter() - began
    finally:
        await worker.close()
