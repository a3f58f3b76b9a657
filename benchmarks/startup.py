"""How long a gateway takes to remember everything, with a million events in its ledger."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks import office
from gateway.clock import SystemClock
from gateway.core.events import AnyEvent, CalendarRead, Configured, LinkUp, Tick
from gateway.core.site import Site
from gateway.core.units import DAY_MS, Instant
from gateway.ledger import Batch, Ledger, LedgerWorker
from gateway.runtime.brain import SNAPSHOT_EVERY, Brain

START: Final[Instant] = 1_790_000_000_000
STEP_MS: Final = 30
EVENTS_PER_TICK: Final = 5
"""At 33 readings/s nearly every change is concluded from by itself."""

THROUGH_CORE: Final = 2 * SNAPSHOT_EVERY
"""Events before the newest snapshot that the core is given, so that it remembers what they tell."""

REPEATS: Final = 3

Facts = list[tuple[Instant, AnyEvent]]


def build(path: Path, events: int) -> int:
    """Write a ledger with `events` events, its newest snapshot as far back as it can be; how many there are.

    The oldest events go straight into the journal: a restart does not read them.
    """
    ledger = Ledger(path)
    try:
        site = Site()
        facts = _series()
        _commit(ledger, site, _beginning())
        while ledger.next_seq < events - THROUGH_CORE - 2 * SNAPSHOT_EVERY:
            ledger.commit(Batch(events=list(islice(facts, SNAPSHOT_EVERY))))
        for _ in range(THROUGH_CORE // SNAPSHOT_EVERY):
            _commit(ledger, site, list(islice(facts, SNAPSHOT_EVERY)))
        ledger.commit(Batch(events=list(islice(facts, SNAPSHOT_EVERY - 1))))
        return ledger.next_seq - 1
    finally:
        ledger.close()


def _beginning() -> Facts:
    """The configuration, a link and everybody's calendars."""
    config = office.site_config()
    facts: Facts = [(START, Configured(config)), (START, LinkUp(session_present=False))]
    for room in config.rooms:
        booked = tuple(office.bookings(room.id, START))
        facts.append((START, CalendarRead(room.id, START - DAY_MS, START + DAY_MS, changed=booked)))
    return facts


def _series() -> Iterator[tuple[Instant, AnyEvent]]:
    """Readings as an ordinary day brings them, and ticks between them."""
    now = START
    for number, one in enumerate(office.told(office.ORDINARY)):
        now += STEP_MS
        yield now, office.reading(one, now)
        if number % EVENTS_PER_TICK == 0:
            yield now, Tick()


def _commit(ledger: Ledger, site: Site, facts: Facts) -> None:
    """Let the core know the facts, and commit them with a snapshot."""
    for at, event in facts:
        site.handle(event, at)
    ledger.commit(Batch(events=facts, snapshot=site.snapshot()))


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
