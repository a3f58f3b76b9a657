"""The brain gives the ticks that the core asks for, and survives a core that asks for too many."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.events import Booted, Configured, LinkUp, Tick
from gateway.core.policy import RoomConfig, SensorProfile, SiteConfig
from gateway.core.site import Site
from gateway.core.units import MINUTE_MS, Instant
from gateway.ledger import LedgerReader, LedgerWorker
from gateway.runtime.brain import RESTLESS_AFTER, Brain
from simulators.clock import VirtualClock, run_virtual

EIGHT: Instant = 1_790_064_000_000  # 2026-09-22, 08:00 UTC
RADAR = SensorProfile("radar", "presence", hold_ms=MINUTE_MS, heartbeat_ms=MINUTE_MS)
SITE = SiteConfig((RoomConfig("orion", sensors=(RADAR,)),))


def ticks_of(path: Path, seconds: float) -> int:
    """How many ticks a brain gives within some seconds in which nothing happens."""

    async def main(clock: VirtualClock) -> None:
        worker = LedgerWorker(path)
        await worker.open()
        brain = Brain(worker, clock)
        await brain.start()
        await brain.record(Booted(EIGHT), Configured(SITE), LinkUp(session_present=False))
        await asyncio.sleep(seconds)
        await brain.stop()
        await worker.close()

    run_virtual(main, EIGHT)
    with LedgerReader(path) as reader:
        return sum(isinstance(event, Tick) for _, _, event in reader.events())


def test_a_quiet_site_is_given_few_ticks(tmp_path: Path) -> None:
    """One for what is new at the start; then there is nothing to conclude."""
    with capture_logs() as logs:
        assert ticks_of(tmp_path / "ledger.db", 30.0) == 1
    assert not logs


def test_a_core_that_is_never_content_is_asked_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take a processor and fill the disk for ever; the log says so once, and the gateway goes on."""
    asked = 0

    def never_content(site: Site, until: Instant = 0) -> Instant:  # noqa: ARG001 - as the core is asked
        nonlocal asked
        asked += 1
        assert asked < 1_000
        return site.state.now

    monkeypatch.setattr(Site, "next_deadline", never_content)
    with capture_logs() as logs:
        given = ticks_of(tmp_path / "ledger.db", 30.0)
    assert RESTLESS_AFTER + 25 < given < RESTLESS_AFTER + 60  # one with each commit, and one a second
    assert [entry["event"] for entry in logs] == ["the core asks for tick after tick"]
