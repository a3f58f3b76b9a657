"""The Graph client: patience with reads, exactly one sending of a write that may have worked."""

import asyncio
import base64
import gzip
import http.server
import json
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from gateway.exchange import errors
from gateway.exchange.answer import claims_challenge, retry_after
from gateway.exchange.auth import FRESH
from gateway.exchange.client import (
    MAX_BODY_BYTES,
    PREFER,
    WRITE_PATIENCE,
    GraphClient,
    Patience,
)

BASE = "https://graph.example/v1.0"

Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class FakeTokens:
    """Counts questions; each fresh one gives a new token."""

    def __init__(self) -> None:
        self.serial = 1
        self.claims: list[str] = []

    async def token(self, *, claims: str | None = None) -> str:
        if claims is not None:
            self.serial += 1
            self.claims.append(claims)
        return f"token-{self.serial}"


class Bench:
    """A client on scripted answers: each is a Response, an exception to raise, or a handler."""

    def __init__(self, *script: httpx.Response | Exception | Handler, **settings: Any) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []
        self.slept: list[float] = []
        self.tokens = FakeTokens()
        self.client = GraphClient(
            BASE,
            self.tokens,
            transport=httpx.MockTransport(self._answer),
            sleep=self._sleep,
            jitter=lambda: 1.0,
            wall=lambda: 0.0,
            **settings,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        answer = step(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    async def read(self) -> dict[str, Any]:
        return await self.client.get(self.client.url("users", "orion@contoso.com", "calendarView"))

    async def write(self, **kwargs: Any) -> None:
        url = self.client.url("users", "orion@contoso.com", "events", "A=", "decline")
        await self.client.write("POST", url, {"comment": "x"}, **kwargs)


def answer(status: int, code: str = "", **headers: str) -> httpx.Response:
    """An answer as Graph gives it, with its error code and headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": {"code": code}} if code else None, headers=named)


def ok(**body: Any) -> httpx.Response:
    """A 200 with this JSON object."""
    return httpx.Response(200, json=body)


async def test_requests_ask_for_immutable_ids_and_utc_with_the_token() -> None:
    """Both preferences are on every request (Graph forgets them), in one header."""
    bench = Bench(ok(value=[]))
    assert await bench.read() == {"value": []}
    request = bench.seen[0]
    assert request.headers["prefer"] == PREFER == 'IdType="ImmutableId", outlook.timezone="UTC"'
    assert request.headers["authorization"] == "Bearer token-1"
    assert bench.client.requests.total == bench.client.requests.read == 1


async def test_each_request_stands_alone_and_has_its_time_limits() -> None:
    """A cookie that an answer sets is not sent back, and the network is told how long it may take."""
    with_cookie = httpx.Response(200, json={}, headers={"set-cookie": "x=1; Path=/"})
    bench = Bench(with_cookie, ok())
    await bench.read()
    await bench.read()
    second = bench.seen[1]
    assert "cookie" not in second.headers
    assert second.extensions["timeout"] == {"connect": 10.0, "read": 30.0, "write": 30.0, "pool": 30.0}


async def test_an_answer_may_come_compressed() -> None:
    """Both ways that are asked for; what is broken is a lost answer, and asked for again."""
    body = b'{"value": [1]}'
    for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        packed_answer = httpx.Response(
            200, headers={"content-encoding": encoding}, stream=httpx.ByteStream(packed)
        )
        bench = Bench(packed_answer)
        assert await bench.read() == {"value": [1]}
        assert encoding in bench.seen[0].headers["accept-encoding"]
    broken = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(body))
    assert await Bench(broken, ok(value=[2])).read() == {"value": [2]}


def test_ids_are_escaped_and_addresses_kept_readable() -> None:
    """An id with a slash cannot change the path."""
    client = Bench().client
    url = httpx.URL(client.url("users", "orion@contoso.com", "events", "A/../b+=="))
    assert url.raw_path == b"/v1.0/users/orion@contoso.com/events/A%2F..%2Fb%2B%3D%3D"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
async def test_reads_are_repeated_while_graph_is_away(status: int) -> None:
    """A read has no effect, so it is tried again, with doubling waits."""
    bench = Bench(answer(status), answer(status), ok(value=[1]))
    assert await bench.read() == {"value": [1]}
    assert bench.slept == [1.0, 2.0]
    assert bench.client.requests.read == 3
    assert bench.client.requests.throttled == (2 if status == 429 else 0)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.DecodingError("x"),
        TimeoutError(),
    ],
)
async def test_reads_are_repeated_when_the_network_fails(error: Exception) -> None:
    """Whatever breaks on the way of a read, it is simply read again."""
    bench = Bench(error, ok(value=[]))
    assert await bench.read() == {"value": []}
    assert bench.slept == [1.0]


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", None, 7.0),
        ("2.128", None, 2.128),
        ("0", None, 0.0),
        ("Thu, 01 Jan 1970 00:00:09 GMT", None, 9.0),
        ("Fri, 02 Jan 2026 10:00:12 GMT", "Fri, 02 Jan 2026 10:00:00 GMT", 12.0),
        ("Fri, 02 Jan 2026 09:59:00 GMT", "Fri, 02 Jan 2026 10:00:00 GMT", 0.0),
        (None, None, None),
        ("soon", None, None),
        ("-3", None, None),
        ("nan", None, None),
        ("Fri, 99 Jan 2026 09:59:00 GMT", None, None),
    ],
)
def test_every_form_of_retry_after_is_understood(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    """Whole seconds, decimals, dates (against the answer's own Date), nothing, and nonsense."""
    headers = httpx.Headers({k: v for k, v in {"Retry-After": value, "Date": date}.items() if v is not None})
    assert retry_after(headers, lambda: 0.0) == seconds


async def test_a_read_waits_as_long_as_it_is_asked_to() -> None:
    """Retry-After is followed to the digit; without one the wait doubles."""
    bench = Bench(
        answer(429, retry_after="2.128"),
        answer(503, retry_after="Thu, 01 Jan 1970 00:00:05 GMT"),
        answer(429, "ApplicationThrottled"),
        ok(),
    )
    await bench.read()
    assert bench.slept == [2.128, 5.0, 4.0]


async def test_a_read_gives_up_after_its_attempts() -> None:
    """Patience has an end, and the error says that later may be better."""
    bench = Bench(*(answer(503) for _ in range(5)))
    with pytest.raises(errors.RetryableError) as caught:
        await bench.read()
    assert len(bench.seen) == 5
    assert bench.slept == [1.0, 2.0, 4.0, 8.0]
    assert caught.value.status == 503


async def test_a_wait_that_is_too_long_is_handed_to_the_caller() -> None:
    """Nobody sleeps for ten minutes inside a read; the caller learns how long to stay away."""
    bench = Bench(answer(429, "TooManyRequests", retry_after="600"))
    with pytest.raises(errors.RetryableError) as caught:
        await bench.read()
    assert caught.value.retry_after_s == 600.0
    assert bench.slept == []
    assert caught.value.code == "toomanyrequests"


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_waits_are_spread_but_bounded(jitter: float) -> None:
    """Jitter moves a wait between half and the whole of its step, and the cap holds."""
    patience = Patience(attempts=9, first_s=1.0, cap_s=20.0, total_s=99.0)
    waits = [patience.wait_s(attempt, None, jitter) for attempt in range(9)]
    assert waits[0] == 0.5 + 0.5 * jitter
    assert max(waits) == 20.0 * (0.5 + 0.5 * jitter)


@pytest.mark.parametrize(
    "step",
    [
        httpx.ReadTimeout("x"),
        httpx.WriteTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.RemoteProtocolError("x"),
        TimeoutError(),
        answer(500, "InternalServerError"),
        answer(502),
        answer(503),
        answer(504),
        answer(408),
        answer(404),
    ],
)
async def test_a_write_whose_effect_is_open_is_never_sent_again(step: httpx.Response | Exception) -> None:
    """Invariant L4: an unclear answer becomes UnclearError after exactly one request."""
    bench = Bench(step)
    with pytest.raises(errors.UnclearError):
        await bench.write()
    assert len(bench.seen) == bench.client.requests.write == 1
    assert bench.slept == []


@pytest.mark.parametrize(
    "step",
    [
        answer(429, "ApplicationThrottled"),
        answer(503, retry_after="1"),
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.PoolTimeout("x"),
    ],
)
async def test_a_write_without_any_effect_is_tried_again(step: httpx.Response | Exception) -> None:
    """Throttled, or never sent: the write goes out once it can."""
    bench = Bench(step, httpx.Response(202))
    await bench.write()
    assert len(bench.seen) == 2


async def test_a_write_tries_for_seconds_only() -> None:
    """A write rests on a fresh read, so its own waits stay far below the 30 s of invariant W4."""
    bench = Bench(*(answer(429) for _ in range(3)))
    with pytest.raises(errors.RetryableError):
        await bench.write()
    assert len(bench.seen) == 3
    assert sum(bench.slept) <= WRITE_PATIENCE.total_s <= 10


async def test_the_last_word_before_each_sending_is_the_callers() -> None:
    """`still` is asked before every attempt; a no sends nothing (more)."""
    bench = Bench(answer(429))
    answers = iter([True, False])
    with pytest.raises(errors.GivenUpError):
        await bench.write(still=lambda: next(answers))
    assert len(bench.seen) == 1


async def test_a_body_lost_after_an_accepted_write_does_not_matter() -> None:
    """A 200 to a PATCH says all; the event behind it is decoration."""

    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            raise httpx.ReadError("lost")

    bench = Bench(httpx.Response(200, stream=Broken()))
    await bench.write()
    assert len(bench.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "InvalidAuthenticationToken", errors.AuthError),
        (401, "MailboxNotEnabledForRESTAPI", errors.MailboxError),
        (403, "ErrorAccessDenied", errors.ForbiddenError),
        (403, "", errors.ForbiddenError),
        (404, "MailboxNotEnabledForRESTAPI", errors.MailboxError),
        (404, "ErrorInvalidUser", errors.MailboxError),
        (404, "", errors.MailboxError),
        (404, "ErrorItemNotFound", errors.ItemGoneError),
        (404, "ErrorInvalidIdMalformed", errors.RefusedError),
        (400, "ErrorInvalidIdMalformed", errors.RefusedError),
        (400, "", errors.RefusedError),
        (409, "Conflict", errors.RefusedError),
        (410, "SyncStateNotFound", errors.RefusedError),
        (412, "ErrorIrresolvableConflict", errors.ConflictError),
        (302, "", errors.MalformedError),
    ],
)
async def test_each_answer_becomes_the_error_that_says_what_to_do(
    status: int, code: str, expected: type[errors.ExchangeError]
) -> None:
    """Status and code decide, for reads; none of these is tried again (401 once, with a new token)."""
    bench = Bench(*([answer(status, code)] * (2 if status == 401 else 1)))
    with pytest.raises(errors.ExchangeError) as caught:
        await bench.read()
    assert type(caught.value) is expected
    assert bench.slept == []
    assert caught.value.code == code.lower()


async def test_a_refused_token_is_renewed_once_and_the_request_repeated() -> None:
    """A plain 401 leads to one fresh token; a 401 has no effect, so writes are repeated as well."""
    bench = Bench(answer(401), httpx.Response(202))
    await bench.write()
    assert bench.tokens.claims == [FRESH]
    assert [request.headers["authorization"] for request in bench.seen] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


async def test_a_token_that_was_renewed_meanwhile_is_used_without_asking_again() -> None:
    """Four requests with one stale token renew it once, not four times."""
    bench = Bench()

    def renewed_beside(_: httpx.Request) -> httpx.Response:
        bench.tokens.serial += 1
        return answer(401)

    bench.script = [renewed_beside, ok()]
    await bench.read()
    assert bench.tokens.claims == []
    assert bench.seen[1].headers["authorization"] == "Bearer token-2"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_claims_challenge_is_decoded_and_passed_on(status: int) -> None:
    """Continuous access evaluation: the claims come as base64 in WWW-Authenticate."""
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1604106651"}}})
    encoded = base64.b64encode(claims.encode()).decode()
    challenge = f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'
    bench = Bench(answer(status, www_authenticate=challenge), ok())
    await bench.read()
    assert bench.tokens.claims == [claims]


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ('Bearer claims="eyJhIjoiPz8_In0"', '{"a":"???"}'),
        ('Bearer claims="eyJhIjoiPz8/In0="', '{"a":"???"}'),
        ('Bearer claims="AAAA"', None),
        ('Bearer claims="WzFd"', None),
        ('Bearer realm=""', None),
    ],
)
def test_claims_are_read_in_both_alphabets_and_nonsense_is_none(header: str, claims: str | None) -> None:
    """Only a JSON object counts as claims."""
    assert claims_challenge(header) == claims


