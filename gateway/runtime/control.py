"""People's commands on a local Unix socket: one JSON line in, one JSON line out, or a stream of them.

Only who may open the socket may command (mode 0660: its owner and group).
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger()

Json = dict[str, Any]
Handler = Callable[[Json], Awaitable[Json]]
Streams = Mapping[str, Callable[[Json], AsyncIterator[Json]]]
"""Commands that are answered by lines until the caller hangs up."""

LINE_LIMIT: Final = 64 * 1024
"""Longest request; the longest real one has a few hundred bytes."""

IDLE_S: Final = 30.0
"""How long a caller may take to say what it wants, and again to hear the answer."""


LONGEST_STREAM_S: Final = 4 * 3_600.0
"""A stream that was forgotten ends by itself."""


class ControlError(Exception):
    """A command could not be given; the message says what to do."""


class NotRunning(ControlError):  # noqa: N818 - reads as what is wrong
    """No gateway listens on the socket."""


class ControlServer:
    """Serves commands until stopped."""

    def __init__(self, path: Path, handler: Handler, streams: Streams | None = None) -> None:
        self._path = path
        self._handler = handler
        self._streams = streams or {}
        self._streaming: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; takes over the file that a killed gateway left behind."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT)
        self._path.chmod(0o660)

    async def stop(self) -> None:
        """Stop listening and remove the file."""
        for task in self._streaming:
            task.cancel()
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readline()
            stream = self._stream_of(line)
            if stream is not None:
                await self._stream(stream, reader, writer)
                return
            answer = await self._answer(line)  # as long as it takes: a booking waits for Exchange
            async with asyncio.timeout(IDLE_S):
                _write(writer, answer)
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.info("control connection ended", why=str(error) or "idle")
        finally:
            writer.close()

    def _stream_of(self, line: bytes) -> AsyncIterator[Json] | None:
        try:
            request = json.loads(line)
            return self._streams[request["command"]](request)
        except (ValueError, KeyError, TypeError):
            return None  # no stream; if it is no request either, `_answer` says so

    async def _stream(
        self, stream: AsyncIterator[Json], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Line by line, until the stream ends or the caller hangs up."""

        async def pump() -> None:
            async for item in stream:
                _write(writer, item)
                await writer.drain()

        pumping = asyncio.create_task(pump())
        hung_up = asyncio.create_task(reader.read(1))
        self._streaming.add(pumping)
        try:
            await asyncio.wait(
                (pumping, hung_up), timeout=LONGEST_STREAM_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._streaming.discard(pumping)
            for task in (pumping, hung_up):
                task.cancel()
            await asyncio.gather(pumping, hung_up, return_exceptions=True)

    async def _answer(self, line: bytes) -> Json:
        try:
            request = json.loads(line)
        except ValueError:
            return {"error": "a request is one line of JSON"}
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            return {"error": 'a request is a JSON object with a "command"'}
        return await self._handler(request)


def _write(writer: asyncio.StreamWriter, item: Json) -> None:
    writer.write(json.dumps(item).encode() + b"\n")


def call(path: Path, request: Json, timeout_s: float = 30.0) -> Json:
    """Give one command and return the answer. Raises NotRunning, or ControlError with what went wrong."""
    with _told_apart(path, timeout_s), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _ask(connection, path, request, timeout_s)
        with connection.makefile("rb") as file:
            line = file.readline()
    answer: Json = json.loads(line) if line else {"error": "the gateway hung up"}
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


def _ask(connection: socket.socket, path: Path, request: Json, timeout_s: float) -> None:
    connection.settimeout(timeout_s)
    connection.connect(str(path))
    connection.sendall(json.dumps(request).encode() + b"\n")


@contextmanager
def _told_apart(path: Path, timeout_s: float) -> Iterator[None]:
    """What can go wrong on the socket, as ControlError."""
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"no gateway listens on {path}: start it, or look at its log") from None
    except PermissionError:
        raise ControlError(f"{path}: not allowed; run this as the gateway's user or group") from None
    except TimeoutError:
        raise ControlError(f"{path}: the gateway did not answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise ControlError(f"{path}: {error}") from None


class Listening:
    """A stream of the running gateway, for a caller that waits for other things too (`fileno`)."""

    def __init__(self, path: Path, request: Json, timeout_s: float = 30.0) -> None:
        """Raises NotRunning, or ControlError with what went wrong."""
        self._path = path
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _told_apart(path, timeout_s):
                _ask(self._socket, path, request, timeout_s)
        except ControlError:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> list[Json]:
        """The lines that have come; waits for something. Raises ControlError at the end."""
        with _told_apart(self._path, self._socket.gettimeout() or 0.0):
            data = self._socket.recv(LINE_LIMIT)
        if not data:
            raise ControlError("the gateway hung up")
        *lines, self._rest = (self._rest + data).split(b"\n")
        items: list[Json] = [json.loads(line) for line in lines]
        for item in items:
            if "error" in item:
                raise ControlError(str(item["error"]))
        return items

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
