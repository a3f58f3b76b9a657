"""One machine with a gateway on it: process after process on one ledger, and all that may befall them."""

import asyncio
import contextlib
import dataclasses
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.ledger import LedgerError
from gateway.runtime.brain import SNAPSHOT_EVERY
from gateway.service import Service, Surroundings
from gateway.settings import Settings
from simulators.clock import SlowExecutor, VirtualClock
from simulators.disk import FailingDisk, copy_as_it_is
from simulators.exchange import ExchangeSimulator
from simulators.link import MemoryLink
from simulators.world.transport import Weather, Witness, WorldTokens, WorldTransport

LINGER_S: Final = 15.0
"""Commits cost most of a world's time; nothing that is promised depends on this number."""

POINTS: Final = (
    "before_commit",
    "inside_commit",
    "after_commit",
    "before_ack",
    "after_ack",
    "before_send",
    "after_send",
    "before_effect",
    "after_effect",
)
"""Where a process can be made to die: the gateway's own checkpoints, and Exchange's side of a write."""


class ProcessKilled(BaseException):
    """Raised in a process that has been killed, wherever it would go on: nothing of it can catch that."""


WATCH_EVERY_S: Final = 30.0
"""How often the gateway looks at its clock: seldom enough that a simulated year is short."""


@dataclasses.dataclass
class _Process:
    """One run of the gateway's program."""

    service: Service
    ledger: Path
    task: asyncio.Task[None]
    alive: bool = True
    going: bool = False
    """It was asked to stop."""