async def test_never_more_than_four_requests_are_in_flight() -> None:
    """Outlook's limit: with 40 callers at once, 4 are with the server, of which routine reads are 3."""
    release = asyncio.Event()
    now = {"read": 0, "write": 0}
    most: list[dict[str, int]] = []

    async def hold(request: httpx.Request) -> httpx.Response:
        kind = "read" if request.method == "GET" else "write"
        now[kind] += 1
        most.append(dict(now))
        await release.wait()
        now[kind] -= 1
        return ok()

    bench = Bench(*([hold] * 40))
    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(bench.read())
        for _ in range(10):
            group.create_task(bench.write())
        for _ in range(50):  # let everybody who can start do so
            await asyncio.sleep(0)
        assert sum(now.values()) == 4
        release.set()
    assert len(most) == 40
    assert max(sum(counts.values()) for counts in most) == 4
    assert max(counts["read"] for counts in most) == 3


async def test_a_write_does_not_queue_behind_routine_reads() -> None:
    """A release goes out at once while a hundred rooms are being read."""
    release = asyncio.Event()

    async def hold(_: httpx.Request) -> httpx.Response:
        await release.wait()
        return ok()

    bench = Bench(hold, hold, hold, httpx.Response(202), *([hold] * 97))
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(bench.read())
        for _ in range(50):
            await asyncio.sleep(0)
        await bench.write()
        assert len(bench.seen) == 4
        release.set()


