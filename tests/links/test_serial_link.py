"""A serial line as pseudo-terminal: frames are told, garbage is not, and a lost line is opened again."""

import asyncio
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.links import Message
from gateway.links.errors import UnreachableError
from gateway.links.serial import NO_RECEIPT, SerialFamily, SerialLink, SerialSettings, open_port
from gateway.sensors import SensorSource, build_router
from gateway.sensors.enocean import sender_of
from gateway.sensors.serial_frames import esp3_framer, ld2410_framer

TELEGRAM = bytes.fromhex("55000A0701EBA59B00FF08051A2B3C0001FFFFFFFF2D00CA")
REPORT = bytes.fromhex("F4F3F2F10D0002AA025100000000" + "3B00005500F8F7F6F5")
LIMIT_S = 20


class Ear:
    """Remembers messages and lets a test wait for them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._changed = asyncio.Event()

    def message(self, message: Message) -> None:
        self.messages.append(message)
        self._changed.set()

    async def until(self, number: int) -> None:
        """Wait until so many messages have come."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.messages) < number:
                self._changed.clear()
                await self._changed.wait()

    @property
    def told(self) -> list[tuple[str, bytes]]:
        return [(message.topic, message.payload) for message in self.messages]


class Line:
    """A pseudo-terminal under a name that stays, like a device by its id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug_in()

    def plug_in(self) -> None:
        self.far_end, near_end = os.openpty()
        tty.setraw(near_end)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(near_end))
        self._near_end = near_end

    def write(self, data: bytes) -> None:
        os.write(self.far_end, data)

    def unplug(self) -> None:
        os.close(self.far_end)
        os.close(self._near_end)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A line that is unplugged at the end."""
    line = Line(tmp_path / "line")
    yield line
    line.unplug()


async def at_once(_delay_s: float) -> None:
    """Do not wait, but let others work."""
    await asyncio.sleep(0)


def link(line: Line, family: SerialFamily, **settings: float) -> SerialLink:
    """A link to that line."""
    known = SerialSettings("stick", str(line.path), family, baud=115_200, **settings)
    if family == "enocean":
        return SerialLink(known, esp3_framer, sender_of, sleep=at_once)
    return SerialLink(known, ld2410_framer, sleep=at_once)


async def test_telegrams_are_told_by_their_sender_and_garbage_is_not(line: Line) -> None:
    """In pieces, between garbage and doubled: each whole telegram once, under its sender's topic."""
    ear = Ear()
    task = asyncio.create_task(link(line, "enocean").run(ear))
    await ear.until(1)
    line.write(b"\x55\x00\xff" + TELEGRAM[:7])
    line.write(TELEGRAM[7:] + b"\x00\x55" + TELEGRAM)
    await ear.until(3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    telegram = ("serial/stick/051a2b3c", TELEGRAM)
    assert ear.told[:3] == [("serial/stick/status", b"online"), telegram, telegram]
    assert {message.receipt for message in ear.messages} == {NO_RECEIPT}


async def test_what_the_link_tells_is_understood_by_the_family(line: Line) -> None:
    """Topic and payload fit the configured sensor as they come, and the line's status is its availability."""
    router = build_router(
        [SensorSource("orion-pir", "enocean", "serial/stick/051a2b3c", "motion", options={"eep": "A5-07-01"})]
    )
    ear = Ear()
    task = asyncio.create_task(link(line, "enocean").run(ear))
    await ear.until(1)
    line.write(TELEGRAM)
    await ear.until(2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    decoded = [router.decode(topic, payload, retained=False) for topic, payload in ear.told[:2]]
    assert [(type(one).__name__, getattr(one, "value", None)) for some in decoded for one in some] == [
        ("Availability", None),
        ("Reading", -45),
        ("Reading", 1),
    ]


async def test_a_line_that_was_lost_is_opened_again(line: Line) -> None:
    """Unplugged and plugged in: offline, online, and frames as before."""
    ear = Ear()
    task = asyncio.create_task(link(line, "ld2410").run(ear))
    await ear.until(1)
    line.unplug()
    await ear.until(2)
    line.plug_in()
    await ear.until(3)
    line.write(REPORT)
    await ear.until(4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ear.told[:4] == [
        ("serial/stick/status", b"online"),
        ("serial/stick/status", b"offline"),
        ("serial/stick/status", b"online"),
        ("serial/stick/report", REPORT),
    ]


async def test_a_radars_reports_are_thinned_out(line: Line) -> None:
    """Ten reports a second are one: the newest of what has come."""
    ear = Ear()
    task = asyncio.create_task(link(line, "ld2410", min_interval_s=3_600.0).run(ear))
    await ear.until(1)
    line.write(REPORT)
    await ear.until(2)
    line.write(REPORT * 3)
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [payload for _, payload in ear.told].count(REPORT) == 1


async def test_a_line_that_is_not_there_says_what_to_look_at(tmp_path: Path) -> None:
    """The error names the device file and how it is mended."""
    with pytest.raises(UnreachableError, match="nowhere") as caught:
        open_port(SerialSettings("stick", str(tmp_path / "nowhere"), "enocean"))
    assert "plugged in" in caught.value.mend


def test_waiting_grows_and_is_bounded(line: Line) -> None:
    """One second, two, four, and never more than the most."""
    waiting = [link(line, "enocean", backoff_max_s=30.0)._delay_s(number) for number in (1, 2, 3, 10, 10_000)]
    assert waiting == [1.0, 2.0, 4.0, 30.0, 30.0]


async def test_a_fault_of_the_listener_is_no_fault_of_the_line(line: Line) -> None:
    """What the listener raises ends the link and is seen."""

    class Broken(Ear):
        def message(self, message: Message) -> None:
            if message.payload == REPORT:
                raise RuntimeError("broken")
            super().message(message)

    ear = Broken()
    task = asyncio.create_task(link(line, "ld2410").run(ear))
    await ear.until(1)
    line.write(REPORT)
    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(task, LIMIT_S)
