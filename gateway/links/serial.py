"""The link to a sensor on a serial line: an EnOcean stick, a radar module.

`SerialLink.run` opens the line in a thread (opening may block), reads it on the event loop, finds the frames
in what it reads and tells each as a message, as an MQTT link does: the topic is `serial/<name>/<sender>` for
EnOcean telegrams and `serial/<name>/report` for radars, and `serial/<name>/status` says "online" or "offline"
when the line opens or is lost. A line that is lost is tried again, a little later each time.

Nobody can be asked to send a frame again, so there is nothing to acknowledge: the receipt is
`NO_RECEIPT`. Radars report about ten times a second and the gateway needs a
tenth of that: frames that come sooner than `min_interval_s` after the one before are left out.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import structlog

from gateway.links import Message
from gateway.links.errors import ConnectionLostError, LinkError, UnreachableError
from gateway.links.opening import backoff_s

log = structlog.get_logger(__name__)

NO_RECEIPT: Final = object()
"""There is nothing to acknowledge and nobody to acknowledge it to."""
READ_BYTES: Final = 4_096
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

SerialFamily = Literal["enocean", "ld2410", "ld2450"]
BAUD: Final[Mapping[str, int]] = {"enocean": 57_600, "ld2410": 256_000, "ld2450": 256_000}
"""What the devices speak as they come (EnOcean Serial Protocol 3, section 1.3; Hi-Link's documents)."""


class Framing(Protocol):
    """Finds frames in a stream; `gateway.sensors.serial_frames.Framer` is one."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete. Never raises."""
        ...


class MessageListener(Protocol):
    """Whoever takes messages, on the event loop's thread."""

    def message(self, message: Message) -> None:
        """One message."""
        ...


class Port(Protocol):
    """An open line, as pyserial's `Serial` on POSIX."""

    def fileno(self) -> int:
        """The descriptor to wait on and to read from."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True)
class SerialSettings:
    """One serial line."""

    name: str
    """Its name in topics."""
    device: str
    """The device file, such as /dev/serial/by-id/usb-EnOcean_GmbH_USB_300-if00-port0."""
    family: SerialFamily
    baud: int = 0
    """0: what the family's devices speak."""
    min_interval_s: float = 1.0
    """Radars: not more than one report in this time. EnOcean telegrams are never left out."""
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0

    @property
    def topic(self) -> str:
        """The first part of its topics."""
        return f"serial/{self.name}"


def open_port(settings: SerialSettings) -> Port:
    """Open the line. Raises UnreachableError. Blocks."""
    import serial  # noqa: PLC0415 - only gateways with a serial line need it

    try:
        port: Port = serial.Serial(
            settings.device, settings.baud or BAUD[settings.family], timeout=0, exclusive=True
        )
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise UnreachableError(
            f"{settings.device} cannot be opened: {error}",
            "Is the device plugged in, is it the right file (see /dev/serial/by-id), may this user read it"
            " (group dialout)?",
        ) from None
    return port


class SerialLink:
    """One serial line that outlives the device's absences. Use it from one event loop only."""

    def __init__(
        self,
        settings: SerialSettings,
        framing: Callable[[], Framing],
        sender_of: Callable[[bytes], str] | None = None,
        *,
        opening: Callable[[SerialSettings], Port] = open_port,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """`framing` makes a new finder of frames; `sender_of` names the sender of a frame, if it has one.

        Both come from `gateway.sensors`: a link knows nothing of what frames mean.
        """
        self._settings = settings
        self._framing = framing
        self._sender_of = sender_of
        self._opening = opening
        self._sleep = sleep
        self._told_at = float("-inf")

    async def run(self, listener: MessageListener) -> None:
        """Open, read, open again, until cancelled. Raises only what the listener raised."""
        failures = 0
        while True:
            try:
                port = await self._open()
                failures = 0
                error = await self._until_lost(port, listener)
            except LinkError as reason:
                error = reason
            failures += 1
            delay_s = self._delay_s(failures)
            log.warning(
                "serial line is down",
                what=str(error),
                where=self._settings.device,
                mend=error.mend,
                retry_in_s=round(delay_s, 1),
            )
            await self._sleep(delay_s)

    async def _open(self) -> Port:
        """Open it in a thread; one that opens after all when nobody waits any more is closed."""
        opening = asyncio.get_running_loop().run_in_executor(None, self._opening, self._settings)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise

    async def _until_lost(self, port: Port, listener: MessageListener) -> LinkError:
        """Tell frames until the line is lost, and then why. Raises what the listener raised."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[LinkError] = loop.create_future()
        framing = self._framing()
        descriptor = port.fileno()

        def read() -> None:
            if lost.done():
                return
            try:
                self._tell_all(framing.feed(_read(descriptor)), listener)
            except ConnectionLostError as error:
                lost.set_result(error)
            except Exception as error:  # noqa: BLE001 - the listener's fault; `run` raises it to whoever runs it
                lost.set_exception(error)

        try:
            self._tell("status", ONLINE, listener)
            loop.add_reader(descriptor, read)
            return await lost
        finally:
            loop.remove_reader(descriptor)
            port.close()
            if not lost.cancelled():
                self._tell("status", OFFLINE, listener)

    def _tell_all(self, frames: list[bytes], listener: MessageListener) -> None:
        settings = self._settings
        if settings.family == "enocean":
            for frame in frames:
                sender = self._sender_of(frame) if self._sender_of is not None else ""
                if sender:
                    self._tell(sender, frame, listener)
            return
        now = asyncio.get_running_loop().time()
        if frames and now - self._told_at >= settings.min_interval_s:
            self._told_at = now
            self._tell("report", frames[-1], listener)  # the newest says how things are

    def _tell(self, what: str, payload: bytes, listener: MessageListener) -> None:
        topic = f"{self._settings.topic}/{what}"
        listener.message(Message(topic, payload, retained=False, receipt=NO_RECEIPT))

    def _delay_s(self, failures: int) -> float:
        return backoff_s(failures, self._settings.backoff_min_s, self._settings.backoff_max_s)


def _read(descriptor: int) -> bytes:
    """What is there. Raises ConnectionLostError."""
    try:
        data = os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise ConnectionLostError(f"reading failed: {error}", "Was the device unplugged?") from None
    if not data:
        raise ConnectionLostError("the line has ended", "Was the device unplugged?")
    return data


def _close_unwanted(opening: "asyncio.Future[Port]") -> None:
    with contextlib.suppress(asyncio.CancelledError, LinkError):
        opening.result().close()
