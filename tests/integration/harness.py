"""The whole service in virtual time: real ledger, real Exchange simulator, a link in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.decisions import Decision
from gateway.core.events import AnyEvent
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.ledger import LedgerReader
from gateway.service import Service
from gateway.settings import Settings, parse
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator, Variants
from simulators.in_process import surroundings
from simulators.link import MemoryLink

MONDAY: Instant = 20_724 * DAY_MS  # 2026-09-28
EIGHT: Instant = MONDAY + 8 * HOUR_MS

CONFIGURATION = """
[site]
name = "Contoso"
time_zone = "UTC"
{site}
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
[exchange]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret_file = "secret"
{exchange}
[policy.default]
{policy}
"""

PIR = """
[[room.sensor]]
id = "{room}-pir"
family = "plain"
topic = "{room}/pir"
senses = "motion"
heartbeat = "60s"
at_qos1 = true
"""
"""Appended to the last room; `World.others` makes it speak."""

RADAR = """
[[room.sensor]]
id = "{room}-radar"
family = "plain"
topic = "{room}/radar"
senses = "presence"
heartbeat = "60s"
loss_detectable = true
at_qos1 = true
"""


def configuration(folder: Path, rooms: tuple[str, ...] = ("orion",), **more: Any) -> Settings:
    """Settings with a radar in each room; `more` as `configuration_text` takes it."""
    return parse(configuration_text(folder, rooms, **more), base=folder)


def configuration_text(
    folder: Path,
    rooms: tuple[str, ...] = ("orion",),
    mode: str = "live",
    policy: str = "",
    exchange: str = "",
    site: str = "",
    room: str = "",
    more: str = "",
) -> str:
    """A file with a radar in each room. `room`: what each says besides; `more`: what follows the last."""
    (folder / "secret").write_text(CLIENT_SECRET)
    (folder / "secret").chmod(0o600)
    if "poll =" not in exchange:
        exchange = f'poll = "60s"\n{exchange}'  # so that tests can name the minute of a read
    text = CONFIGURATION.format(
        tenant=TENANT_ID, client=CLIENT_ID, policy=policy, exchange=exchange, site=site
    )
    for name in rooms:
        text += f'[[room]]\nid = "{name}"\nmailbox = "{name}@contoso.com"\nmode = "{mode}"\n{room}\n'
        text += RADAR.format(room=name)
    return text + more


@dataclass
class World:
    """One service and everything around it. Times in ms since 1970 UTC; `at("09:05")` on the test day."""

    folder: Path
    clock: VirtualClock
    exchange: ExchangeSimulator
    link: MemoryLink
    settings: Settings
    checkpoint: Callable[[str], None] = lambda _: None
    service: Service | None = None
    states: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    """Further sensors by topic, and what they say each minute."""
    _running: asyncio.Task[None] | None = None
    _beating: asyncio.Task[None] | None = None

    # -- the gateway's life ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the gateway (again, on the same ledger) and the sensors' heartbeats."""
        around = surroundings(self.clock, self.link, self.exchange, self._pass)
        self.service = Service(self.settings, around)
        self._running = asyncio.create_task(self.service.run())
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        await asyncio.sleep(2.0)
        if self._running.done():
            self._running.result()

    def _pass(self, point: str) -> None:
        self.checkpoint(point)

    async def stop(self) -> None:
        """Stop the gateway cleanly."""
        assert self.service is not None
        assert self._running is not None
        self.service.stop()
        await self._running

    async def end(self) -> None:
        """Stop everything."""
        if self._beating is not None:
            self._beating.cancel()
        if self._running is not None and not self._running.done():
            await self.stop()

    # -- sensors --------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            for room, state in sorted(self.states.items()):
                self.link.send(f"{room}/radar", state)
            for topic, state in sorted(self.others.items()):
                self.link.send(topic, state)
            await asyncio.sleep(60.0)

    def enter(self, room: str = "orion") -> None:
        """Somebody comes in."""
        self._show(room, "ON")

    def leave(self, room: str = "orion") -> None:
        """The room empties."""
        self._show(room, "OFF")

    def silence(self, room: str = "orion") -> None:
        """The sensor says nothing any more."""
        self.states.pop(room, None)

    def _show(self, room: str, state: str) -> None:
        self.states[room] = state
        self.link.send(f"{room}/radar", state)

    # -- time -----------------------------------------------------------------------------------------

    async def until(self, clock: str) -> None:
        """Let time pass to a time of the test day."""
        await asyncio.sleep(self.clock.seconds_until(at(clock)))
        assert self._running is not None
        if self._running.done():
            self._running.result()

    async def wait_until(self, instant: Instant) -> None:
        """As `until`, to an instant."""
        await asyncio.sleep(self.clock.seconds_until(instant))

    # -- what came of it --------------------------------------------------------------------------------

    def decisions(self, kind: str = "") -> list[Decision]:
        """What the ledger holds."""
        with LedgerReader(self.folder / "ledger.db") as reader:
            return reader.decisions(kind=kind)

    def events(self) -> list[AnyEvent]:
        """The journal's events."""
        with LedgerReader(self.folder / "ledger.db") as reader:
            return [event for _, _, event in reader.events()]

    def outbox(self) -> list[tuple[str, str, str]]:
        """Action, state and reason of every intended write."""
        with LedgerReader(self.folder / "ledger.db") as reader:
            return [(row.write.action, row.state, row.why) for row in reader.outbox()]


def at(clock: str) -> Instant:
    """An instant of the test day."""
    hours, minutes, seconds = ([int(part) for part in clock.split(":")] + [0])[:3]
    return MONDAY + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS


def in_world(
    folder: Path,
    story: Callable[[World], Awaitable[None]],
    start: Instant = EIGHT,
    variants: Variants | None = None,
    **more: Any,
) -> None:
    """Run a story in a fresh world, in virtual time. `variants`: how its Exchange behaves."""

    async def main(clock: VirtualClock) -> None:
        settings = configuration(folder, **more)
        rooms = [room.mailbox for room in settings.rooms]
        exchange = ExchangeSimulator(rooms=rooms, now=clock.now, variants=variants)
        world = World(folder, clock, exchange, MemoryLink(), settings)
        radars = {sensor.topic for room in settings.rooms for sensor in room.sensors}
        world.states = {room.id: "OFF" for room in settings.rooms if f"{room.id}/radar" in radars}
        try:
            await world.start()
            await story(world)
        finally:
            await world.end()

    run_virtual(main, start)
