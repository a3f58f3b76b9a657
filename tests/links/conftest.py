"""Brokers, a listener that remembers, and a broker that does what it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.links import Message
from gateway.links.mqtt import MqttLink, MqttSettings
from simulators.broker import EmbeddedBroker, MosquittoBroker, mosquitto_available

LIMIT_S = 20
"""No test waits longer for a socket."""


class Ear:
    """A listener that remembers everything and lets tests wait for it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.messages: list[Message] = []
        self._changed = asyncio.Event()

    def link_up(self, session_present: bool) -> None:
        self._note("up", session_present)

    def link_down(self, why: str) -> None:
        self._note("down", why)

    def message(self, message: Message) -> None:
        self.messages.append(message)
        self._note("message", message.payload)

    def _note(self, what: str, detail: Any) -> None:
        self.heard.append((what, detail))
        self._changed.set()

    async def until_held_back(self, link: MqttLink, number: int) -> None:
        """Wait until the link has received messages that it does not tell yet."""

        def received() -> int:
            return 0 if link._connection is None else len(link._connection._held_back)

        async with asyncio.timeout(LIMIT_S):
            while received() < number:  # noqa: ASYNC110 - no event tells that nothing is told
                await asyncio.sleep(0)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def count(self, what: str) -> int:
        return sum(1 for kind, _detail in self.heard if kind == what)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds`, looking after every call."""
        async with asyncio.timeout(LIMIT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def until_up(self, times: int = 1) -> None:
        await self.until(lambda: self.count("up") >= times)

    async def until_messages(self, number: int) -> None:
        await self.until(lambda: len(self.messages) >= number)


class Logs:
    """The log entries since it was entered, and a way to wait for more."""

    def __init__(self) -> None:
        self.entries: list[MutableMapping[str, Any]] = []
        self._changed = asyncio.Event()

    def note(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self._changed.set()
        return event

    async def until(self, number: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.entries) < number:
                self._changed.clear()
                await self._changed.wait()


@contextlib.contextmanager
def hear_logs() -> Iterator[Logs]:
    """Capture what is logged in the body; nobody but the log is told about attempts that fail."""
    logs = Logs()
    with capture_logs(processors=[logs.note]) as entries:
        logs.entries = entries
        yield logs


@contextlib.asynccontextmanager
async def run_link(link: MqttLink, ear: Ear) -> AsyncIterator[None]:
    """The link runs while the body does; what `run` raises by itself is raised here."""
    task = asyncio.create_task(link.run(ear))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.timeout(LIMIT_S):
                await task


def settings_for(port: int, **others: Any) -> MqttSettings:
    """Settings for a broker on loopback that retries without making tests wait."""
    return MqttSettings(
        **{"host": "127.0.0.1", "port": port, "backoff_min_s": 0.01, "backoff_max_s": 0.05, **others}
    )


@dataclass(frozen=True)
class LinkTools:
    """What link tests need, in one fixture: test files cannot import each other."""

    ear: type[Ear] = Ear
    running: Callable[[MqttLink, Ear], contextlib.AbstractAsyncContextManager[None]] = run_link
    settings: Callable[..., MqttSettings] = settings_for
    logs: Callable[[], contextlib.AbstractContextManager[Logs]] = hear_logs


@pytest.fixture
def tools() -> LinkTools:
    """The listener, the runner and the settings."""
    return LinkTools()


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedBroker | MosquittoBroker]:
    """Each broker that the gateway is used with, fresh."""
    if request.param == "mosquitto" and not mosquitto_available():
        pytest.skip("Mosquitto is not installed")
    async with EmbeddedBroker() if request.param == "embedded" else MosquittoBroker() as running:
        yield running


@pytest.fixture
async def mosquitto() -> AsyncIterator[MosquittoBroker]:
    """Mosquitto where only it will do."""
    if not mosquitto_available():
        pytest.skip("Mosquitto is not installed")
    async with MosquittoBroker() as running:
        yield running


@dataclass
class Peer:
    """One client's connection at the scripted broker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    packets: list[tuple[int, bytes]] = field(default_factory=list)

    async def read(self, kind: int) -> bytes:
        """The body of the next packet, which must be of this kind (the first byte's upper half)."""
        async with asyncio.timeout(LIMIT_S):
            first = (await self.reader.readexactly(1))[0]
            length, shift = 0, 0
            while True:
                byte = (await self.reader.readexactly(1))[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = await self.reader.readexactly(length)
        self.packets.append((first, body))
        assert first >> 4 == kind, f"expected packet {kind}, got {first >> 4}"
        return body

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def publish(self, topic: bytes, payload: bytes, mid: int) -> None:
        body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + payload
        assert len(body) < 128
        self.send(bytes((0x32, len(body))) + body)


CONNECT, PUBACK, SUBSCRIBE, DISCONNECT = 1, 4, 8, 14
CONNACK_NEW, CONNACK_KEPT = b"\x20\x02\x00\x00", b"\x20\x02\x01\x00"
Script = Callable[[Peer], Awaitable[None]]


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Sequence[Script]], Awaitable[int]]]:
    """Start a broker that plays one script per connection; gives its port. A failed script fails the test."""
    servers: list[asyncio.Server] = []
    failures: list[BaseException] = []
    tasks: list[asyncio.Task[None]] = []

    async def start(scripts: Sequence[Script]) -> int:
        left = list(scripts)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            try:
                if left:
                    await left.pop(0)(Peer(reader, writer))
            except (AssertionError, TimeoutError) as error:
                failures.append(error)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the client left in the middle of the script, as clients do
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert failures == []