async def test_nobody_holds_a_slot_while_backing_off() -> None:
    """A throttled read sleeps outside its slot."""
    bench = Bench(answer(429), ok(), ok(), in_flight=1)

    async def others_go_on(_: float) -> None:
        await bench.read()

    bench.client._sleep = others_go_on
    async with asyncio.timeout(5):
        await bench.read()
    assert len(bench.seen) == 3


async def test_an_answer_over_the_limit_is_refused() -> None:
    """A server cannot fill the box's memory."""

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" " * 1_000_000

    bench = Bench(httpx.Response(200, stream=Endless()))
    with pytest.raises(errors.MalformedError, match=str(MAX_BODY_BYTES)):
        await bench.read()


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'"x"'])
async def test_an_answer_that_is_no_json_object_is_malformed(content: bytes) -> None:
    """A portal's page with status 200 is not an empty calendar."""
    with pytest.raises(errors.MalformedError):
        await Bench(httpx.Response(200, content=content)).read()


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.example.evil.test/v1.0/x",
        "http://graph.example/v1.0/x",
        "https://graph.example:8443/v1.0/x",
        "//graph.example/v1.0/x",
        "/v1.0/x",
        "https://graph.example:port/",
    ],
)
async def test_the_token_never_leaves_its_origin(link: str) -> None:
    """A link to another scheme, host or port is not followed."""
    bench = Bench()
    with pytest.raises(errors.MalformedError):
        await bench.client.get(link)
    assert bench.seen == []


