"""The network between a gateway and Exchange, in one process and thin: no ASGI, no sockets.

Every request is answered by the simulated Graph itself. What may go wrong on the way is asked of
`Weather`; what was asked and done is told to `Witness`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, NoReturn, Protocol

import httpx
import msgspec

from gateway.core.units import Duration
from simulators.exchange import ExchangeSimulator
from simulators.exchange.asgi import BATCH
from simulators.exchange.batch import answer_batch
from simulators.exchange.faults import http_date_of
from simulators.exchange.graph import Graph, Target, target_of
from simulators.exchange.wire import Answer, Request

ORIGIN: Final = "https://graph.microsoft.com"
SILENT_S: Final = 30.0
"""How long a request without an answer takes: the gateway's own time-out for reading."""

ARRIVES_S: Final = 0.5
"""A slow service takes its time to answer: what is asked of it is done soon after it was sent."""

DRIPS: Final = 4
"""Pieces of a body that drips."""

CHALLENGE: Final = (
    'Bearer realm="", error="insufficient_claims", claims="'
    "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzkwMDAwMDAwIn19fQ"
    '"'
)
"""A claims challenge of continuous access evaluation
(https://learn.microsoft.com/entra/identity-platform/claims-challenge)."""

CONNECT_S: Final = 10.0
TOKEN_S: Final = 3_000.0
"""How long a token is used before a new one is asked for."""


class Plight(msgspec.Struct):
    """What is to become of one request."""

    latency_s: float = 0.08
    unreachable: bool = False
    lost_before: bool = False
    """It never arrives, and the sender is not told."""
    lost_after: bool = False
    """It is done, and the answer never arrives."""
    told: bool = False
    """The loss is seen at once: the connection breaks."""
    status: int = 0
    """Refused with this status, without effect."""
    retry_after: str = ""
    """As in the header; `date:20` is made the HTTP date 20 s from the simulated now."""
    challenged: bool = False
    """A refusal carries a claims challenge."""
    age_ms: Duration = 0
    """A read is answered with the calendar as it was so long ago."""
    page: int = 0
    """A listing has at most so many items on a page."""
    keep: float = 1.0
    """Share of the body that arrives."""
    drip_s: float = 0.0
    """How long the body takes, in pieces, after the head has come."""


class Weather(Protocol):
    """Says what becomes of requests."""

    def plight(self, request: Request, target: Target, *, inner: bool = False) -> Plight:
        """Of this one; `inner`: it came within a batch, whose own plight was asked for already."""
        ...


class Witness(Protocol):
    """Is told what Exchange did for a gateway."""

    def before_effect(self, request: Request, target: Target) -> None:
        """Exchange is about to do this."""
        ...

    def answered(self, request: Request, target: Target, answer: Answer, *, fresh: bool) -> None:
        """It was done or read; the answer is on its way."""
        ...


