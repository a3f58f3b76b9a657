"""A small tenant: two rooms, a clock that tests set, and a client that talks to it in-process."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from simulators.exchange import ExchangeSimulator

MIDNIGHT: Instant = 1_795_392_000_000
"""2026-11-23T00:00:00Z, a Monday."""


class FakeClock:
    def __init__(self) -> None:
        self.at = MIDNIGHT + 7 * HOUR_MS
        self.wall_s = self.at / 1_000

    def now(self) -> Instant:
        return self.at

    def wall(self) -> float:
        return self.wall_s


def at(hour: int, minute: int = 0, *, day: int = 0) -> Instant:
    """An instant of that Monday, or of a later day, in UTC."""
    return MIDNIGHT + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS


@pytest.fixture(name="at")
def at_fixture() -> Any:
    """The function that makes instants."""
    return at


@pytest.fixture
def clock() -> FakeClock:
    """7 o'clock; tests move `at` (calendar) and `wall_s` (tokens)."""
    return FakeClock()


@pytest.fixture
def exchange(clock: FakeClock) -> ExchangeSimulator:
    """Rooms orion and lyra."""
    return ExchangeSimulator(
        rooms=["orion@contoso.com", "lyra@contoso.com"], now=clock.now, wall_clock=clock.wall
    )


@pytest.fixture
async def graph(exchange: ExchangeSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app with a token; its base is `/v1.0`."""
    transport = httpx.ASGITransport(exchange.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://graph.test/v1.0") as client:
        identity = exchange.identity
        answer = await client.post(
            f"https://graph.test/{identity.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": identity.client_id,
                "client_secret": identity.client_secret,
                "scope": "https://graph.microsoft.com/.default",
            },
        )
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
