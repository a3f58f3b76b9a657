"""The main job in two minutes: simulated people and sensors, a real broker, a real gateway.

Everything talks as in an office: MQTT over TCP to an embedded broker, HTTPS to an Exchange simulator
under a private certificate authority made at the start. Only decision time is injected: it runs
`speed` times faster than the wall clock. Commit linger, socket time-outs and tokens stay on wall time.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiomqtt

from gateway.core.decisions import Decision
from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.ledger import LedgerReader
from gateway.service import Service, Surroundings
from gateway.settings import Settings, load
from simulators.broker import EmbeddedBroker
from simulators.clock import ScaledClock
from simulators.exchange import ExchangeSimulator
from simulators.exchange.bookings import OrganizerEvent
from simulators.exchange.mailboxes import Person
from simulators.exchange.serve import Connection, serving
from simulators.office import Office, SimulatedRoom, publish
from simulators.truth import Balance, Fate, balance, causes_by_booking, fate_of

ZONE: Final = "Europe/Berlin"
BEGIN: Final = datetime(2026, 11, 23, 7, 30, tzinfo=ZoneInfo(ZONE))
"""A Monday; sensors warm up for half an hour, then the first bookings begin."""

SETTLING_S: Final = 1.5
"""Wall time for the last answers of Exchange to arrive."""


@dataclass(frozen=True)
class Options:
    """What `occupancy-simulator demo` can be told."""

    rooms: int = 6
    speed: float = 120.0
    seed: int = 7
    hours: float = 4.0


@dataclass
class Result:
    """What a demo ends with."""

    options: Options
    balance: Balance
    fates: list[Fate]
    graph_requests: int
    readings: int

    def as_json(self) -> dict[str, Any]:
        """The figures for programs; hours as decimal numbers."""
        total = self.balance
        ghosts_returned = sum(fate.returned for fate in self.fates if fate.ghost) / HOUR_MS
        return {
            "seed": self.options.seed,
            "rooms": self.options.rooms,
            "simulated_hours": self.options.hours,
            "bookings": total.bookings,
            "ghosts": total.ghosts,
            "released": total.released,
            "wrongly_released": total.wrongly_released,
            "came_after_release": total.came_after_release,
            "ghosts_missed": total.ghosts_missed,
            "checked_in": total.checked_in,
            "hours_booked": round(total.hours_booked, 3),
            "hours_ghost": round(total.hours_ghost, 3),
            "hours_recoverable": round(total.hours_recoverable, 3),
            "hours_returned": round(ghosts_returned, 3),
            "causes": {cause: round(hours, 3) for cause, hours in total.causes.items()},
            "graph_requests": self.graph_requests,
            "readings": self.readings,
        }


class Demo:
    """One morning. `running` gives the parts while it runs; `result` the figures afterwards."""

    def __init__(self, options: Options) -> None:
        self.options = options
        start: Instant = int(BEGIN.timestamp() * SECOND_MS)
        self.office = Office(options.seed, options.rooms, start, options.hours)
        self.clock = ScaledClock(start, options.speed)
        self.exchange: ExchangeSimulator
        self.service: Service
        self.readings = 0
        self._booked: dict[tuple[str, int], OrganizerEvent] = {}
        self._folder: Path

    async def run(self, watch: Callable[["Demo"], Any] = lambda _: None) -> Result:
        """Run the morning to its end; `watch` is called now and then to show it."""
        with tempfile.TemporaryDirectory(prefix="occupancy-demo-") as folder:
            self._folder = Path(folder)
            async with self._started():
                publishing = asyncio.create_task(self._publish())
                watching = asyncio.create_task(self._watch(watch))
                try:
                    await publishing
                    await asyncio.sleep(self.clock.seconds_until(self.office.end + MINUTE_MS) + SETTLING_S)
                    watch(self)
                finally:
                    publishing.cancel()
                    watching.cancel()
            return self._result()

    @contextlib.asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        """Broker, Exchange with the day's bookings, gateway: each through its real sockets."""
        self.clock = ScaledClock(self.office.start, self.options.speed)
        people = [Person(room.name.title(), room.mailbox) for room in self.office.rooms.values()]
        self.exchange = ExchangeSimulator(rooms=people, now=self.clock.now, seed=self.options.seed)
        self._book()
        async with EmbeddedBroker() as broker, serving(self.exchange, self._folder) as connection:
            settings = self._configure(broker.port, connection)
            # Time begins when everything stands, so that nobody is late for lack of a process.
            self.clock = clock = ScaledClock(self.office.start, self.options.speed)
            self.exchange.now = clock.now
            self._broker_port = broker.port
            self.service = Service(settings, Surroundings(clock=clock))
            running = asyncio.create_task(self.service.run())
            try:
                yield
            finally:
                self.service.stop()
                await running

    def _book(self) -> None:
        for name, room in self.office.rooms.items():
            for index, planned in enumerate(room.day.bookings):
                self._booked[name, index] = self.exchange.book(
                    planned.organizer, room.mailbox, planned.start, planned.end, time_zone=ZONE
                )

    def _configure(self, port: int, connection: Connection) -> Settings:
        """Write the very files that facilities would write, and read them."""
        secret = self._folder / "client-secret"
        secret.touch(mode=0o600)
        secret.write_text(connection.client_secret)
        (self._folder / "gateway.toml").write_text(gateway_toml(self.office, port, connection))
        return load(self._folder / "gateway.toml")

    async def _publish(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._broker_port, identifier="sensors") as client:

            async def send(topic: str, payload: str, retain: bool) -> None:
                await client.publish(topic, payload, qos=1, retain=retain)

            self.readings = await publish(self.office, self.clock, send, self._count)

    def _count(self, number: int) -> None:
        self.readings = number

    async def _watch(self, watch: Callable[["Demo"], Any]) -> None:
        while True:
            watch(self)
            await asyncio.sleep(0.25)

    # -- the end --------------------------------------------------------------------------------------

    def decisions(self) -> list[Decision]:
        """What the gateway recorded."""
        with LedgerReader(self._folder / "ledger.db") as reader:
            return reader.decisions()

    def _result(self) -> Result:
        decisions = self.decisions()
        causes = causes_by_booking(decisions)
        fates = [
            self._fate(room, index, causes.get((name, self._booked[name, index].ical_uid), "withheld"))
            for name, room in self.office.rooms.items()
            for index in range(len(room.day.bookings))
        ]
        requests = self.exchange.requests.total
        return Result(self.options, balance(fates), fates, requests, self.readings)

    def _fate(self, room: SimulatedRoom, index: int, cause: Any) -> Fate:
        event = self._booked[room.name, index]
        planned = room.day.bookings[index]
        status = self.exchange.status(event, room.mailbox)
        released_at = status.responded_ms if status.response == "declined" else None
        items = self.exchange.calendar(room.mailbox, planned.start, planned.end)
        checked_in = any(item.ical_uid == event.ical_uid and item.categories for item in items)
        policy = self.service.settings.site_config().rooms[0].policy
        return fate_of(room, index, policy, released_at, checked_in, cause, self.office.end)


def gateway_toml(office: Office, port: int, connection: Connection) -> str:
    """The configuration of a gateway for this office, every room live."""
    lines = [
        "[site]",
        'name = "Contoso"',
        f'time_zone = "{ZONE}"',
        "[ledger]",
        'path = "ledger.db"',
        "[mqtt]",
        'host = "127.0.0.1"',
        f"port = {port}",
        "[exchange]",
        f'tenant_id = "{connection.tenant_id}"',
        f'client_id = "{connection.client_id}"',
        'client_secret_file = "client-secret"',
        f'authority = "{connection.authority}"',
        f'base_url = "{connection.base_url}"',
        f'ca_file = "{connection.ca_file}"',
    ]
    for room in office.rooms.values():
        lines += ["", "[[room]]", f'id = "{room.name}"', f'name = "{room.name.title()}"']
        lines += [f'mailbox = "{room.mailbox}"', 'mode = "live"']
        for device in room.devices:
            lines.append("[[room.sensor]]")
            lines += [f"{key} = {_toml(value)}" for key, value in device.settings.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | bool | dict[str, str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'{key} = "{word}"' for key, word in value.items()) + " }"
    return f'"{value}"'
