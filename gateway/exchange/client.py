"""One HTTP client for Microsoft Graph: few requests at a time, patient reads, writes that are sent once.

A read is tried again when Graph is throttling or away. A write is tried again only after answers that
prove it had no effect; whatever leaves that open becomes UnclearError and is settled by reading back
(invariant L4).
"""

import asyncio
import json
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx
import msgspec

from gateway.exchange.answer import Answer, claims_challenge, retry_after
from gateway.exchange.auth import FRESH, TokenSource
from gateway.exchange.batch import MAX_TOGETHER, envelope, take_apart
from gateway.exchange.errors import (
    AuthError,
    ConflictError,
    ExchangeError,
    GivenUpError,
    Kind,
    MalformedError,
    RetryableError,
    UnclearError,
    UntrustedError,
    from_answer,
)
from gateway.exchange.slots import Slots

GRAPH_URL: Final = "https://graph.microsoft.com/v1.0"

IN_FLIGHT: Final = 4
"""Outlook allows four concurrent requests, by some of its pages for the whole application."""

MAX_BODY_BYTES: Final = 20 * 1024 * 1024
"""Far above a full page of meetings with 500 attendees each; below what would hurt a small box."""

REQUEST_S: Final = 60.0
"""From the first byte sent to the last received, so that a dripping answer ends."""

BATCH_S: Final = 20.0
"""The same for a batch: everything else waits for it."""

TIMEOUTS: Final = httpx.Timeout(connect=10.0, read=30.0, write=30.0, pool=30.0)

# Ids that survive a move to another folder, and times in UTC (both per request, Graph forgets them).
PREFER: Final = 'IdType="ImmutableId", outlook.timezone="UTC"'

HEADERS: Final[Mapping[str, str]] = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Prefer": PREFER,
    "User-Agent": "occupancy-gateway",
}

EXTENSIONS: Final[Mapping[str, Any]] = {"timeout": TIMEOUTS.as_dict()}

# Errors of httpx that come before the first byte of a request is sent.
NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

ADDRESSES_KEPT: Final = 1_000

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Patience(msgspec.Struct, frozen=True):
    """How often and how long one call keeps trying. Without a Retry-After waits double, with jitter."""

    attempts: int
    first_s: float
    cap_s: float
    total_s: float
    """The sum of all waits; a Retry-After that does not fit is handed to the caller instead."""

    def wait_s(self, attempt: int, asked_s: float | None, jitter: float) -> float:
        """The wait after failed attempt number `attempt` (from 0); `jitter` within 0 and 1."""
        if asked_s is not None:
            return asked_s
        return float(min(self.cap_s, self.first_s * 2**attempt) * (0.5 + 0.5 * jitter))


READ_PATIENCE: Final = Patience(attempts=5, first_s=1.0, cap_s=20.0, total_s=60.0)
# Short: a write rests on a read that is at most 30 s old (invariant W4).
WRITE_PATIENCE: Final = Patience(attempts=3, first_s=0.5, cap_s=5.0, total_s=10.0)


class Counts(msgspec.Struct):
    """HTTP requests sent to Graph, repeats included; questions for tokens are not."""

    read: int = 0
    """A batch of reads is one."""
    write: int = 0
    throttled: int = 0
    """How many of them, or of what was asked within a batch, were answered with 429."""
    batched: int = 0
    """What was asked within batches; Exchange counts each of these against its limits."""

    @property
    def total(self) -> int:
        """Reads and writes together."""
        return self.read + self.write


