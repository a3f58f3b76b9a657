"""The ASGI app: reads a request, lets the fault script have its say, writes the answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import httpx
import msgspec

from gateway.core.units import Duration
from simulators.exchange.batch import answer_batch
from simulators.exchange.errors import ExchangeError
from simulators.exchange.faults import (
    Cut,
    Drop,
    Fault,
    FaultScript,
    Refuse,
    Repage,
    Silence,
    Slow,
    Stale,
    Truncate,
)
from simulators.exchange.graph import PREFIX, Graph, target_of
from simulators.exchange.identity import Identity
from simulators.exchange.notifications import HttpSender, Sender
from simulators.exchange.wire import Answer, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONTROL: Final = "/simulator"
BATCH: Final = f"{PREFIX}/$batch"
_BATCHES: Final = frozenset({BATCH, "/beta/$batch"})
_NEVER_SENT: Final = 1_000
"""Bytes that a dropped answer promises and does not deliver."""


class RequestCounts:
    """What was asked for. `total`: HTTP requests; `routes`: by kind, each request of a batch on its own."""

    def __init__(self) -> None:
        self.total = 0
        self.routes: Counter[str] = Counter()
        self.in_flight = 0
        self.in_flight_peak = 0

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"total": self.total, "in_flight_peak": self.in_flight_peak, "routes": dict(self.routes)}


class App:
    """The identity service and Graph behind one ASGI callable."""

    def __init__(self, identity: Identity, graph: Graph, faults: FaultScript, counts: RequestCounts) -> None:
        self._identity = identity
        self._graph = graph
        self._faults = faults
        self._counts = counts
        self.max_in_flight: int | None = None
        """Settable: more Graph requests at once are throttled, as Exchange does above four."""
        self.sender: Sender = HttpSender()
        """How subscribers are reached, also for the handshake."""
        self.control: Callable[[Request], Answer] | None = None
        """Answers what is below `/simulator`, where it is served to others."""
        self._by_mailbox: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served here, not {scope['type']}")
        request = await _read(scope, receive)
        if self.control is not None and request.path.startswith(CONTROL):
            await _write(send, self.control(request))
            return
        self._counts.total += 1
        self._counts.in_flight += 1
        self._counts.in_flight_peak = max(self._counts.in_flight_peak, self._counts.in_flight)
        mailbox = target_of(request).user
        self._by_mailbox[mailbox] += 1
        try:
            await self._serve(request, receive, send)
        finally:
            self._counts.in_flight -= 1
            self._by_mailbox[mailbox] -= 1

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self._faults.strike(request.method, _target(request))
        if self._faults.latency_s:
            await asyncio.sleep(self._faults.latency_s)
        if isinstance(fault, Silence | Drop) and fault.after_effect:
            self._answer(request)
        match fault:
            case Silence():
                await self._stay_silent(receive)
            case Drop():
                await _drop(send)
            case Truncate(keep):
                answer = self._answer(request)
                cut = (answer.body or b"")[: int(len(answer.body or b"") * keep)]
                await _write(send, msgspec.structs.replace(answer, body=cut))
            case Cut(keep):
                await _cut(send, self._answer(request), keep)
            case Slow(pause_s, pieces):
                await _trickle(send, self._answer(request), pause_s, pieces)
            case Repage(size) if request.method == "GET":
                await _write(send, self._answer(_with_pages_of(request, size)))
            case _:
                await _write(send, await self._answer_or_ask(request, fault))

    async def _answer_or_ask(self, request: Request, fault: Fault | None) -> Answer:
        """A new subscription's addresses are asked first; everything else is answered at once."""
        if fault is None and target_of(request).route == "POST subscriptions":
            self._counts.routes["POST subscriptions"] += 1
            return await self._graph.answer_with_handshake(request, self.sender)
        return self._answer(request, fault)

    async def _stay_silent(self, receive: Receive) -> None:
        if self._faults.silence_s is not None:
            await asyncio.sleep(self._faults.silence_s)
            raise httpx.ReadTimeout("the simulated service did not answer in time")
        while (await receive())["type"] != "http.disconnect":
            pass

    # Answers

    def _answer(self, request: Request, fault: Fault | None = None) -> Answer:
        route = self._identity.route(request)
        if route is not None:
            self._counts.routes[f"{request.method} {route}"] += 1
            return (
                self._refused(request, fault) if isinstance(fault, Refuse) else self._identity.answer(request)
            )
        if request.path in _BATCHES and request.method == "POST":
            self._counts.routes["POST $batch"] += 1
            if isinstance(fault, Refuse):
                return self._refused(request, fault)
            return self._batch(request)
        if self.max_in_flight is not None and self._at_once(request) > self.max_in_flight:
            fault = Refuse(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
        return self._graph_answer(request, fault)

    def limit(self, most: int | None) -> None:
        """Set `max_in_flight`."""
        self.max_in_flight = most

    def _at_once(self, request: Request) -> int:
        if self._graph.mailboxes.variants.concurrency_scope == "mailbox":
            return self._by_mailbox[target_of(request).user]
        return self._counts.in_flight

    def _graph_answer(self, request: Request, fault: Fault | None) -> Answer:
        self._counts.routes[target_of(request).route] += 1
        if isinstance(fault, Refuse):
            return self._refused(request, fault)
        age_ms: Duration = fault.age_ms if isinstance(fault, Stale) else 0
        return self._graph.answer(request, age_ms=age_ms)

    def _batch(self, request: Request) -> Answer:
        try:
            self._identity.check(request)
        except ExchangeError as error:
            return self._graph.refuse(request, error)
        return answer_batch(request, self._inner, self._graph.refuse)

    def _inner(self, request: Request) -> Answer:
        return self._graph_answer(request, self._faults.strike(request.method, _target(request), inner=True))

    def _refused(self, request: Request, fault: Refuse) -> Answer:
        answer = self._graph.refusal(request, fault.status, fault.code, fault.message, dict(fault.inner))
        headers = {**answer.headers, **dict(fault.headers)}
        if fault.retry_after:
            headers["retry-after"] = fault.retry_after
        body = answer.body if fault.body is None else fault.body
        return msgspec.structs.replace(answer, headers=headers, body=body)


def _target(request: Request) -> str:
    return f"{request.path}?{request.query}" if request.query else request.path


async def _read(scope: Scope, receive: Receive) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        # Several of one name are one list (RFC 9110, 5.3): clients send each preference on its own.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    host = headers.get("host", "graph.microsoft.com")
    return Request(
        scope["method"],
        scope["path"],
        scope["query_string"].decode("latin-1"),
        headers,
        body,
        f"{scope.get('scheme', 'https')}://{host}",
    )


async def _write(send: Send, answer: Answer) -> None:
    await _begin(send, answer)
    await send({"type": "http.response.body", "body": answer.body or b""})


async def _begin(send: Send, answer: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 204:  # noqa: PLR2004 - "no content" is the number's name
        headers.append((b"content-length", str(len(answer.body or b"")).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


def _with_pages_of(request: Request, size: int) -> Request:
    kept = [
        part for part in request.query.split("&") if not part.lower().startswith(("%24top=", "$top=", "top="))
    ]
    return msgspec.structs.replace(request, query="&".join([*kept, f"$top={size}"]))


async def _cut(send: Send, answer: Answer, keep: float) -> None:
    """Promise the whole body, send a part of it, and break the connection."""
    body = answer.body or b""
    await _begin(send, answer)
    await send({"type": "http.response.body", "body": body[: int(len(body) * keep)], "more_body": True})
    raise httpx.ReadError("the simulated service broke the connection")


async def _trickle(send: Send, answer: Answer, pause_s: float, pieces: int) -> None:
    body = answer.body or b""
    await _begin(send, answer)
    step = max(1, -(-len(body) // max(1, pieces)))
    for at in range(0, len(body), step):
        await asyncio.sleep(pause_s)
        await send({"type": "http.response.body", "body": body[at : at + step], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _drop(send: Send) -> None:
    """Promise an answer and fail: a server closes the connection, an in-process client sees the error."""
    headers = [(b"content-length", str(_NEVER_SENT).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise httpx.ReadError("the simulated service broke the connection")
