"""kill -9 at labelled points and at random moments, with real processes, Mosquitto and HTTPS.

No acknowledged reading is lost, and no write to Exchange is lost or done twice (L1 to L4).
"""

import asyncio
import contextlib
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from victim import LABELS

from gateway.core.events import Reading
from gateway.core.units import MINUTE_MS, Instant
from gateway.ledger import Ledger, LedgerReader
from simulators.broker import MosquittoBroker, mosquitto_available
from simulators.clock import ScaledClock
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID, ExchangeSimulator
from simulators.exchange.serve import serving

SPEED = 240
START: Instant = 1_790_582_400_000  # 2026-09-28T08:00:00Z
GHOST_ROOMS = ("lyra", "orion", "vega")
GHOST_MS = 6 * MINUTE_MS
"""A second and a half by the wall: a gateway that has just come up soon has something to write."""
PATIENCE_S = 90.0
"""How long the last gateway may take to do its job: half a minute, and three times that on a busy machine."""

STOP_S = 20.0
"""How long a clean stop may take: longer than any time-out of the gateway's own."""

DOWN_S = 4.0
"""How long a victim may take to reach its label before it is killed from outside."""

SITE = """
[site]
name = "Contoso"
time_zone = "UTC"
[ledger]
path = "ledger.db"
[mqtt]
host = "127.0.0.1"
port = {port}
queue_covers = "1d"
[breaker]
on = false
[exchange]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret_file = "secret"
authority = "{authority}"
base_url = "{base_url}"
ca_file = "{ca_file}"
poll = "30s"
[policy.default]
grace = "3m"
min_remaining = "2m"
warn_before_release = "1m"
[[room]]
id = "mira"
mailbox = "mira@contoso.com"
mode = "live"
[[room.sensor]]
id = "mira-counter"
family = "plain"
topic = "mira/count"
senses = "count"
heartbeat = "60s"
at_qos1 = true
"""

GHOST_ROOM = """
[[room]]
id = "{room}"
mailbox = "{room}@contoso.com"
mode = "live"
[[room.sensor]]
id = "{room}-a"
family = "plain"
topic = "{room}/a"
senses = "presence"
heartbeat = "60s"
loss_detectable = true
at_qos1 = true
[[room.sensor]]
id = "{room}-b"
family = "plain"
topic = "{room}/b"
senses = "presence"
heartbeat = "60s"
loss_detectable = true
at_qos1 = true
"""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(
        not mosquitto_available(),
        reason="Mosquitto is not installed, and the embedded broker is not made for this",
    ),
]


class Sensors:
    """Publishes at QoS 1 and knows what the broker has taken."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.taken: list[int] = []

    async def run(self) -> None:
        """Radars that see nobody, and a counter whose every message is another number."""
        async with aiomqtt.Client("127.0.0.1", self._port, identifier="sensors") as client:
            next_beat = 0.0
            number = 0
            while True:
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + 30 / SPEED
                    for room in GHOST_ROOMS:
                        await client.publish(f"{room}/a", "OFF", qos=1)
                        await client.publish(f"{room}/b", "OFF", qos=1)
                number = number % 9_999 + 1
                await client.publish("mira/count", str(number), qos=1)
                self.taken.append(number)
                await asyncio.sleep(0.004)


class Victim:
    """The gateway in a process of its own."""

    def __init__(self, config: Path, wall_start: float) -> None:
        self._config = config
        self._wall_start = wall_start
        self._started: list[asyncio.subprocess.Process] = []
        self.log = config.with_name("victim.log")

    async def start(self, label: str = "", count: int = 0) -> asyncio.subprocess.Process:
        """Start it; with a label it will kill itself there."""
        arguments = [str(self._config), str(START), str(self._wall_start), str(SPEED)]
        if label:
            arguments += [label, str(count)]
        script = Path(__file__).with_name("victim.py")
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(script), *arguments, stdout=log, stderr=log
            )
        self._started.append(process)
        return process

    async def stop(self, process: asyncio.subprocess.Process) -> None:
        """Ask for a clean stop and see that it comes; one that does not is asked where it hangs."""
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGABRT)  # faulthandler writes every thread's stack to the log
            await process.wait()
        assert process.returncode == 0, self.log.read_text()[-3_000:]

    async def kill_all(self) -> None:
        """Leave no victim behind, whatever the test came to."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def make_session(self) -> None:
        """Let the broker know the gateway: before its first connection nothing is queued for it."""
        process = await self.start()
        async with asyncio.timeout(20.0):
            while "link up" not in self.log.read_text():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        await self.stop(process)


