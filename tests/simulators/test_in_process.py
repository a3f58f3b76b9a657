"""The way to a simulated Exchange without a socket: it carries what httpx's own transport carries."""

import asyncio

import httpx
import pytest

from simulators.exchange import ExchangeSimulator, Refuse, Silence
from simulators.exchange.faults import Drop
from simulators.in_process import InProcessTokens, InProcessTransport

USER = "https://graph.microsoft.com/v1.0/users/orion@contoso.com"
VIEW = f"{USER}/calendarView?startDateTime=1970-01-01T00:00:00Z&endDateTime=1970-01-01T00:00:01Z"


@pytest.fixture
def client(exchange: ExchangeSimulator) -> httpx.AsyncClient:
    """A client of the simulator."""
    return httpx.AsyncClient(transport=InProcessTransport(exchange.app))


async def test_both_transports_carry_the_same(exchange: ExchangeSimulator) -> None:
    """Status, headers and body of an answer, with and without a token, are those of httpx's own transport."""
    ours, theirs = InProcessTransport(exchange.app), httpx.ASGITransport(exchange.app)
    token = await InProcessTokens(ours).token()
    headers = {"authorization": f"Bearer {token}", "client-request-id": "the-same"}
    strange = {"client-request-id": "the-same"}
    for url, sent in ((VIEW, headers), (VIEW, strange), (f"{USER}/nonsense", headers)):
        answers = []
        for transport in (ours, theirs):
            async with httpx.AsyncClient(transport=transport) as client:
                answer = await client.get(url, headers=sent)
            kept = {name: value for name, value in answer.headers.items() if name != "request-id"}
            answers.append((answer.status_code, kept, _without_ids(answer)))
        assert answers[0] == answers[1]


def _without_ids(answer: httpx.Response) -> object:
    """The body but for what is new in each answer."""
    body = answer.json()
    if "error" in body:
        body["error"].pop("innerError", None)
    return body


async def test_bodies_are_carried(client: httpx.AsyncClient) -> None:
    """What is posted arrives: without a body there is no token."""
    url = "https://login.example/11111111-aaaa-4aaa-8aaa-111111111111/oauth2/v2.0/token"
    async with client:
        answer = await client.post(url)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_connection_that_breaks_is_an_error_of_httpx(
    exchange: ExchangeSimulator, client: httpx.AsyncClient
) -> None:
    """A service that drops the connection, or says nothing for too long, looks like one on a network."""
    exchange.faults.add(Drop())
    exchange.faults.silence_s = 0.0
    exchange.faults.add(Silence())
    exchange.faults.add(Refuse(503))
    async with client:
        with pytest.raises(httpx.ReadError):
            await client.get(VIEW)
        with pytest.raises(httpx.ReadTimeout):
            await client.get(VIEW)
        assert (await client.get(VIEW)).status_code == 503


async def test_a_client_that_waits_for_silence_may_hang_up(
    exchange: ExchangeSimulator, client: httpx.AsyncClient
) -> None:
    """Cancelled, the request is gone on both sides."""
    exchange.faults.add(Silence())
    async with client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.get(VIEW)
    assert exchange.requests.total == 1
    assert exchange.requests.in_flight == 0


async def test_a_token_is_kept_until_another_one_is_asked_for(exchange: ExchangeSimulator) -> None:
    """As msal does: one for all requests; a claims challenge or a refusal brings a new one."""
    tokens = InProcessTokens(InProcessTransport(exchange.app))
    first = await tokens.token()
    assert await tokens.token() == first
    second = await tokens.token(claims="{}")
    assert second != first
    assert await tokens.token() == second
