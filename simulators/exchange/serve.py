"""The simulator on a TLS socket of the loopback, under a certificate authority made at the start."""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec
import trustme
import uvicorn

from gateway.clock import SystemClock
from gateway.core.units import Duration, Instant
from simulators.exchange import ExchangeSimulator
from simulators.exchange.day import fill_day, furnish, room_addresses
from simulators.exchange.times import graph_stamp_ms
from simulators.exchange.variants import Variants

_LAST_PORT: Final = 65_535
_GRACEFUL_S: Final = 1
"""How long requests that are never to be answered may hold up the end."""


class Connection(msgspec.Struct, frozen=True):
    """What a client needs. msal takes `authority` with `instance_discovery=False`."""

    base_url: str
    authority: str
    tenant_id: str
    client_id: str
    client_secret: str
    ca_file: str
    now: str
    """The simulated time when it was made, as ISO 8601 in UTC, such as 2026-09-22T07:30:00.000Z."""


class _Server(uvicorn.Server):
    """uvicorn inside somebody else's event loop: the signals are not its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut every connection first: an idle TLS client never answers a farewell."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def serving(
    simulator: ExchangeSimulator, directory: Path, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Connection]:
    """Serve until the block ends. The CA file, certificate and key are written to `directory`."""
    ca_file, certificate, key = _certificates(directory, host)
    with socket.create_server((host, port)) as listener:
        config = uvicorn.Config(
            simulator.app,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            lifespan="off",
            log_config=None,
            log_level="critical",  # a connection broken on purpose is not worth a traceback
            access_log=False,
            timeout_graceful_shutdown=_GRACEFUL_S,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve([listener]))
        try:
            await _started(server, running)
            origin = f"https://{host}:{listener.getsockname()[1]}"
            identity = simulator.identity
            yield Connection(
                base_url=f"{origin}/v1.0",
                authority=f"{origin}/{identity.tenant_id}",
                tenant_id=identity.tenant_id,
                client_id=identity.client_id,
                client_secret=identity.client_secret,
                ca_file=str(ca_file),
                now=graph_stamp_ms(simulator.now()),
            )
        finally:
            server.should_exit = True
            await running


async def _started(server: uvicorn.Server, running: "asyncio.Task[None]") -> None:
    while not server.started:
        if running.done():
            await running
            raise RuntimeError("the simulated Exchange could not start")
        await asyncio.sleep(0.005)


def _certificates(directory: Path, host: str) -> tuple[Path, Path, Path]:
    """RSA, because that is what every TLS stack in use takes."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    leaf = authority.issue_cert(host, "localhost", key_type=trustme.KeyType.RSA)
    directory.mkdir(parents=True, exist_ok=True)
    ca_file, certificate, key = (directory / name for name in ("ca.pem", "server.pem", "server.key"))
    authority.cert_pem.write_to_path(ca_file)
    certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    key.touch(mode=0o600)
    key.write_bytes(leaf.private_key_pem.bytes())
    return ca_file, certificate, key


class Clock:
    """The system's time, and what was added to it."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead_ms: Duration = 0

    def now(self) -> Instant:
        """Ms since 1970 UTC."""
        return self._system.now() + self._ahead_ms

    def advance(self, by_ms: Duration) -> None:
        """Let time pass."""
        self._ahead_ms += by_ms

    def wall_s(self) -> float:
        """The same in seconds: tokens grow old with the calendars."""
        return self.now() / 1_000


def run_exchange(
    listen: str,
    rooms: int,
    seed: int,
    *,
    print_connection: bool,
    variants: Variants | None = None,
) -> None:
    """Serve `rooms` rooms with a day of bookings until SIGTERM or SIGINT.

    `listen` is `host:port`, port 0 for a free one. With `print_connection` the first line on
    standard output is the `Connection` as JSON; otherwise it is a sentence. Raises ValueError for an
    address that is none, OSError for one that cannot be had.
    """
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(
            f"{listen!r} is no address to listen on: give HOST:PORT, such as 127.0.0.1:0, "
            f"with a port of 0 to {_LAST_PORT}"
        )
    asyncio.run(
        _run(host or "127.0.0.1", int(port), rooms, seed, variants, print_connection=print_connection)
    )


async def _run(
    host: str, port: int, rooms: int, seed: int, variants: Variants | None, *, print_connection: bool
) -> None:
    clock = Clock()
    simulator = ExchangeSimulator(
        rooms=room_addresses(rooms),
        now=clock.now,
        seed=seed,
        wall_clock=clock.wall_s,
        variants=variants,
        deliver_to_people=True,
    )
    simulator.allow_control(clock.advance)
    booked = fill_day(simulator, seed)
    furnish(simulator)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    notifying = asyncio.create_task(simulator.graph.subscriptions.notifier.run(simulator.app.sender))
    with tempfile.TemporaryDirectory(prefix="simulated-exchange-") as directory:
        async with serving(simulator, Path(directory), host=host, port=port) as connection:
            line = msgspec.json.encode(connection).decode()
            if not print_connection:
                line = (
                    f"Microsoft Graph, simulated: {connection.base_url}, {rooms} rooms, {booked} bookings, "
                    f"certificate authority in {connection.ca_file}. Ctrl+C ends it."
                )
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            await stop.wait()
    notifying.cancel()
    await asyncio.wait([notifying])
