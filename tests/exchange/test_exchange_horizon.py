"""The months to come: whole or an error, page by page, and with nothing in it of who meets."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from gateway.core.units import DAY_MS, HOUR_MS, Instant
from gateway.exchange.calendar import CalendarReader
from gateway.exchange.client import PREFER, GraphClient
from gateway.exchange.errors import ItemGoneError, MailboxError, MalformedError
from gateway.exchange.horizon import HorizonReader, horizon_window
from gateway.exchange.moments import instant
from simulators.exchange import ExchangeSimulator, weekly
from simulators.exchange.mailbox import Processing
from simulators.in_process import InProcessTokens, InProcessTransport

ROOM = "orion@contoso.com"
NOW: Instant = instant(datetime(2026, 9, 28, 8, tzinfo=UTC))
BASE = "https://exchange.invalid/v1.0"


class Watched(httpx.AsyncBaseTransport):
    """Keeps the requests for calendars that pass."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note it and pass it on."""
        self.seen.append(request)
        return await self._inner.handle_async_request(request)


def reader(exchange: ExchangeSimulator, **more: Any) -> tuple[HorizonReader, Watched]:
    """A reader of that Exchange, and the requests that it makes."""
    transport = InProcessTransport(exchange.app)
    watched = Watched(transport)
    client = GraphClient(BASE, InProcessTokens(transport), transport=watched)
    return HorizonReader(client, CalendarReader(client), **more), watched


def test_all_pages_are_read_with_the_same_headers_and_nothing_of_people_is_asked_for() -> None:
    """Sixty bookings in pages of seven; no subject, no organizer, no attendee in any request."""
    exchange = ExchangeSimulator(rooms=[ROOM], now=lambda: NOW)
    for day in range(2, 62):
        start = NOW + day * DAY_MS
        exchange.book("person-001@contoso.com", ROOM, start, start + HOUR_MS)
    horizon, watched = reader(exchange, page_size=7)
    found = asyncio.run(horizon.read(ROOM, UTC, *horizon_window(NOW, UTC, 180 * DAY_MS)))
    assert len(found) == 60
    assert len(watched.seen) == 9
    assert {request.headers["prefer"] for request in watched.seen} == {PREFER}
    asked = watched.seen[0].url.params["$select"].split(",")
    assert not {"subject", "organizer", "attendees", "body", "location"}.intersection(asked)


def test_a_mailbox_that_is_none_is_an_error_and_not_an_empty_calendar() -> None:
    """As for the near days (L6); and more pages than anybody has are no calendar."""
    exchange = ExchangeSimulator(rooms=[ROOM], now=lambda: NOW)
    horizon, _ = reader(exchange)
    span = horizon_window(NOW, UTC, 180 * DAY_MS)
    with pytest.raises(MailboxError):
        asyncio.run(horizon.read("nobody@contoso.com", UTC, *span))
    for day in range(2, 10):
        exchange.book("person-001@contoso.com", ROOM, NOW + day * DAY_MS, NOW + day * DAY_MS + HOUR_MS)
    tiny, _ = reader(exchange, page_size=2, max_pages=3)
    with pytest.raises(MalformedError, match="more than 3 pages"):
        asyncio.run(tiny.read(ROOM, UTC, *span))


def test_a_series_is_read_from_its_master_in_the_rooms_mailbox() -> None:
    """Its zone comes with Windows' name or IANA's; a master that is not there is told as gone."""
    exchange = ExchangeSimulator(rooms=[ROOM], now=lambda: NOW)
    exchange.mailboxes.mailbox(ROOM).processing = Processing(booking_window_in_days=0)
    start = NOW + 2 * DAY_MS
    exchange.book(
        "person-001@contoso.com",
        ROOM,
        start,
        start + HOUR_MS,
        recurrence=weekly(count=30),
        time_zone="W. Europe Standard Time",
    )
    horizon, watched = reader(exchange)
    (first, *_) = asyncio.run(horizon.read(ROOM, UTC, *horizon_window(NOW, UTC, 180 * DAY_MS)))
    series = asyncio.run(horizon.series(ROOM, first.series_id))
    assert series.zone == "Europe/Berlin"
    assert series.length_ms == HOUR_MS
    assert watched.seen[-1].headers["prefer"] == PREFER
    bookings = asyncio.run(horizon.read(ROOM, UTC, *horizon_window(NOW, UTC, 180 * DAY_MS)))
    expected = series.starts(*horizon_window(NOW, UTC, 180 * DAY_MS))
    assert sorted(one.start for one in bookings) == sorted(expected.values())
    with pytest.raises(ItemGoneError):
        asyncio.run(horizon.series(ROOM, first.series_id[:-4] + "AAAA"))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_the_window_is_whole_days_of_the_rooms_zone(zone: str) -> None:
    """From the day after tomorrow; never reversed, however short the horizon is."""
    own = ZoneInfo(zone)
    start, end = horizon_window(NOW, own, 180 * DAY_MS)
    for moment, days in ((start, 2), (end, 180)):
        local = datetime.fromtimestamp(moment / 1_000, own)
        assert (local.hour, local.minute) == (0, 0)
        assert (local.date() - datetime.fromtimestamp(NOW / 1_000, own).date()).days == days
    assert horizon_window(NOW, own, DAY_MS) == (start, start)
