"""What a scenario's gateway lives in: time, the broker's link, sensors, people, Exchange, and its own life.

Everything here is asynchronous and runs on one virtual loop; `simulators.scenario.gateway` drives it
step by step from plain code.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from gateway.core.decisions import Decision
from gateway.core.units import SECOND_MS, Instant
from gateway.ledger import Batch, Ledger, LedgerReader
from gateway.service import BOOT_NOTE, Service, Surroundings
from gateway.settings import Settings
from simulators.clock import VirtualClock
from simulators.exchange import ExchangeSimulator
from simulators.exchange.faults import Fault
from simulators.in_process import surroundings
from simulators.link import MemoryLink
from simulators.scenario.config import RoomPlan, address
from simulators.scenario.devices import Device, ZigbeePir

DAY: Final = date(2026, 9, 28)
"""A Monday without a holiday or a change of the clocks anywhere near."""

WAKES_AT_S: Final = 9.0
"""The gateway wakes so long after a whole minute: its calendar reads follow the sensors' words."""

SETTLE_S: Final = 0.001
"""A virtual loop lets time pass only when nothing is ready: after this all of an event's work is done."""


class Wall:
    """Local times of the scenario's day, as instants."""

    def __init__(self, day: date = DAY, zone: str = "UTC") -> None:
        self.day = day
        self.zone = ZoneInfo(zone)

    def instant(self, clock: str, days: int = 0) -> Instant:
        """The instant of "09:05" or "09:05:30", so many days later. Raises ValueError."""
        hours, minutes, seconds = ([int(part) for part in clock.split(":")] + [0])[:3]
        day = date.fromordinal(self.day.toordinal() + days)
        if (hours, minutes, seconds) == (24, 0, 0):
            return self.instant("00:00", days + 1)
        local = datetime(day.year, day.month, day.day, hours, minutes, seconds, tzinfo=self.zone)
        return round(local.timestamp()) * SECOND_MS

    def clock(self, instant: Instant) -> str:
        """The local time of an instant: "09:05", with seconds where there are any."""
        local = datetime.fromtimestamp(instant // SECOND_MS, self.zone)
        return local.strftime("%H:%M:%S" if local.second else "%H:%M")


class _Observed(Service):
    """The real service; whoever watches sees its decisions as they are taken."""

    def __init__(self, settings: Settings, around: Surroundings, seen: list[Decision], ledger: Path) -> None:
        self._seen = seen
        self._ledger_file = ledger
        super().__init__(settings, around)

    def decided(self, decisions: Sequence[Decision]) -> None:
        """From the brain."""
        self._seen += decisions
        super().decided(decisions)

    def reloaded(self) -> None:
        """From the brain: what was not committed never happened."""
        with LedgerReader(self._ledger_file) as reader:
            self._seen[:] = reader.decisions()
        super().reloaded()


class World:
    """One service and everything around it."""

    def __init__(self, folder: Path, clock: VirtualClock, start_ms: Instant, rooms: Sequence[str]) -> None:
        self.folder = folder
        self.clock = clock
        self.start_ms = start_ms
        self.exchange = ExchangeSimulator(rooms=[address(room) for room in rooms], now=self.true_now)
        self.exchange.faults.silence_s = 30.0
        self.link = MemoryLink()
        self.decisions: list[Decision] = []
        self.service: Service | None = None
        self.plans: dict[str, RoomPlan] = {}
        self.broker_up = True
        self.cable_ok = True
        self.bridge_up = True
        self.disk_full = False
        self._dead = False
        self._running: asyncio.Task[None] | None = None
        self._living: dict[str, asyncio.Task[None]] = {}

    # -- time ---------------------------------------------------------------------------------------

    def true_now(self) -> Instant:
        """The real time, whatever the gateway's clock says."""
        return self.start_ms + self.clock.monotonic_ms()

    async def until(self, instant: Instant) -> None:
        """Let time pass. A gateway that failed meanwhile fails the scenario."""
        wait_s = (instant - self.start_ms) / SECOND_MS - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await self.settle()

    async def settle(self) -> None:
        """Let everything that has begun come to rest."""
        await asyncio.sleep(SETTLE_S)
        if self._running is not None and self._running.done():
            self._running.result()

    # -- the gateway's life -------------------------------------------------------------------------

    @property
    def ledger_file(self) -> Path:
        """Where the gateway remembers."""
        return self.folder / "ledger.db"

    async def wake(self, settings: Settings) -> None:
        """Start the gateway, again on the same ledger."""
        self._dead = False
        if self.ledger_file.exists():
            with LedgerReader(self.ledger_file) as reader:
                self.decisions[:] = reader.decisions()
        around = surroundings(self.clock, self.link, self.exchange, self._checkpoint)
        self.service = _Observed(settings, around, self.decisions, self.ledger_file)
        self._running = asyncio.create_task(self.service.run())
        await self.settle()

    def _checkpoint(self, point: str) -> None:
        if point == "inside_commit" and (self._dead or self.disk_full):
            raise sqlite3.OperationalError("database or disk is full")

    async def stop(self) -> None:
        """Stop the gateway cleanly."""
        if self.service is not None and self._running is not None:
            self.service.stop()
            await self._running
        self.service = self._running = None

    async def kill(self) -> None:
        """End the gateway as kill -9 does: nothing after its last commit remains."""
        if self._running is None:
            return
        self._dead = True
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        self.service = self._running = None
        with LedgerReader(self.ledger_file) as reader:
            self.decisions[:] = reader.decisions()

    def forget_boot(self) -> None:
        """The machine itself went down with the gateway: no broker on it kept a queue for it."""
        ledger = Ledger(self.ledger_file)
        try:
            ledger.commit(Batch(notes={BOOT_NOTE: "an earlier boot"}))
        finally:
            ledger.close()

    async def end(self) -> None:
        """Stop everything."""
        for task in self._living.values():
            task.cancel()
        self.disk_full = False
        await self.stop()

    # -- sensors and broker -------------------------------------------------------------------------

    def furnish(self, plan: RoomPlan) -> None:
        """Hang a room's sensors up and switch them on; those that hung there before go."""
        for device in self.plans[plan.id].devices if plan.id in self.plans else ():
            if device not in plan.devices:
                self._living.pop(device.name).cancel()
        self.plans[plan.id] = plan
        for device in plan.devices:
            if device.name not in self._living:
                self._living[device.name] = asyncio.create_task(device.live())

    def device(self, name: str) -> Device | None:
        """The sensor of this name."""
        return next((d for plan in self.plans.values() for d in plan.devices if d.name == name), None)

    def publish(self, topic: str, payload: str, *, qos: int, retained: bool = False) -> None:
        """A device publishes: into the gateway's queue at the broker, or into nothing."""
        through_bridge = topic.startswith(f"{ZigbeePir.base}/") and not topic.endswith("/bridge/state")
        if not self.broker_up or (through_bridge and not self.bridge_up):
            return
        listening = self.cable_ok and self.service is not None
        if listening or (qos and not retained):
            self.link.send(topic, payload, retained=retained)

    def unplug(self, *, broker_up: bool) -> None:
        """The gateway's connection breaks: with the broker itself, or only the way to it."""
        self.broker_up, self.cable_ok = broker_up, False
        self.link.connects = False
        self.link.lose_connection()

    def plug_in(self, *, session: bool = True) -> None:
        """The broker can be reached again, with or without what it knew of the gateway."""
        self.broker_up = self.cable_ok = True
        if not session:
            self.link.lose_session()
        self.link.come_back()

    def set_bridge(self, *, up: bool, told: bool = True) -> None:
        """The Zigbee bridge works or not; `told`: it also says so."""
        self.bridge_up = up
        if told:
            state = "online" if up else "offline"
            self.publish(f"{ZigbeePir.base}/bridge/state", f'{{"state":"{state}"}}', qos=1)
        for plan in self.plans.values() if up else ():
            for device in plan.devices:
                if isinstance(device, ZigbeePir):
                    device.report()

    # -- Exchange -----------------------------------------------------------------------------------

    def fault(
        self, fault: Fault, *, path: str = "/users/", method: str = "", times: int | None = None
    ) -> None:
        """From now on, or so many times, requests to mailboxes go wrong in this way."""
        self.exchange.faults.add(fault, path=path, method=method, times=times)
