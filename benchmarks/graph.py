"""Requests to Exchange, how old calendars become, and how late writes are: 100 rooms in virtual time.

The whole service runs with the simulated Exchange in one process, under a loop whose hours pass in seconds;
the figures are the simulated clock's and do not depend on the machine. Nothing but polling tells the gateway
when to look. Each room has a radar that speaks every minute from 6 to 20 h, and a day of bookings of which
one in five is attended by nobody; Exchange takes `LATENCY_S` for each answer.

* *HTTP requests*: every request to Graph, those that verify and confirm writes included; tokens are not.
  *Inner requests*: what was asked within batches, and every request that was not a batch.
* *Oldest age*: every 1.1 s in the gateway's working hours, from two minutes after they begin, the time since
  the last whole answer about a room's calendar, of the room where that is longest. The goal is a minute.
* A week is five workdays and two days of its weekend; fewer are lived through, and their means stand for
  all.
* *From due to written*: from the moment at which a release is due and its vacancy proven, whichever is later,
  to the moment at which Exchange carries out the decline.
"""

import asyncio
import random
import statistics
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.exchange.hours import Hours
from gateway.ledger import LedgerReader
from gateway.service import Service
from gateway.settings import Settings, parse
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator
from simulators.in_process import InProcessTokens, InProcessTransport, surroundings
from simulators.link import MemoryLink

ROOMS: Final = 100
LATENCY_S: Final = 0.15
MONDAY: Final[Instant] = 20_724 * DAY_MS  # 2026-09-28
WORKDAYS: Final = 5
WEEKEND: Final = 2
GHOSTS: Final = 0.2
SLOTS: Final = (30, 60, 60, 90)
"""Lengths of meetings in minutes."""
BREAKS: Final = (0, 0, 30, 60)
RADARS: Final = (6 * HOUR_MS, 20 * HOUR_MS)
MEETINGS: Final = (8 * HOUR_MS, 18 * HOUR_MS)
LOOK_S: Final = 1.1
"""In no rhythm with the polls: every age is met at its highest, sooner or later."""
SETTLING_MS: Final[Duration] = 2 * MINUTE_MS
"""Working hours begin: within this the pace of the night is over."""

_HEAD: Final = """
[site]
name = "Contoso"
time_zone = "UTC"
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
[exchange]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret_file = "secret"
"""
_ROOM: Final = """
[[room]]
id = "{room}"
mailbox = "{room}@contoso.com"
mode = "live"
[[room.sensor]]
id = "{room}-radar"
family = "plain"
topic = "{room}/radar"
senses = "presence"
heartbeat = "60s"
loss_detectable = true
at_qos1 = true
"""


@dataclass
class Figures:
    """What one run came to."""

    workday_http: list[int] = field(default_factory=list)
    workday_inner: list[int] = field(default_factory=list)
    weekend_http: list[int] = field(default_factory=list)
    weekend_inner: list[int] = field(default_factory=list)
    oldest_s: float = 0.0
    lags_s: list[float] = field(default_factory=list)
    throttled: int = 0

    def a_day(self, workdays: Sequence[int], weekend: Sequence[int]) -> float:
        """Of a room, the mean over a week of five workdays and two days of weekend."""
        week = WORKDAYS * statistics.fmean(workdays) + WEEKEND * statistics.fmean(weekend)
        return week / (WORKDAYS + WEEKEND) / ROOMS

    @property
    def http(self) -> float:
        """HTTP requests per room and day."""
        return self.a_day(self.workday_http, self.weekend_http)

    @property
    def inner(self) -> float:
        """Inner requests per room and day."""
        return self.a_day(self.workday_inner, self.weekend_inner)

    def lag(self, share: float) -> float:
        """From due to written in seconds: so large a share of the releases was not later."""
        ordered = sorted(self.lags_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(folder: Path, workdays: int, weekend: int) -> Figures:
    """Live through so many workdays and days of a weekend; blocks, in virtual time."""
    (folder / "secret").write_text(CLIENT_SECRET)
    (folder / "secret").chmod(0o600)
    text = _HEAD.format(tenant=TENANT_ID, client=CLIENT_ID)
    text += "".join(_ROOM.format(room=room) for room in _rooms())
    settings = parse(text, base=folder)
    days = [MONDAY + day * DAY_MS for day in range(WORKDAYS - workdays, WORKDAYS + weekend)]
    figures = Figures()

    async def main(clock: VirtualClock) -> None:
        await _Week(folder, settings, clock, figures).live_through(days)

    run_virtual(main, days[0])
    return figures


def _rooms() -> list[str]:
    return [f"room-{number:03d}" for number in range(ROOMS)]


class _Witness(InProcessTransport):
    """Notes when Exchange carried out each decline."""

    def __init__(self, exchange: ExchangeSimulator) -> None:
        super().__init__(exchange.app)
        self._now = exchange.now
        self.declined_at: dict[str, Instant] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As the simulator answers."""
        answer = await super().handle_async_request(request)
        parts = request.url.path.split("/")
        if parts[-1] == "decline" and answer.is_success:
            self.declined_at.setdefault(parts[-2], self._now())
        return answer


class _Week:
    """One service, its Exchange, its radars."""

    def __init__(self, folder: Path, settings: Settings, clock: VirtualClock, figures: Figures) -> None:
        self._clock = clock
        self._figures = figures
        self._ledger = folder / "ledger.db"
        self._link = MemoryLink()
        rooms = [room.mailbox for room in settings.rooms]
        self._exchange = ExchangeSimulator(
            rooms=rooms, now=clock.now, wall_clock=lambda: clock.monotonic_ms() / SECOND_MS
        )
        self._exchange.faults.latency_s = LATENCY_S
        self._witness = _Witness(self._exchange)
        around = surroundings(
            clock,
            self._link,
            self._exchange,
            transport=self._witness,
            tokens=InProcessTokens(self._witness),
        )
        self._service = Service(settings, around)
        self._working = Hours.of(settings.exchange.working_hours)
        self._zone = settings.zone(settings.rooms[0])
        self._visits: dict[str, list[tuple[Instant, Instant]]] = {}

    async def live_through(self, days: Sequence[Instant]) -> None:
        """Every day to its end."""
        running = asyncio.create_task(self._service.run())
        beating = asyncio.create_task(self._beat())
        looking = asyncio.create_task(self._look())
        try:
            for day in days:
                is_workday = day < MONDAY + WORKDAYS * DAY_MS
                if is_workday:
                    self._book(day)
                before = self._asked()
                await asyncio.sleep(self._clock.seconds_until(day + DAY_MS))
                http, inner = (now - then for now, then in zip(self._asked(), before, strict=True))
                (self._figures.workday_http if is_workday else self._figures.weekend_http).append(http)
                (self._figures.workday_inner if is_workday else self._figures.weekend_inner).append(inner)
                if running.done():
                    running.result()
        finally:
            beating.cancel()
            looking.cancel()
            self._service.stop()
            await running
        self._figures.throttled = self._service.graph.requests.throttled
        self._figures.lags_s = self._lags()

    def _asked(self) -> tuple[int, int]:
        """HTTP requests and inner requests so far."""
        routes = self._exchange.requests.routes
        batches = routes["POST $batch"]
        http = self._service.graph.requests.total
        return http, http - batches + self._service.graph.requests.batched

    def _book(self, day: Instant) -> None:
        """Each room's meetings of a day, and who comes."""
        for room in _rooms():
            dice = random.Random(f"{day}/{room}")  # noqa: S311 - a repeatable office, not a secret
            at = day + MEETINGS[0] + dice.choice(BREAKS) * MINUTE_MS
            while (end := at + dice.choice(SLOTS) * MINUTE_MS) <= day + MEETINGS[1]:
                organizer = f"person-{dice.randrange(400):03d}@contoso.com"
                self._exchange.book(organizer, f"{room}@contoso.com", at, end)
                if dice.random() >= GHOSTS:
                    late = dice.randrange(-60, 300) * SECOND_MS
                    leaves = end - dice.randrange(300) * SECOND_MS
                    self._visits.setdefault(room, []).append((at + late, leaves))
                at = end + dice.choice(BREAKS) * MINUTE_MS

    async def _beat(self) -> None:
        """Every radar each minute, at a second of its own; nobody hears the nights."""
        phases = sorted((zlib.crc32(room.encode()) % MINUTE_MS, room) for room in _rooms())
        minute = self._clock.now() // MINUTE_MS * MINUTE_MS
        while True:
            for phase, room in phases:
                now = minute + phase
                if RADARS[0] <= now % DAY_MS < RADARS[1]:
                    await asyncio.sleep(self._clock.seconds_until(now))
                    inside = any(enter <= now < leave for enter, leave in self._visits.get(room, ()))
                    self._link.send(f"{room}/radar", "ON" if inside else "OFF")
            minute += MINUTE_MS
            await asyncio.sleep(self._clock.seconds_until(minute))

    async def _look(self) -> None:
        """How old the oldest calendar is, in working hours."""
        await asyncio.sleep(SETTLING_MS / SECOND_MS)
        while True:
            now = self._clock.now()
            if self._working.hold(now - SETTLING_MS, self._zone) and self._working.hold(now, self._zone):
                oldest: Duration = now - min(self._service.sync.read_at.values())
                self._figures.oldest_s = max(self._figures.oldest_s, oldest / SECOND_MS)
            await asyncio.sleep(LOOK_S)

    def _lags(self) -> list[float]:
        """From due to written, of each release that was written."""
        with LedgerReader(self._ledger) as reader:
            decisions = reader.decisions(kind="release")
        return [
            (self._witness.declined_at[one.write.event_id] - one.at) / SECOND_MS
            for one in decisions
            if one.write is not None and one.write.event_id in self._witness.declined_at
        ]