@contextlib.asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[tuple[ExchangeSimulator, Sensors, Victim]]:
    """A broker, an Exchange and sensors that outlive every victim."""
    clock = ScaledClock(START, SPEED)
    wall_start = time.time()
    rooms = [f"{room}@contoso.com" for room in ("mira", *GHOST_ROOMS)]
    exchange = ExchangeSimulator(rooms=rooms, now=clock.now)
    async with MosquittoBroker() as broker, serving(exchange, folder) as connection:
        text = SITE.format(
            port=broker.port,
            tenant=TENANT_ID,
            client=CLIENT_ID,
            authority=connection.authority,
            base_url=connection.base_url,
            ca_file=connection.ca_file,
        )
        text += "".join(GHOST_ROOM.format(room=room) for room in GHOST_ROOMS)
        (folder / "gateway.toml").write_text(text)
        (folder / "secret").write_text(CLIENT_SECRET)
        (folder / "secret").chmod(0o600)
        sensors = Sensors(broker.port)
        victim = Victim(folder / "gateway.toml", wall_start)
        try:
            await victim.make_session()
            publishing = asyncio.create_task(sensors.run())
            try:
                yield exchange, sensors, victim
            finally:
                publishing.cancel()
                await asyncio.wait([publishing], timeout=STOP_S)
        finally:
            await victim.kill_all()


def book_ghosts(exchange: ExchangeSimulator, minutes: int) -> dict[str, tuple[str, Instant]]:
    """A ghost every six minutes in each ghost room; its organizer is its own, so messages can be counted."""
    ghosts = {}
    for room in GHOST_ROOMS:
        for number, start in enumerate(range(START, START + minutes * MINUTE_MS, GHOST_MS)):
            organizer = f"{room}-{number:04}@contoso.com"
            exchange.book(organizer, f"{room}@contoso.com", start, start + GHOST_MS)
            ghosts[organizer] = (room, start)
    exchange.book("people@contoso.com", "mira@contoso.com", START, START + 170 * MINUTE_MS)
    return ghosts


