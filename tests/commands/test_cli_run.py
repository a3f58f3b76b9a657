"""`run` is a well-behaved service: it tells systemd how it is, stops when asked, and says what is wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.ledger import Ledger
from gateway.run import ALIVE_EVERY_S, alive_every_s, notifier

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0

Notes = Callable[[], "asyncio.Future[bytes]"]


@asynccontextmanager
async def systemd(folder: Path) -> AsyncIterator[tuple[str, Notes]]:
    """A notification socket as systemd gives it to a service; the next note when asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notes:
        notes.bind(str(folder / "notify"))
        notes.setblocking(False)  # noqa: FBT003 - the socket's own interface
        loop = asyncio.get_running_loop()
        yield str(folder / "notify"), lambda: asyncio.ensure_future(loop.sock_recv(notes, 256))


@asynccontextmanager
async def started(folder: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program `run` as systemd starts it; killed if a test leaves it running."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "run", "--config", str(folder / "gateway.toml")),
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)])
async def test_systemd_hears_ready_alive_and_stopping_and_the_exit_code_is_0(
    folder: Path, number: signal.Signals
) -> None:
    """With a watchdog of a second it is told three times as often; neither broker nor Exchange is there."""
    async with asyncio.timeout(PATIENCE_S), systemd(folder) as (address, note):
        limits = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
        async with started(folder, **limits) as process:
            assert await note() == b"READY=1\nSTATUS=Watching 2 rooms"
            assert [await note(), await note(), await note()] == [b"WATCHDOG=1"] * 3
            process.send_signal(number)
            while (last := await note()) == b"WATCHDOG=1":
                pass
            assert last == b"STOPPING=1\nSTATUS=Stopping"
            assert await process.wait() == 0


async def test_a_ledger_in_use_is_told_with_exit_code_1(folder: Path) -> None:
    """Two gateways must not share one ledger, and the second says who has it."""
    ledger = Ledger(folder / "ledger.db")
    try:
        async with asyncio.timeout(PATIENCE_S), started(folder) as process:
            _, complaint = await process.communicate()
            assert process.returncode == 1
            assert b"another gateway" in complaint
            assert b"Traceback" not in complaint
    finally:
        ledger.close()


async def test_a_faulty_configuration_is_told_with_exit_code_2(folder: Path) -> None:
    """Every mistake on a line of its own, and nothing is started."""
    config = folder / "gateway.toml"
    config.write_text(config.read_text().replace("Europe/", "Europa/").replace("port = 1", "port = 0"))
    async with asyncio.timeout(PATIENCE_S), started(folder) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 2
    lines = complaint.decode().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("occupancy-gateway: ") for line in lines)
    assert not (folder / "ledger.db").exists()


async def test_a_missing_secret_is_told_with_exit_code_2(folder: Path) -> None:
    """A secret is part of the configuration."""
    (folder / "graph-secret").unlink()
    async with asyncio.timeout(PATIENCE_S), started(folder) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert b"graph-secret" in complaint
    assert b"Traceback" not in complaint


async def test_holidays_that_cannot_be_told_are_told_with_exit_code_2(folder: Path) -> None:
    """They are part of the configuration too."""
    config = folder / "gateway.toml"
    config.write_text(config.read_text().replace("[ledger]", 'holiday_file = "none.ics"\n[ledger]', 1))
    async with asyncio.timeout(PATIENCE_S), started(folder) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert b"site.holiday_file" in complaint
    assert b"Traceback" not in complaint


async def test_a_socket_that_cannot_be_made_is_told_with_exit_code_1(folder: Path) -> None:
    """A folder that is a file: named, without a traceback."""
    config = folder / "gateway.toml"
    config.write_text(config.read_text() + '[control]\nsocket = "graph-secret/control.sock"\n')
    async with asyncio.timeout(PATIENCE_S), started(folder) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 1
    assert b"graph-secret" in complaint
    assert b"Traceback" not in complaint


def test_the_service_loads_nothing_that_only_terminals_need() -> None:
    """typer, rich and their kin cost memory for years; sqlite-utils and the simulators' tools as well."""
    probe = (
        "import sys\nfrom gateway.cli import main\n"
        "try: main(['run', '--config', 'none.toml'])\n"
        "except SystemExit: pass\n"
        "import gateway.service\n"
        "names = ['typer', 'rich', 'click', 'pygments', 'aiomqtt', 'sqlite_utils', 'tomlkit', 'uvicorn']\n"
        "names += ['holidays']\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & set(names)))\n"
    )
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, ALIVE_EVERY_S),
        ({"WATCHDOG_USEC": "60000000"}, ALIVE_EVERY_S),
        ({"WATCHDOG_USEC": "9000000"}, 3.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "77"}, 3.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "78"}, ALIVE_EVERY_S),
        ({"WATCHDOG_USEC": "0"}, ALIVE_EVERY_S),
        ({"WATCHDOG_USEC": "soon"}, ALIVE_EVERY_S),
    ],
)
def test_signs_of_life_come_well_within_half_of_systemds_limit(
    environ: dict[str, str], seconds: float
) -> None:
    """The limit counts only where it is a number and meant for this process."""
    assert alive_every_s(environ, pid=77) == seconds


def test_without_systemd_nobody_is_told() -> None:
    """In a terminal the notifications go nowhere, and cost no socket."""
    tell = notifier({}, rooms=1)
    for what in ("ready", "alive", "stopping"):
        tell(what)
