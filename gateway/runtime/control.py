"""People's commands on a local Unix socket: one JSON line in, one JSON line out.

Only who may open the socket may command (mode 0660: its owner and group).
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger()

Json = dict[str, Any]
Handler = Callable[[Json], Awaitable[Json]]

LINE_LIMIT: Final = 64 * 1024
"""Longest request; the longest real one has a few hundred bytes."""

IDLE_S: Final = 30.0
"""How long a caller may take to say what it wants, and again to hear the answer."""


class ControlError(Exception):
    """A command could not be given; the message says what to do."""


class NotRunning(ControlError):  # noqa: N818 - reads as what is wrong
    """No gateway listens on the socket."""


class ControlServer:
    """Serves commands until stopped."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; takes over the file that a killed gateway left behind."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT)
        self._path.chmod(0o660)

    async def stop(self) -> None:
        """Stop listening and remove the file."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                line = await reader.readline()
            answer = await self._answer(line)  # as long as it takes: a booking waits for Exchange
            async with asyncio.timeout(IDLE_S):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.info("control connection ended", why=str(error) or "idle")
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Json:
        try:
            request = json.loads(line)
        except ValueError:
            return {"error": "a request is one line of JSON"}
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            return {"error": 'a request is a JSON object with a "command"'}
        return await self._handler(request)


def call(path: Path, request: Json, timeout_s: float = 30.0) -> Json:
    """Give one command and return the answer. Raises NotRunning, or ControlError with what went wrong."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as file:
                line = file.readline()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"no gateway listens on {path}: start it, or look at its log") from None
    except PermissionError:
        raise ControlError(f"{path}: not allowed; run this as the gateway's user or group") from None
    except TimeoutError:
        raise ControlError(f"{path}: the gateway did not answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise ControlError(f"{path}: {error}") from None
    answer: Json = json.loads(line) if line else {"error": "the gateway hung up"}
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer
