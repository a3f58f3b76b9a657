"""MQTT brokers for demos and tests, each on a loopback port of its own.

`EmbeddedBroker` (iotcore, which is rumqttd in a wheel) needs nothing installed. `MosquittoBroker`
is the production broker with its own configuration and files; a system service is never touched.

    BrokerError    a broker did not start, or ended when it should not
"""

import asyncio
import base64
import getpass
import hashlib
import os
import re
import shutil
import socket
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from iotcore import Broker

LOOPBACK: Final = "127.0.0.1"
START_S: Final = 10.0
"""How long a broker may take until it accepts connections."""
STOP_S: Final = 5.0
"""How long a broker may take to write its files and end."""
POLL_S: Final = 0.02
RUNNING: Final = re.compile(r"mosquitto version \S+ running")
"""What Mosquitto logs once its listeners are open."""
PORT_ATTEMPTS: Final = 5
MOSQUITTO_PLACES: Final = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto")


class BrokerError(Exception):
    """A broker could not be started, or ended by itself; the text holds what it said."""


def free_port() -> int:
    """A loopback TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedBroker:
    """iotcore in a child process. `async with EmbeddedBroker() as broker: ... broker.port`.

    Keeps sessions while it runs, not across `stop` and `start`. In-flight messages stay at 100 per
    client, and a payload over 20,480 bytes disconnects its publisher (shared reference, section 2).
    """

    host: Final = LOOPBACK

    def __init__(self, port: int | None = None) -> None:
        """`port` None: a free one is chosen at the first start and kept."""
        self._chosen = port
        self._broker: Broker | None = None

    @property
    def port(self) -> int:
        """The port it listens on. Raises BrokerError before the first start."""
        if self._chosen is None:
            raise BrokerError("the embedded broker has no port before its first start")
        return self._chosen

    async def start(self) -> None:
        """Start and wait until it accepts connections. Raises BrokerError."""
        attempts = PORT_ATTEMPTS if self._chosen is None else 1
        for attempt in range(1, attempts + 1):
            port = self._chosen or free_port()
            broker = Broker(port=port, listen=LOOPBACK)
            try:
                await asyncio.to_thread(broker.start, START_S)
            except (OSError, RuntimeError) as error:
                if attempt == attempts:
                    raise BrokerError(f"the embedded broker did not start on port {port}: {error}") from error
                continue  # somebody else took the port in between
            self._broker, self._chosen = broker, port
            return

    async def stop(self) -> None:
        """Stop it; sessions and retained messages are gone."""
        if self._broker is not None:
            await asyncio.to_thread(self._broker.stop, STOP_S)
            self._broker = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def mosquitto_path() -> str | None:
    """Where Mosquitto is installed (often outside an ordinary user's PATH), or None."""
    found = shutil.which("mosquitto")
    if found is not None:
        return found
    return next((place for place in MOSQUITTO_PLACES if os.access(place, os.X_OK)), None)


def mosquitto_available() -> bool:
    """Whether `MosquittoBroker` can work on this machine."""
    return mosquitto_path() is not None


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a TLS listener."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    require_client_certificate: bool = False


class MosquittoBroker:
    """Mosquitto in a child process, with files in a temporary folder until the object is left.

    `stop` lets it write its persistence file, `kill` does not; `start` after either goes on with the
    same port and files. With `autosave_on_changes` every change is written to disk at the end of the
    broker's loop, so that queued messages survive a `kill`, except those of its very last turn: a PUBACK
    can leave before the file is written. It costs nine tenths of the speed (measured with 2.0.11).
    """

    host: Final = LOOPBACK

    def __init__(
        self,
        *,
        autosave_on_changes: bool = False,
        users: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        max_inflight: int = 1_000,
        max_queued: int = 100_000,
    ) -> None:
        """`users`: user names and their passwords; None lets everybody in."""
        self._autosave_on_changes = autosave_on_changes
        self._users = users
        self._tls = tls
        self._max_inflight = max_inflight
        self._max_queued = max_queued
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self._port: int | None = None

    @property
    def port(self) -> int:
        """The port it listens on. Raises BrokerError before the first start."""
        if self._port is None:
            raise BrokerError("Mosquitto has no port before its first start")
        return self._port

    async def start(self) -> None:
        """Start and wait until it accepts connections. Raises BrokerError."""
        program = mosquitto_path()
        if program is None:
            raise BrokerError(
                "Mosquitto is not installed; install the package mosquitto, or use the embedded broker"
            )
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mosquitto-")
        folder = Path(self._folder.name)
        attempts = PORT_ATTEMPTS if self._port is None else 1
        for attempt in range(1, attempts + 1):
            port = self._port or free_port()
            config = folder / "mosquitto.conf"
            config.write_text(self._config(folder, port), encoding="utf-8")
            said_before = len(self.log_text())
            with (folder / "mosquitto.log").open("ab") as said:
                process = await asyncio.create_subprocess_exec(
                    program, "-c", str(config), stdin=DEVNULL, stdout=said, stderr=said
                )
            if await self._runs(process, said_before):
                self._process, self._port = process, port
                return
            if attempt == attempts:
                raise BrokerError(f"Mosquitto did not start on port {port}: {self.log_text()[-2_000:]}")

    async def stop(self) -> None:
        """End it in good order: sessions and retained messages are written first."""
        await self._end(lambda process: process.terminate())

    async def kill(self) -> None:
        """SIGKILL, as a power loss would: only what was saved before remains."""
        await self._end(lambda process: process.kill())

    def log_text(self) -> str:
        """Everything that Mosquitto has logged so far."""
        if self._folder is None:
            return ""
        path = Path(self._folder.name) / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:  # whatever it is goes on; the folder must not stay behind
            self._remove_folder()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self._remove_folder()

    async def _runs(self, process: Process, said_before: int) -> bool:
        """Whether the process says that it listens before it ends or START_S have passed.

        Its log is asked, not the port: somebody else might answer there.
        """
        try:
            async with asyncio.timeout(START_S):
                while process.returncode is None:
                    if RUNNING.search(self.log_text(), said_before):
                        return True
                    await asyncio.sleep(POLL_S)  # a child process gives no other sign of being ready
        except TimeoutError:
            process.kill()
            await process.wait()
        return False

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _end(self, how: Callable[[Process], None]) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        how(process)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _config(self, folder: Path, port: int) -> str:
        lines = [
            f"listener {port} {LOOPBACK}",
            f"user {getpass.getuser()}",  # started as root it would otherwise change to a user without access
            f"allow_anonymous {'true' if self._users is None else 'false'}",
            "persistence true",
            f"persistence_location {folder}{os.sep}",
            f"autosave_interval {1 if self._autosave_on_changes else 1800}",
            f"autosave_on_changes {'true' if self._autosave_on_changes else 'false'}",
            f"max_inflight_messages {self._max_inflight}",
            f"max_queued_messages {self._max_queued}",
            "connection_messages false",
            "log_type error",
            "log_type warning",
            "log_type information",
        ]
        if self._users is not None:
            passwords = folder / "passwords"
            passwords.write_text(_password_file(self._users), encoding="utf-8")
            passwords.chmod(0o600)
            lines.append(f"password_file {passwords}")
        if self._tls is not None:
            lines += [
                f"cafile {self._tls.ca_file}",
                f"certfile {self._tls.cert_file}",
                f"keyfile {self._tls.key_file}",
                f"require_certificate {'true' if self._tls.require_client_certificate else 'false'}",
            ]
        return "\n".join(lines) + "\n"


def _password_file(users: Mapping[str, str]) -> str:
    """Lines in Mosquitto's own format `name:$7$iterations$salt$hash` (PBKDF2 with SHA-512)."""
    lines = []
    for name, password in users.items():
        salt = os.urandom(12)
        iterations = 101  # Mosquitto's default; these passwords are invented ones
        digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
        salt_text, digest_text = base64.b64encode(salt).decode(), base64.b64encode(digest).decode()
        lines.append(f"{name}:$7${iterations}${salt_text}${digest_text}")
    return "".join(f"{line}\n" for line in lines)