async def kill_and_look(folder: Path, kills: int, seed: int) -> None:
    """Kill a gateway that many times, then let it finish, and see that all is well."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    minutes = 60 + kills * 40 + round(PATIENCE_S * SPEED / 60)
    async with surroundings(folder) as (exchange, sensors, victim):
        ghosts = book_ghosts(exchange, minutes)
        killed = []
        for turn in range(kills):
            label = LABELS[turn % (len(LABELS) + 3)] if turn % (len(LABELS) + 3) < len(LABELS) else ""
            count = chance.randint(1, 2) if "send" in label else chance.randint(1, 25)
            process = await victim.start(label, count)
            patience = DOWN_S if label else chance.uniform(0.3, 1.6)
            try:
                async with asyncio.timeout(patience):
                    await process.wait()
                killed.append(label)
            except TimeoutError:
                process.kill()
                await process.wait()
                killed.append("from outside")
            assert process.returncode == -9, victim.log.read_text()[-3_000:]
        process = await victim.start()
        async with asyncio.timeout(PATIENCE_S):
            while len(told(exchange, ghosts)) < 2 * len(GHOST_ROOMS):  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.1)
        sent = list(sensors.taken)
        async with asyncio.timeout(PATIENCE_S):
            while sent[-1] not in heard(folder):  # noqa: ASYNC110 - as above; what the broker still holds is not lost
                await asyncio.sleep(0.5)
        await victim.stop(process)
        assert "core failed" not in victim.log.read_text()
    assert set(killed) & set(LABELS), "no labelled point was ever reached"
    look_at_readings(folder, sent)
    look_at_writes(folder, exchange, ghosts)


def told(exchange: ExchangeSimulator, ghosts: dict[str, tuple[str, Instant]]) -> list[str]:
    """The organizers whose booking was declined, once for each time."""
    return [o for o in ghosts for m in exchange.messages_to(o) if m.kind == "declined"]


def heard(folder: Path) -> list[int]:
    """Every number of the counter that the journal holds, in its order."""
    with LedgerReader(folder / "ledger.db") as reader:
        return [
            event.value
            for _, _, event in reader.events()
            if isinstance(event, Reading) and event.sensor == "mira-counter"
        ]


def look_at_readings(folder: Path, sent: list[int]) -> None:
    """Every number that the broker took before the end is in the journal, in order (L1)."""
    with LedgerReader(folder / "ledger.db") as reader:
        counts = reader.counts()["mira-counter"]
    positions = iter(heard(folder))
    lost = [number for number in sent if number not in positions]
    assert not lost, f"lost {len(lost)} of {len(sent)}: {lost[:10]}"
    assert counts.accepted > 0, "counts are written now and then, and at the end"


def look_at_writes(folder: Path, exchange: ExchangeSimulator, ghosts: dict[str, tuple[str, Instant]]) -> None:
    """Each ghost was declined at most once, and exactly where an outbox row says applied (L3, L4)."""
    ledger = Ledger(folder / "ledger.db")
    site = ledger.load()
    open_rows = [
        (r.room, r.write.id, r.state) for r in ledger.open_rows() if r.write.deadline < site.state.now
    ]
    ledger.close()
    with LedgerReader(folder / "ledger.db") as reader:
        rows = reader.outbox()
        decided = {(d.room, d.write.id) for d in reader.decisions() if d.write is not None}
    assert decided == {(row.room, row.write.id) for row in rows}, "a decision without its row, or the reverse"
    applied = [(r.room, r.write.start) for r in rows if r.write.action == "release" and r.state == "applied"]
    assert len(applied) == len(set(applied)), "released twice"
    declined = []
    for organizer, (room, start) in ghosts.items():
        messages = [m for m in exchange.messages_to(organizer) if m.kind == "declined"]
        assert len(messages) <= 1, f"{organizer} was told {len(messages)} times"
        declined += [(room, start)] * len(messages)
    pending = {(r.room, r.write.start) for r in rows if r.state not in ("applied", "superseded", "expired")}
    assert set(applied) <= set(declined)
    assert set(declined) - set(applied) <= pending, "Exchange was written to and the ledger does not know"
    assert len(open_rows) <= len(GHOST_ROOMS), open_rows
    assert len(applied) >= len(GHOST_ROOMS), "the gateway never came to do its job"
    (kept,) = exchange.calendar("mira@contoso.com", START, START + MINUTE_MS)
    assert list(kept.categories) == ["Checked in"]


async def test_kill_nine_ten_times_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    """Seven labelled points and three random moments: every reading and every write survives, once."""
    await kill_and_look(tmp_path, kills=10, seed=20260928)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
async def test_kill_nine_a_thousand_times_loses_nothing(tmp_path: Path, seed: int) -> None:
    """As above, a hundred seeds of ten kills each."""
    await kill_and_look(tmp_path, kills=10, seed=seed)


def test_every_labelled_point_exists_in_the_gateway() -> None:
    """A renamed checkpoint must not make this file a test of nothing."""
    gateway = Path(__file__).parents[2] / "gateway"
    source = "".join(path.read_text() for path in gateway.rglob("*.py"))
    assert set(LABELS) == set(re.findall(r'_checkpoint\("(\w+)"\)', source))