class GraphClient:
    """Requests to one Graph endpoint, under one application.

    `base_url` ends with the version (`.../v1.0`) and must be https except on loopback. `transport`
    replaces the network; `ca_file` replaces the built-in roots. `sleep` and `jitter` (0 to 1) are for
    back-off, `wall` (seconds since 1970) reads Retry-After dates of answers that have no Date.
    """

    def __init__(
        self,
        base_url: str,
        tokens: TokenSource,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        ca_file: str | None = None,
        proxy: str | None = None,
        in_flight: int = IN_FLIGHT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        read_patience: Patience = READ_PATIENCE,
        write_patience: Patience = WRITE_PATIENCE,
    ) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        if transport is None:
            if self._base.scheme != "https" and self._base.host not in LOOPBACK:
                raise ValueError(f"Graph's address must be https, a token must not travel openly: {base_url}")
            transport = httpx.AsyncHTTPTransport(
                verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
                trust_env=False,
                proxy=proxy,
                limits=httpx.Limits(max_connections=in_flight),
            )
        # No httpx.AsyncClient on top: of all that it adds, cookies, redirects and settings of the
        # environment must not be, and the rest was a third of the work of a request.
        self._transport = transport
        self._tokens = tokens
        self._slots = Slots(in_flight)
        self._sleep = sleep
        self._jitter = jitter
        self._wall = wall
        self._patience: dict[Kind, Patience] = {"read": read_patience, "write": write_patience}
        self._batch_url = httpx.URL(f"{self._base}/$batch")
        self._addresses: dict[str, httpx.URL] = {}
        """Asked lately: the same questions come each minute, and taking an address apart is slow."""
        self.requests = Counts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def url(self, *segments: str) -> str:
        """The absolute address of a path below the base; each segment is escaped."""
        return "/".join([str(self._base), *(quote(segment, safe="@") for segment in segments)])

    async def get(
        self, url: str, params: Mapping[str, str] | None = None, *, urgent: bool = False
    ) -> dict[str, Any]:
        """The JSON object at `url` (from `url()`, or a nextLink).

        `urgent` reads may use the slot that routine reads leave free. Raises RetryableError,
        UnreadableError, ItemGoneError or RefusedError; an address of another origin is Malformed.
        """
        answer = await self.fetch(url, params, urgent=urgent)
        return answer.json()

    async def fetch(
        self, url: str, params: Mapping[str, str] | None = None, *, urgent: bool = False
    ) -> Answer:
        """As `get`, but the answer as it came: for who may know it already."""
        address = self._address(f"{url}?{urlencode(params)}" if params else url)
        return await self._persist("read", "GET", address, None, urgent=urgent, still=None)

    async def fetch_many(
        self, urls: Sequence[str], settle: Callable[[int, Answer | ExchangeError], None]
    ) -> None:
        """Ask for up to MAX_TOGETHER addresses in one request, patiently, each with a fate of its own.

        `settle` is told (place in `urls`, what came of it) as soon as that is known: the answer, or the
        error that `fetch` would raise. Nobody waits for what another has to wait for.
        """
        if len(urls) > MAX_TOGETHER:
            raise ValueError(f"at most {MAX_TOGETHER} reads go together")
        patience = self._patience["read"]
        open_ = list(range(len(urls)))
        attempt, waited_s = 0, 0.0
        while open_:
            asked = [urls[place] for place in open_]
            last = attempt + 1 >= patience.attempts
            # What makes the whole fail may be one of them, so the last time each goes on its own.
            told = await (self._each(asked) if last and attempt else self._together(asked))
            left, wait_s = [], 0.0
            for place, outcome in zip(open_, told, strict=True):
                if isinstance(outcome, RetryableError) and not last:
                    own_s = patience.wait_s(attempt, outcome.retry_after_s, self._jitter())
                    if waited_s + own_s <= patience.total_s:
                        left.append(place)
                        wait_s = max(wait_s, own_s)
                        continue
                settle(place, outcome)
            open_ = left
            attempt += 1
            waited_s += wait_s
            if open_:
                await self._sleep(wait_s)

    async def _together(self, urls: Sequence[str]) -> Sequence[Answer | ExchangeError]:
        """One attempt at all of them. A refusal of batches as such is none of what was asked for."""
        try:
            return await self._batch(urls)
        except (RetryableError, AuthError, UntrustedError) as error:
            return [error] * len(urls)
        except ExchangeError:
            return await self._each(urls)

    async def _each(self, urls: Sequence[str]) -> list[Answer | ExchangeError]:
        """One attempt at each of them, one after the other."""
        told: list[Answer | ExchangeError] = []
        for url in urls:
            try:
                address = self._address(url)
                told.append(await self._attempt("read", "GET", address, None, urgent=False, still=None))
            except ExchangeError as error:
                told.append(error)
        return told

    async def _batch(self, urls: Sequence[str]) -> list[Answer | ExchangeError]:
        told = await self._envelope(urls)
        refused = {
            place: one.headers.get("www-authenticate", "")
            for place, one in enumerate(told)
            if isinstance(one, Answer) and one.status == HTTPStatus.UNAUTHORIZED
        }
        if refused:  # although the envelope was let in: the token ended in between, or a mailbox is odd
            await self._tokens.token(claims=claims_challenge(",".join(refused.values())) or FRESH)
            again = await self._envelope([urls[place] for place in refused])
            for place, one in zip(refused, again, strict=True):
                told[place] = one
        return [self._judged(one) for one in told]

    async def _envelope(self, urls: Sequence[str]) -> list[Answer | MalformedError]:
        """The answers as they came. Raises what the envelope as a whole met with."""
        content = envelope([self._relative(url) for url in urls], PREFER)
        async with self._slots.all():
            self.requests.batched += len(urls)
            answer = await self._let_in(
                lambda token: self._send("read", "POST", self._batch_url, content, token, limit_s=BATCH_S)
            )
        return take_apart(self._accepted("read", answer).body, len(urls))

    def _judged(self, one: Answer | MalformedError) -> Answer | ExchangeError:
        if isinstance(one, MalformedError):
            return one
        try:
            return self._accepted("read", one)
        except ExchangeError as error:
            return error

    def _relative(self, url: str) -> str:
        """The address as a batch has it. Raises MalformedError for one that lies elsewhere."""
        base = str(self._base)
        if not url.startswith(base + "/"):
            raise MalformedError(f"a link away from {self._base.host}, where the token must not go")
        return url[len(base) :]

    async def write(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        still: Callable[[], bool] | None = None,
    ) -> None:
        """Send one POST, PATCH or DELETE; returns when Graph has accepted it (2xx).

        `still` is asked right before each sending; when it says no, GivenUpError. RetryableError:
        it had no effect. UnclearError: it may have had one. Also UnreadableError, ItemGoneError
        and RefusedError, all without effect.
        """
        await self.submit(method, url, body, still=still)

    async def submit(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        still: Callable[[], bool] | None = None,
    ) -> Answer:
        """As `write`, but returns the answer: what was created, say. `headers` go along, such as If-Match."""
        content = None if body is None else json.dumps(body).encode()
        return await self._persist(
            "write", method, self._address(url), content, urgent=True, still=still, headers=headers
        )

    def _address(self, url: str) -> httpx.URL:
        known = self._addresses.get(url)
        if known is not None:
            return known
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise MalformedError("a link that is no address") from error
        if _origin(address) != _origin(self._base):
            raise MalformedError(f"a link away from {self._base.host}, where the token must not go")
        if len(self._addresses) >= ADDRESSES_KEPT:
            self._addresses.clear()
        self._addresses[url] = address
        return address

    async def _persist(
        self,
        kind: Kind,
        method: str,
        url: httpx.URL,
        content: bytes | None,
        *,
        urgent: bool,
        still: Callable[[], bool] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        patience = self._patience[kind]
        attempt = 0
        waited_s = 0.0
        while True:
            try:
                return await self._attempt(
                    kind, method, url, content, urgent=urgent, still=still, headers=headers
                )
            except (ConflictError, GivenUpError):
                raise
            except RetryableError as problem:
                wait_s = patience.wait_s(attempt, problem.retry_after_s, self._jitter())
                attempt += 1
                waited_s += wait_s
                if attempt >= patience.attempts or waited_s > patience.total_s:
                    raise
            await self._sleep(wait_s)  # outside the slot: others may go on

    async def _attempt(
        self,
        kind: Kind,
        method: str,
        url: httpx.URL,
        content: bytes | None,
        *,
        urgent: bool,
        still: Callable[[], bool] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        async with self._slots.one(urgent=urgent):
            answer = await self._let_in(
                lambda token: self._send(kind, method, url, content, token, still=still, more=headers)
            )
        return self._accepted(kind, answer)

    async def _let_in(self, send: Callable[[str], Awaitable[Answer]]) -> Answer:
        """The answer to `send` with the token that there is; with another one, where that is refused."""
        token = await self._tokens.token()
        answer = await send(token)
        claims = claims_challenge(answer.headers.get("www-authenticate", ""))
        if answer.status == HTTPStatus.UNAUTHORIZED or (
            answer.status == HTTPStatus.FORBIDDEN and claims is not None
        ):
            answer = await send(await self._other_token(token, claims))
        return answer

    def _accepted(self, kind: Kind, answer: Answer) -> Answer:
        """The answer; what is no 2xx is raised as the error that it stands for."""
        if answer.accepted:
            return answer
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.requests.throttled += 1
        wait_s = retry_after(answer.headers, self._wall)
        raise from_answer(kind, answer.status, answer.headers, answer.body, wait_s)

    async def _other_token(self, refused: str, claims: str | None) -> str:
        if claims is None:
            current = await self._tokens.token()
            if current != refused:  # a request beside this one has renewed it already
                return current
        return await self._tokens.token(claims=FRESH if claims is None else claims)

    async def _send(
        self,
        kind: Kind,
        method: str,
        url: httpx.URL,
        content: bytes | None,
        token: str,
        *,
        still: Callable[[], bool] | None = None,
        limit_s: float = REQUEST_S,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """One HTTP request; every failure without an answer as an ExchangeError."""
        headers = {**HEADERS, **(more or {}), "Authorization": f"Bearer {token}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = httpx.Request(method, url, headers=headers, content=content, extensions=EXTENSIONS)
        if still is not None and not still():
            raise GivenUpError("given up before it was sent")
        if kind == "read":
            self.requests.read += 1
        else:
            self.requests.write += 1
        try:
            async with asyncio.timeout(limit_s):
                response = await self._transport.handle_async_request(request)
                try:
                    return await self._collect(kind, response)
                finally:
                    await response.aclose()
        except NOTHING_SENT as error:
            raise _unreached(error) from error
        except (httpx.RequestError, TimeoutError) as error:
            raise _lost(kind, error) from error

    async def _collect(self, kind: Kind, response: httpx.Response) -> Answer:
        accepted = kind == "write" and response.is_success
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    break
        except httpx.RequestError:
            if not accepted:  # the status of a write says all; what follows is decoration
                raise
        if len(body) > MAX_BODY_BYTES and not accepted:
            too_long = f"an answer over {MAX_BODY_BYTES} bytes"
            raise MalformedError(too_long) if kind == "read" else UnclearError(too_long)
        return Answer(response.status_code, response.is_success, dict(response.headers), bytes(body))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.host, port


def _unreached(error: Exception) -> ExchangeError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UntrustedError(
                f"the server's certificate is not trusted ({cause.verify_message}): "
                "check this machine's clock, ca_file and any proxy in between"
            )
        cause = cause.__cause__ or cause.__context__
    return RetryableError(f"Exchange cannot be reached: {type(error).__name__}")


def _lost(kind: Kind, error: Exception) -> ExchangeError:
    why = f"no answer from Exchange: {type(error).__name__}"
    return RetryableError(why) if kind == "read" else UnclearError(why)
