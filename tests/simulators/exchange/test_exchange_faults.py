"""Scripted faults strike when they should, do what they say, and nothing after."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from simulators.exchange import Drop, ExchangeSimulator, Refuse, Silence, Stale, Truncate

ADA, ORION, LYRA = "ada@contoso.com", "orion@contoso.com", "lyra@contoso.com"
At = Callable[..., int]
VIEW = f"/users/{ORION}/calendarView?startDateTime=2026-11-23&endDateTime=2026-11-24"


async def statuses(graph: httpx.AsyncClient, count: int, url: str = VIEW) -> list[int]:
    """The statuses of so many equal reads."""
    return [(await graph.get(url)).status_code for _ in range(count)]


async def test_refusals_come_in_order_and_run_out(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """The first armed rule that matches; `skip`, `times`, method and path decide."""
    exchange.faults.add(Refuse(429, "TooManyRequests", retry_after="2.128"), skip=1, times=2, path=ORION)
    exchange.faults.add(Refuse(503), path="calendarView")
    exchange.faults.add(Refuse(500), method="POST", times=None)
    assert await statuses(graph, 5) == [503, 429, 429, 200, 200]
    rule = exchange.faults.rules[0]
    assert (rule.seen, rule.struck) == (3, 2)
    exchange.faults.clear()
    assert await statuses(graph, 1) == [200]


async def test_refusal_carries_its_header_and_body(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """Retry-After as written; Graph's error shape, or a body to the letter, empty ones too."""
    exchange.faults.add(Refuse(429, "TooManyRequests", "Please retry again later.", retry_after="2.128"))
    exchange.faults.add(Refuse(404, body=b""))
    throttled = await graph.get(VIEW)
    assert throttled.headers["retry-after"] == "2.128"
    assert throttled.json()["error"]["code"] == "TooManyRequests"
    assert (await graph.get(VIEW)).content == b""


async def test_faults_hold_during_a_stretch_of_simulated_time(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any, at: At
) -> None:
    """An outage from 8 to 9 o'clock."""
    exchange.faults.add(Refuse(503), times=None, during=(at(8), at(9)))
    seen = []
    for clock.at in (at(7, 59), at(8), at(8, 59), at(9)):
        seen += await statuses(graph, 1)
    assert seen == [200, 503, 503, 200]


@pytest.mark.parametrize("fault", [Drop, Silence])
@pytest.mark.parametrize("after_effect", [False, True])
async def test_lost_answers_happen_before_or_after_the_effect(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At, fault: Any, *, after_effect: bool
) -> None:
    """The client cannot tell; the calendar can."""
    exchange.book(ADA, ORION, at(9), at(10))
    [copy] = exchange.calendar(ORION, at(0), at(24))
    exchange.faults.silence_s = 0.0
    exchange.faults.add(fault(after_effect=after_effect), method="POST", path="/decline")
    with pytest.raises(httpx.TransportError):
        await graph.post(f"/users/{ORION}/events/{copy.id}/decline", json={})
    assert (exchange.calendar(ORION, at(0), at(24)) == []) is after_effect
    assert exchange.requests.in_flight == 0


async def test_silence_lasts_until_the_client_hangs_up(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator
) -> None:
    """Without a limit of its own the request is simply never answered."""
    exchange.faults.add(Silence())
    waiting = asyncio.create_task(graph.get(VIEW))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_stale_read_shows_the_past(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, clock: Any, at: At
) -> None:
    """Lists and single events as they were; the next read is fresh again."""
    event = exchange.book(ADA, ORION, at(9), at(10))
    clock.at += 60_000
    exchange.move(event, at(11), at(12))
    clock.at += 30_000
    exchange.faults.add(Stale(31_000))
    shown = [(await graph.get(VIEW)).json()["value"][0]["start"]["dateTime"][11:13] for _ in range(3)]
    assert shown == ["09", "11", "11"]
    [copy] = exchange.calendar(ORION, at(0), at(24))
    exchange.faults.add(Stale(31_000))
    old = await graph.get(f"/users/{ORION}/events/{copy.id}")
    assert old.json()["start"]["dateTime"][11:13] == "09"


async def test_truncated_page_is_no_json(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, at: At
) -> None:
    """The connection is fine and the status 200: only the body tells."""
    exchange.book(ADA, ORION, at(9), at(10))
    exchange.faults.add(Truncate(0.9))
    answer = await graph.get(VIEW)
    assert answer.status_code == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)


async def test_batch_requests_fail_one_by_one(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """A rule for a room strikes that room's request within the batch only."""
    exchange.faults.add(Refuse(429, "ApplicationThrottled", retry_after="3"), path=LYRA)
    requests = [{"id": room, "method": "GET", "url": VIEW.replace(ORION, room)} for room in (ORION, LYRA)]
    answer = await graph.post("/$batch", json={"requests": requests})
    responses = {one["id"]: one for one in answer.json()["responses"]}
    assert {room: one["status"] for room, one in responses.items()} == {ORION: 200, LYRA: 429}
    assert responses[LYRA]["headers"]["Retry-After"] == "3"


async def test_too_many_at_once_are_throttled(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """Above the limit 429; the peak is counted either way."""
    exchange.faults.latency_s = 0.001
    exchange.app.max_in_flight = 4
    answers = await asyncio.gather(*(graph.get(VIEW) for _ in range(6)))
    assert exchange.requests.in_flight_peak == 6
    assert sorted({answer.status_code for answer in answers}) == [200, 429]
    exchange.app.max_in_flight = None
    answers = await asyncio.gather(*(graph.get(VIEW) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}


async def test_token_endpoint_can_fail_too(graph: httpx.AsyncClient, exchange: ExchangeSimulator) -> None:
    """The identity service has outages of its own."""
    exchange.faults.add(Refuse(503), path="/oauth2/")
    url = f"https://graph.test/{exchange.identity.tenant_id}/oauth2/v2.0/token"
    assert (await graph.post(url)).status_code == 503
    assert (await graph.post(url)).status_code == 400
