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
from gateway.ledger import LedgerError, LedgerReader
from gateway.service import Service, Surroundings
from gateway.settings import Settings, load
from simulators.broker import EmbeddedBroker
from simulators.clock import ScaledClock
from simulators.exchange import ExchangeSimulator
from simulators.exchange.bookings import OrganizerEvent
from simulators.exchange.items import Person
from simulators.exchange.serve import Connection, serving
from simulators.office import Office, OfficeRoom, publish
from simulators.people import PlannedBooking
from simulators.toml import table
from simulators.truth import Balance, Cause, Fate, balance, causes_by_booking, fate_of

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
        self.office = Office(options.seed, options.rooms, start_ms=start, hours=options.hours)
        self.clock = ScaledClock(start, options.speed)
        self.exchange: ExchangeSimulator
        self.service: Service
        self.readings = 0
        self.news: list[Decision] = []
        """What the gateway decided so far."""
        self._booked: dict[str, OrganizerEvent] = {}
        self._folder: Path
        self._broker_port = 0

    @property
    def expected_wall_s(self) -> float:
        """About how long it takes, in seconds."""
        return self.options.hours * 3_600 / self.options.speed + SETTLING_S + 2

    async def run(self, watch: Callable[["Demo"], Any] = lambda _: None, keep: Path | None = None) -> Result:
        """Run the morning to its end; `watch` is called now and then to show it.

        `keep`: the folder in which configuration and ledger stay; it is empty or made.
        """
        with contextlib.ExitStack() as stack:
            self._folder = keep or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="occupancy-demo-"))
            )
            self._folder.mkdir(parents=True, exist_ok=True)
            async with self._started():
                jobs = [
                    asyncio.create_task(job)
                    for job in (self._publish(), self._keep_diary(), self._watch(watch))
                ]
                try:
                    await jobs[0]
                    await asyncio.sleep(self.clock.seconds_until(self.office.end_ms + MINUTE_MS) + SETTLING_S)
                    self.news = self.decisions()
                    watch(self)
                finally:
                    for job in jobs:
                        job.cancel()
            return self._result()

    @contextlib.asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        """Broker, Exchange with the day's bookings, gateway: each through its real sockets."""
        self.clock = ScaledClock(self.office.start_ms, self.options.speed)
        people = [Person(room.id.capitalize(), room.mailbox) for room in self.office.rooms]
        self.exchange = ExchangeSimulator(rooms=people, now=self.clock.now, seed=self.options.seed)
        self._write_diary(until=self.office.start_ms)
        async with EmbeddedBroker() as broker, serving(self.exchange, self._folder) as connection:
            settings = self._configure(broker.port, connection)
            # Time begins when everything stands, so that nobody is late for lack of a process.
            self.clock = clock = ScaledClock(self.office.start_ms, self.options.speed)
            self.exchange.now = clock.now
            self._broker_port = broker.port
            self.service = Service(settings, Surroundings(clock=clock))
            running = asyncio.create_task(self.service.run())
            try:
                yield
            finally:
                self.service.stop()
                await running

    def _diary(self) -> list[tuple[Instant, str, PlannedBooking]]:
        """What organizers do in their calendars, in order of time."""
        made = [(b.created_at, "book", b) for b in self.office.bookings]
        gone = [(b.cancelled_at, "cancel", b) for b in self.office.bookings if b.cancelled_at is not None]
        return sorted(made + gone, key=lambda entry: (entry[0], entry[2].key, entry[1]))

    def _write_diary(self, until: Instant, after: Instant = -1) -> None:
        for at, deed, planned in self._diary():
            if after < at <= until:
                self._do(deed, planned)

    def _do(self, deed: str, planned: PlannedBooking) -> None:
        if deed == "cancel":
            self.exchange.cancel(self._booked[planned.key])
            return
        mailbox = self.office.room(planned.room).mailbox
        self._booked[planned.key] = self.exchange.book(
            planned.organizer, mailbox, planned.start, planned.end, time_zone=ZONE
        )

    async def _keep_diary(self) -> None:
        """Last-minute bookings and cancellations, when their time comes."""
        for at, deed, planned in self._diary():
            if at > self.office.start_ms:
                await asyncio.sleep(self.clock.seconds_until(at))
                self._do(deed, planned)

    def _configure(self, port: int, connection: Connection) -> Settings:
        """Write the very files that facilities would write, and read them."""
        secret = self._folder / "client-secret"
        secret.touch(mode=0o600)
        secret.write_text(connection.client_secret)
        (self._folder / "gateway.toml").write_text(gateway_toml(self.office, port, connection))
        return load(self._folder / "gateway.toml")

    async def _publish(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._broker_port, identifier="sensors") as client:

            async def send(topic: str, payload: bytes, retain: bool, qos: int) -> None:
                self.readings += 1
                await client.publish(topic, payload, qos=qos, retain=retain)

            await publish(self.office, self.clock, send)

    async def _watch(self, watch: Callable[["Demo"], Any]) -> None:
        while True:
            with contextlib.suppress(LedgerError):  # before the gateway has made its ledger
                self.news = self.decisions()
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
            self._fate(room, planned, causes.get((room.id, self._booked[planned.key].ical_uid), "withheld"))
            for room in self.office.rooms
            for planned in room.bookings
            if planned.cancelled_at is None
        ]
        return Result(self.options, balance(fates), fates, self.exchange.requests.total, self.readings)

    def _fate(self, room: OfficeRoom, planned: PlannedBooking, cause: Cause) -> Fate:
        event = self._booked[planned.key]
        status = self.exchange.status(event, room.mailbox)
        released_at = status.responded_ms if status.response == "declined" else None
        items = self.exchange.calendar(room.mailbox, planned.start, planned.end)
        checked_in = any(item.ical_uid == event.ical_uid and item.categories for item in items)
        policy = self.service.settings.site_config().rooms[0].policy
        return fate_of(room, planned, policy, released_at, checked_in, cause)


def gateway_toml(office: Office, port: int, connection: Connection) -> str:
    """The configuration of a gateway for this office, every room live."""
    lines = [
        "[site]",
        'name = "Contoso"',
        f'time_zone = "{ZONE}"',
        "[breaker]",  # in six rooms, three ghosts at once are an ordinary morning
        "at_least = 6",
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
    for room in office.gateway_rooms():
        sensors = room.pop("sensor")
        lines += ["", *table("[room]", {**room, "mode": "live"})]
        for sensor in sensors:
            lines += table("[room.sensor]", sensor)
    return "\n".join(lines) + "\n"
