"""Fixtures for engineers' own tests: a clock, an office, an Exchange, a broker, and a whole gateway.

They are there wherever this package and pytest are installed. In a source tree that is not installed:

    pytest_plugins = ["simulators.pytest_plugin"]

Both at once is fine: the entry point in pyproject.toml has the very name of this module, by which pytest
knows that it has it already. Everything is imported by the fixture that needs it, so the plugin costs
nothing to those who do not use it. ``pytest --fixtures -v`` shows each with its example.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulators.broker import EmbeddedBroker
    from simulators.clock import ManualClock
    from simulators.exchange import ExchangeSimulator
    from simulators.office import Office
    from simulators.scenario.gateway import Gateway

ROOMS: Final = ("orion", "lyra", "vega")
"""The rooms of `office` and `exchange`."""

SEED: Final = 7
HOURS: Final = 4.0


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when told. It is eight o'clock in UTC on a Monday.

        def test_an_hour_passes(clock):
            began = clock.now()
            clock.advance(3_600_000)
            assert clock.now() - began == 3_600_000

    `simulators.clock.run_virtual` runs a coroutine for which hours pass in milliseconds.
    """
    from simulators.clock import ManualClock  # noqa: PLC0415 - only who asks for it pays for it
    from simulators.scenario.world import Wall  # noqa: PLC0415 - as above

    return ManualClock(Wall().instant("08:00"))


@pytest.fixture
def office(clock: ManualClock) -> Office:
    """A morning in three rooms, planned from the moment of `clock` on: bookings, people, sensors.

    def test_somebody_stays_away(office):
        assert office.ghosts()
        for message in office.messages():
            print(message.topic, message.payload)
    """
    from simulators.office import Office  # noqa: PLC0415 - only who asks for it pays for it

    return Office(SEED, ROOMS, start_ms=clock.now(), hours=HOURS)


@pytest.fixture
def exchange(clock: ManualClock) -> ExchangeSimulator:
    """Microsoft Graph and Exchange for the rooms of `office`, without a socket; the time is `clock`'s.

    async def test_a_booking_is_accepted(exchange, clock):
        start = clock.now()
        meeting = exchange.book("ana@contoso.com", "orion@contoso.com", start, start + 3_600_000)
        assert exchange.status(meeting, "orion@contoso.com").response == "accepted"
        client = httpx.AsyncClient(transport=httpx.ASGITransport(exchange.app))
    """
    from simulators.exchange import ExchangeSimulator  # noqa: PLC0415 - only who asks for it pays for it
    from simulators.office import DOMAIN  # noqa: PLC0415 - as above

    return ExchangeSimulator(rooms=[f"{room}@{DOMAIN}" for room in ROOMS], now=clock.now)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """An MQTT broker on a free loopback port, empty for each test.

        async def test_a_message(broker):
            async with aiomqtt.Client(broker.host, broker.port) as client:
                await client.publish("orion/radar", "ON", qos=1)

    Needs iotcore, which the extra ``simulator`` brings; without it the test is skipped.
    """
    pytest.importorskip("iotcore", reason="needs the embedded broker: the package's extra `simulator`")
    from simulators.broker import EmbeddedBroker  # noqa: PLC0415 - only who asks for it pays for it

    embedded = EmbeddedBroker()
    asyncio.run(embedded.start())
    yield embedded
    asyncio.run(embedded.stop())


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """The whole real gateway in virtual time, with sensors, people and Exchange around it.

        def test_nobody_came(gateway):
            gateway.room("orion", sensors=["radar", "pir"])
            gateway.book("orion", "09:00-10:00", by="ana")
            gateway.at("09:30")
            assert gateway.released("orion", "09:00")

    For plain functions, not for coroutines: it has an event loop of its own. All that can happen is in
    `simulators.scenario.gateway`, all that can be asked in `simulators.scenario.questions`.
    """
    from simulators.scenario.gateway import Gateway  # noqa: PLC0415 - only who asks for it pays for it

    with Gateway(tmp_path) as scenario:
        yield scenario
