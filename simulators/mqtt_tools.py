"""Recording what a broker carries, and publishing it again: real mornings as test cases.

A recording is JSON Lines, one message a line, in the order they came:

    {"t": 1732371250000, "topic": "sensors/orion", "payload": "on", "retained": false, "qos": 1}

`t` is milliseconds since 1970 UTC at the recorder. A payload that is not UTF-8 text is
`{"base64": "..."}`. Recordings hold presence in rooms: treat them as carefully as the ledger.

    ToolError               what the tools raise
    ├── RecordingError      a line of the file is not a recorded message
    └── BrokerRefusedError  no connection, or it was lost
"""

import asyncio
import base64
import binascii
import contextlib
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import aiomqtt
import msgspec

PROGRESS_EVERY: Final = 100
"""Messages between two calls of a progress callback."""
MAX_LINE_BYTES: Final = 1024 * 1024
"""A recorded line over this is refused; sensors' messages are a thousand times shorter."""


class ToolError(Exception):
    """Base of what goes wrong here, in words for a person."""


class RecordingError(ToolError):
    """A recording that cannot be read; the text names file and line."""


class BrokerRefusedError(ToolError):
    """The broker could not be reached, refused, or went away."""


class _Binary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base64: str


class RecordedMessage(msgspec.Struct, frozen=True):
    """One line of a recording."""

    t: int
    topic: Annotated[str, msgspec.Meta(min_length=1, pattern="^[^+#\\0]*$")]
    payload: str | _Binary
    retained: bool = False
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0

    @property
    def payload_bytes(self) -> bytes:
        """The payload as it came. Raises ValueError where the base64 text is none."""
        if isinstance(self.payload, str):
            return self.payload.encode()
        return base64.b64decode(self.payload.base64, validate=True)

    @classmethod
    def of(cls, t: int, topic: str, payload: bytes, *, retained: bool, qos: int) -> "RecordedMessage":
        """The recorded form of a message that came at `t` (ms since 1970)."""
        try:
            text: str | _Binary = payload.decode()
        except UnicodeDecodeError:
            text = _Binary(base64.b64encode(payload).decode())
        return cls(t, topic, text, retained, qos)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where a broker is and how to get in. Empty text means "not used"."""

    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings, or None. Raises BrokerRefusedError for unusable files."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file or None, password="")
        except OSError as error:
            raise BrokerRefusedError(f"the certificates cannot be used: {error}") from error
        return context


@contextlib.asynccontextmanager
async def connected(address: BrokerAddress) -> AsyncIterator[aiomqtt.Client]:
    """An aiomqtt client at this broker. What goes wrong inside is raised as BrokerRefusedError."""
    try:
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=address.username or None,
            password=address.password or None,
            tls_context=address.tls_context(),
            protocol=aiomqtt.ProtocolVersion.V311,
        ) as client:
            yield client
    except aiomqtt.MqttError as error:
        raise BrokerRefusedError(f"broker {address.host}:{address.port}: {error}") from error


async def record(
    address: BrokerAddress,
    topics: Sequence[str],
    file: Path,
    *,
    duration_s: float | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    ready: Callable[[], None] | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> int:
    """Write what comes on these topic filters to `file` (replaced); the number of messages.

    Ends after `duration_s` seconds or `limit` messages, whichever is first; without either, when
    cancelled. Everything received is on file then. `ready` is called once the broker granted the
    subscriptions, `progress` with the count so far. Raises BrokerRefusedError and OSError.
    """
    count = 0
    encode = msgspec.json.Encoder().encode
    with file.open("wb") as out, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s), connected(address) as client:
            await client.subscribe([(topic, 1) for topic in topics])
            if ready is not None:
                ready()
            async for message in client.messages:
                recorded = RecordedMessage.of(
                    now_ms(),
                    message.topic.value,
                    _payload_bytes(message.payload),
                    retained=message.retain,
                    qos=message.qos,
                )
                out.write(encode(recorded) + b"\n")
                count += 1
                if progress is not None and count % PROGRESS_EVERY == 0:
                    progress(count)
                if limit is not None and count >= limit:
                    break
    if progress is not None:
        progress(count)
    return count


async def replay(
    file: Path,
    address: BrokerAddress,
    *,
    speed: float | None = 1.0,
    keep_retained: bool = True,
    progress: Callable[[int], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Publish a recording again; the number of messages.

    `speed` 1.0 keeps the recorded pace, 60.0 makes a minute a second, None does not wait at all.
    Each message is published at its recorded QoS, and as retained where it was recorded as retained
    unless `keep_retained` is False. `progress` is called with the count so far. The whole file is
    checked before the first message. Raises RecordingError, BrokerRefusedError, OSError, and
    ValueError for a speed that is not above 0.
    """
    if speed is not None and not 0 < speed < math.inf:
        raise ValueError(f"speed must be above 0, not {speed}")
    for _message in read_recording(file):
        pass
    count = 0
    clock = asyncio.get_running_loop().time
    async with connected(address) as client:
        started, first = clock(), None
        for message in read_recording(file):
            first = message.t if first is None else first
            if speed is not None:
                wait_s = (message.t - first) / 1_000 / speed - (clock() - started)
                if wait_s > 0:  # not where the recorder's clock went back
                    await sleep(wait_s)
            retain = message.retained and keep_retained
            await client.publish(message.topic, message.payload_bytes, qos=message.qos, retain=retain)
            count += 1
            if progress is not None and count % PROGRESS_EVERY == 0:
                progress(count)
    if progress is not None:
        progress(count)
    return count


def read_recording(file: Path) -> Iterator[RecordedMessage]:
    """The messages of a recording, read line by line. Raises RecordingError and OSError."""
    decode = msgspec.json.Decoder(RecordedMessage).decode
    with file.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES + 1), b""), start=1):
            if not line.strip():
                continue
            try:
                message = _parse(line, decode)
            except (ValueError, binascii.Error) as error:
                raise RecordingError(f"{file}, line {number}: {error}") from error
            yield message


def _parse(line: bytes, decode: Callable[[bytes], RecordedMessage]) -> RecordedMessage:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
    message = decode(line)
    message.payload_bytes  # noqa: B018 - refuses broken base64 before anything is published
    return message


def _payload_bytes(payload: object) -> bytes:
    """What aiomqtt hands out is bytes; its type also names what may be published."""
    if not isinstance(payload, bytes | bytearray):
        raise TypeError(f"a received payload is {type(payload).__name__}")
    return bytes(payload)