class WorldTransport(httpx.AsyncBaseTransport):
    """What one process of a gateway sends through. `alive` says whether that process still lives."""

    def __init__(
        self,
        exchange: ExchangeSimulator,
        weather: Weather,
        witness: Witness,
        alive: Callable[[], bool],
        point: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._now = exchange.now
        self._graph = Graph(exchange.mailboxes, exchange.identity.check, exchange.now)
        self._weather = weather
        self._witness = witness
        self._alive = alive
        self._point = point

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One HTTP request, with whatever befalls it."""
        asked = _read(request)
        is_batch = asked.path == BATCH
        target = Target("batch") if is_batch else target_of(asked)
        plight = self._weather.plight(asked, target)
        if plight.unreachable:
            await asyncio.sleep(CONNECT_S)
            raise httpx.ConnectTimeout("the simulated network is gone", request=request)
        is_read = is_batch or asked.method == "GET"  # only reads are ever batched
        at_once = is_read and plight.latency_s < ARRIVES_S  # one sleep costs half of two
        there_s = plight.latency_s if at_once else min(plight.latency_s / 2, ARRIVES_S)
        if there_s > 0:
            await asyncio.sleep(there_s)
        if not self._alive():
            raise httpx.ConnectError("the process that asked is dead", request=request)
        if plight.lost_before:
            await self._lose(request, plight)
        answer = self._batch(asked, plight) if is_batch else self._answer(asked, target, plight)
        if plight.lost_after:
            await self._lose(request, plight)
        if plight.latency_s > there_s:
            await asyncio.sleep(plight.latency_s - there_s)
        body = answer.body or b""
        if plight.keep < 1.0:
            body = body[: int(len(body) * plight.keep)]
        headers = dict(answer.headers)
        if plight.drip_s:
            drip = _Drip(body, plight.drip_s)
            return httpx.Response(answer.status, headers=headers, stream=drip, request=request)
        return httpx.Response(answer.status, headers=headers, content=body, request=request)

    async def _lose(self, request: httpx.Request, plight: Plight) -> NoReturn:
        """No answer comes: after a long silence, or because the connection broke."""
        if plight.told:
            raise httpx.ReadError("the simulated connection was reset", request=request)
        await asyncio.sleep(SILENT_S)
        raise httpx.ReadTimeout("the simulated answer was lost", request=request)

    def _batch(self, request: Request, plight: Plight) -> Answer:
        """Each inner request has a plight of its own; what can only befall a connection, it cannot show."""
        if plight.status:
            return self._refused(request, plight)

        def respond(inner: Request) -> Answer:
            target = target_of(inner)
            return self._answer(inner, target, self._weather.plight(inner, target, inner=True))

        return answer_batch(
            request,
            respond,
            lambda asked, error: self._graph.refusal(asked, error.status, error.code, error.message),
        )

    def _answer(self, request: Request, target: Target, plight: Plight) -> Answer:
        if plight.status:
            return self._refused(request, plight)
        is_write = request.method != "GET"
        if is_write:
            self._point("before_effect")
            self._witness.before_effect(request, target)
        if plight.page and target.route == "GET calendarView" and "%24skip" not in request.query:
            request = msgspec.structs.replace(request, query=_smaller(request.query, plight.page))
        answer = self._graph.answer(request, age_ms=0 if is_write else plight.age_ms)
        self._witness.answered(request, target, answer, fresh=not plight.age_ms)
        if is_write:
            self._point("after_effect")
        return answer

    def _refused(self, request: Request, plight: Plight) -> Answer:
        refused = self._graph.refusal(request, plight.status, "Unavailable", "The simulated service refuses.")
        more: dict[str, str] = {}
        if plight.retry_after:
            more["retry-after"] = http_date_of(plight.retry_after, self._now())
        if plight.challenged:
            more["www-authenticate"] = CHALLENGE
        return msgspec.structs.replace(refused, headers={**refused.headers, **more}) if more else refused


class _Drip(httpx.AsyncByteStream):
    """A body in pieces, so many seconds from the first to the last."""

    def __init__(self, body: bytes, lasts_s: float) -> None:
        self._body = body
        self._lasts_s = lasts_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = max(1, -(-len(self._body) // DRIPS))
        for at in range(0, max(1, len(self._body)), size):
            await asyncio.sleep(self._lasts_s / DRIPS)
            yield self._body[at : at + size]


class WorldTokens:
    """Tokens from the simulated identity service, renewed when they are refused."""

    def __init__(self, exchange: ExchangeSimulator, now_s: Callable[[], float]) -> None:
        self._exchange = exchange
        self._now_s = now_s
        self._held = ""
        self._until_s = 0.0

    async def token(self, *, claims: str | None = None) -> str:
        """The held token; a new one where the held one is old or refused."""
        if claims is not None or self._now_s() >= self._until_s:
            self._held = self._exchange.identity.issue_token()
            self._until_s = self._now_s() + TOKEN_S
        return self._held


def _read(request: httpx.Request) -> Request:
    url = request.url
    headers = {name.decode().lower(): value.decode() for name, value in request.headers.raw}
    content = request.content if request.method != "GET" else b""
    return Request(request.method, url.path, url.query.decode(), headers, content, ORIGIN)


def _smaller(query: str, page: int) -> str:
    """The same question with fewer items on a page."""
    kept = [part for part in query.split("&") if not part.startswith(("%24top=", "$top="))]
    return "&".join([*kept, f"$top={page}"])