class Host:
    """Starts, stops, kills and restarts one gateway. `told` hears of crashes, in a sentence."""

    def __init__(
        self,
        name: str,
        folder: Path,
        settings: Settings,
        clock: VirtualClock,
        link: MemoryLink,
        exchange: ExchangeSimulator,
        weather: Weather,
        witness: Witness,
        told: Callable[[str], None],
    ) -> None:
        self.name = name
        self.disk = FailingDisk()
        self.clock = clock
        self.link = link
        self.passed: dict[str, int] = dict.fromkeys(POINTS, 0)
        """How often each point was passed."""
        self.on_point: Callable[[str], None] = lambda _: None
        """Called at each point, before anything else."""
        self.die_at: tuple[str, int] | None = None
        """Kill the process at this point when it has been passed so often."""
        self.on_death: Callable[[], None] = lambda: None
        """Called when it was killed there."""
        self.deaths = 0
        self.snapshot_every = SNAPSHOT_EVERY
        """As `gateway.service.Surroundings` has it."""
        self.jitter: Callable[[], float] = random.Random(0).random
        """As `gateway.service.Surroundings` has it."""
        self.ledger_files: list[Path] = []
        self._folder = folder
        self._settings = settings
        self._exchange = exchange
        self._weather = weather
        self._witness = witness
        self._told = told
        self._tokens = WorldTokens(exchange, lambda: clock.monotonic_ms() / 1_000)
        self._process: _Process | None = None
        self._generation = 0
        self._lock = asyncio.Lock()
        self._burials: set[asyncio.Task[None]] = set()

    # -- looking --------------------------------------------------------------------------------------

    @property
    def ledger(self) -> Path:
        """The file that the present process, or the last one, works on."""
        return self._folder / f"{self.name}-{self._generation}.db"

    @property
    def service(self) -> Service | None:
        """The running service, if one runs."""
        process = self._process
        return process.service if process is not None and process.alive and not process.task.done() else None

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the program on the files as they are; does nothing if it runs."""
        async with self._lock:
            if self._process is not None:
                return
            process = self._launch()
            await asyncio.sleep(0.5)
            if process.task.done() and process.alive:
                self._process = None
                self._report(process)

    def _launch(self) -> _Process:
        executor = SlowExecutor(self.disk.takes_s)
        settings = dataclasses.replace(
            self._settings, ledger=self._settings.ledger.model_copy(update={"path": self.ledger})
        )
        box: list[_Process] = []

        def alive() -> bool:
            return not box or box[0].alive

        def point(name: str) -> None:
            self._pass(name, alive)

        transport = WorldTransport(self._exchange, self._weather, self._witness, alive, point)
        around = Surroundings(
            clock=self.clock,
            link=self.link,
            transport=transport,
            tokens=self._tokens,
            executor=executor,
            checkpoint=point,
            linger_s=LINGER_S,
            jitter=self.jitter,
            snapshot_every=self.snapshot_every,
            watch_every_s=WATCH_EVERY_S,
            control=False,
        )
        service = Service(settings, around)
        process = _Process(service, self.ledger, asyncio.get_running_loop().create_task(service.run()))
        box.append(process)
        self._process = process
        if self.ledger not in self.ledger_files:
            self.ledger_files.append(self.ledger)
        return process

    async def stop(self) -> None:
        """A clean stop, as by an update."""
        async with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            process.going = True
            process.service.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(120.0):
                    await asyncio.wait([process.task])
            self._report(process)

    def kill(self) -> None:
        """Kill -9, now: what has not reached the files is lost. The files are taken as they are."""
        process = self._process
        if process is None or not process.alive:
            return
        process.alive = False
        self._process = None
        self.deaths += 1
        before = self.ledger
        self._generation += 1
        chance = random.Random(self._generation)
        torn = chance.randbytes(chance.choice((0, 1, 24, 1_000, 9_000)))
        copy_as_it_is(before, self.ledger, torn)
        burial = asyncio.get_running_loop().create_task(self._bury(process))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    async def _bury(self, process: _Process) -> None:
        """Let the dead process's tasks end; nothing that they still try has any effect."""
        process.task.cancel()
        await asyncio.wait([process.task])
        self._report(process)
        for suffix in ("", "-wal", "-shm", ".lock"):
            process.ledger.with_name(process.ledger.name + suffix).unlink(missing_ok=True)

    async def buried(self) -> None:
        """Wait until nothing is left of dead processes."""
        while self._burials:
            await asyncio.wait(set(self._burials))

    def _report(self, process: _Process) -> None:
        """A process that ended for a reason of its own has crashed."""
        if not process.task.done():
            self._told("the gateway does not stop")
            process.task.cancel()
            return
        error = None if process.task.cancelled() else process.task.exception()
        if error is None:
            if process.alive and not process.going:
                self._told("the gateway ended by itself")
            return
        foreign = [part for part in _leaves(error) if not _is_ours(part)]
        if foreign and process.alive:
            self._told(f"the gateway crashed: {foreign[0]!r}")

    def look_after(self) -> bool:
        """As systemd does: True if the process has ended by itself and must be started again."""
        process = self._process
        if process is None or not process.task.done():
            return False
        self._process = None
        self._report(process)
        return True

    # -- points ---------------------------------------------------------------------------------------

    def _pass(self, point: str, alive: Callable[[], bool]) -> None:
        if not alive():
            raise ProcessKilled(point)
        self.passed[point] += 1
        self.on_point(point)
        if self.die_at is not None and self.die_at[0] == point and self.passed[point] >= self.die_at[1]:
            self.die_at = None
            self.kill()
            self.on_death()
            raise ProcessKilled(point)
        self.disk.pass_point(point)

    # -- the machine ----------------------------------------------------------------------------------

    def forget_boot(self) -> None:
        """The machine itself was started anew: the ledger's note of its boot is another machine boot's."""
        with contextlib.closing(sqlite3.connect(self.ledger)) as connection:
            connection.execute("UPDATE notes SET value = 'an earlier boot' WHERE name = 'machine_boot'")
            connection.commit()

    async def command(self, request: dict[str, Any]) -> dict[str, Any]:
        """Somebody at the panel; nothing where no process runs."""
        service = self.service
        return {"error": "not running"} if service is None else await service.command(request)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


def _is_ours(error: BaseException) -> bool:
    """Whether the world itself brought this about: a killed process, or a start on a failing disk."""
    return isinstance(error, (ProcessKilled, asyncio.CancelledError, httpx.ConnectError, LedgerError))
