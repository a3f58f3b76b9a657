"""A radar on a serial line of the gateway's own: from the bytes of a pseudo-terminal to the ledger."""

import asyncio
import os
import tty
from pathlib import Path

import pytest
from harness import configuration, configuration_text

from gateway.clock import SystemClock
from gateway.core.events import AnyEvent, Availability, Reading
from gateway.ledger import LedgerReader
from gateway.service import Service
from gateway.settings import SettingsError, parse
from simulators.exchange import ExchangeSimulator
from simulators.in_process import surroundings
from simulators.link import MemoryLink

LIMIT_S = 20
SOMEBODY = bytes.fromhex("F4F3F2F10D0002AA025100000000" + "3B00005500F8F7F6F5")
SERIAL = """
[[serial]]
name = "desk"
port = "{port}"
family = "ld2410"
"""
SENSOR = """
[[room.sensor]]
id = "orion-serial"
family = "ld2410"
topic = "serial/desk/report"
senses = "presence"
heartbeat = "10s"
"""


def test_what_a_radar_says_on_its_line_is_in_the_ledger(tmp_path: Path) -> None:
    """The line is opened, its state and its report are recorded, and nothing is acknowledged for them."""
    far_end, near_end = os.openpty()
    tty.setraw(near_end)

    def recorded() -> list[AnyEvent]:
        with LedgerReader(tmp_path / "ledger.db") as reader:
            return [event for _, _, event in reader.events()]

    async def story() -> None:
        settings = configuration(tmp_path, more=SENSOR + SERIAL.format(port=os.ttyname(near_end)))
        exchange, clock = ExchangeSimulator(rooms=["orion@contoso.com"], now=SystemClock().now), SystemClock()
        link = MemoryLink()
        service = Service(settings, surroundings(clock, link, exchange, linger_s=0.01))
        running = asyncio.create_task(service.run())
        wanted = Reading("orion-serial", "presence", 1)
        async with asyncio.timeout(LIMIT_S):
            while "serial/desk/status" not in service.lines._states:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
            assert not any(topic.startswith("serial/") for topic in link._topics)
            os.write(far_end, b"\x00\x01" + SOMEBODY)
            while wanted not in await asyncio.to_thread(recorded):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
            assert service.brain.site.rooms["orion"].sensors["orion-serial"].state.showing
            os.close(far_end)
            lost = Availability("orion-serial", online=False)
            while lost not in await asyncio.to_thread(recorded):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
        service.stop()
        await running
        assert link.acknowledged == 0

    try:
        asyncio.run(story())
    finally:
        os.close(near_end)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'family = "ld2410"\ntopic',
            'family = "ld2450"\ntopic',
            'expected "ld2410", which is on the line desk',
        ),
        ("serial/desk/report", "serial/desk/05", 'expected "serial/desk/report"'),
        ('port = "/dev/x"', 'port = "COM3"', "the path of a device file"),
        ('name = "desk"', 'name = "Desk 1"', "a short name"),
    ],
)
def test_a_sensor_that_does_not_fit_its_line_is_refused(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """A wrong topic would be a sensor that is never heard; it is told at the start."""
    text = configuration_text(tmp_path, more=SENSOR + SERIAL.format(port="/dev/x"))
    assert parse(text, base=tmp_path).serial[0].baud == 256_000
    assert old in text
    with pytest.raises(SettingsError, match=told):
        parse(text.replace(old, new), base=tmp_path)


def test_two_lines_need_their_own_names_and_ports(tmp_path: Path) -> None:
    """Two links on one port would tear each other's frames apart."""
    text = configuration_text(tmp_path, more=SERIAL.format(port="/dev/x") * 2)
    with pytest.raises(SettingsError) as refused:
        parse(text, base=tmp_path)
    assert [problem.split(": ")[1] for problem in refused.value.problems] == [
        "serial[1].name",
        "serial[1].port",
    ]