async def test_an_explicit_default_port_is_the_same_origin() -> None:
    """https://host and https://host:443 are one place."""
    bench = Bench(ok())
    await bench.client.get("https://graph.example:443/v1.0/x?$skiptoken=a")
    assert len(bench.seen) == 1


def test_a_token_is_never_sent_in_the_open() -> None:
    """Plain http is for loopback only."""
    with pytest.raises(ValueError, match="https"):
        GraphClient("http://graph.example/v1.0", FakeTokens())
    GraphClient("http://127.0.0.1:8080/v1.0", FakeTokens())


async def test_error_texts_hold_facts_and_no_message() -> None:
    """Graph's messages may quote names; status, code and request id are enough to act on."""
    body = {"error": {"code": "ErrorAccessDenied", "message": "canary Jane Doe"}}
    bench = Bench(httpx.Response(403, json=body, headers={"request-id": "r-1"}))
    with pytest.raises(errors.ForbiddenError) as caught:
        await bench.read()
    text = str(caught.value)
    assert "canary" not in text
    assert "HTTP 403 erroraccessdenied request-id r-1" in text
    assert "Application Calendars.ReadWrite" in text


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"", []),
        (b"<html>", []),
        (b"[]", []),
        (b'{"error":"x"}', []),
        (b'{"error":{"code":"","innerError":{"code":"429"}}}', ["429"]),
        (b'{"error":{"code":"A","innererror":{"code":"B","innerError":{"code":"C"}}}}', ["a", "b", "c"]),
    ],
)
def test_codes_are_found_however_they_nest(body: bytes, codes: list[str]) -> None:
    """Both spellings of innerError, empty codes, missing bodies."""
    assert errors.graph_codes(body) == codes


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = b'{"value": ["over-tls"]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address and CA file of a TLS server on loopback."""
    ca = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses us is expected
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_port}/v1.0", str(ca_file)
    server.shutdown()
    thread.join(10)
    server.server_close()


async def test_a_ca_file_is_trusted_over_real_tls(
    tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network's own transport, on the settings alone; proxies of the environment are not used."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with GraphClient(tls[0], FakeTokens(), ca_file=tls[1]) as client, asyncio.timeout(20):
        assert await client.get(client.url("x")) == {"value": ["over-tls"]}


async def test_an_untrusted_certificate_names_what_to_mend(
    tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No repeating helps against it, the token was not sent, and the environment adds no trust."""
    monkeypatch.setenv("SSL_CERT_FILE", tls[1])
    async with GraphClient(tls[0], FakeTokens()) as client, asyncio.timeout(20):
        with pytest.raises(errors.UntrustedError, match=r"certificate is not trusted .*ca_file"):
            await client.get(client.url("x"))
    assert client.requests.total == 1
