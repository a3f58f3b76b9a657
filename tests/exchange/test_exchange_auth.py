"""Tokens: asked for once, shared, renewed on demand, and refusals that say what to mend."""

import asyncio
import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests
import trustme
from cryptography.hazmat.primitives import hashes

from gateway.exchange import errors
from gateway.exchange.auth import FRESH, InlineExecutor, MsalTokens, advice, from_token_error
from gateway.exchange.credentials import AssertionFile, CertificateFiles, SecretFile

if TYPE_CHECKING:
    from tests.exchange.conftest import Pair
else:
    Pair = Any

AUTHORITY = "https://login.example/contoso"


class Reply:
    """What msal expects of an HTTP answer."""

    def __init__(self, status: int, body: dict[str, Any] | str, **headers: str) -> None:
        self.status_code = status
        self.text = body if isinstance(body, str) else json.dumps(body)
        self.headers = headers

    def raise_for_status(self) -> None:
        raise requests.HTTPError(str(self.status_code))


DISCOVERY = {
    "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
    "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
    "issuer": f"{AUTHORITY}/v2.0",
}


class FakeAuthority:
    """The authority behind msal's HTTP client; counts and remembers what it is asked."""

    def __init__(self) -> None:
        self.discovery: Reply | Exception = Reply(200, DISCOVERY)
        self.answers: list[Reply | Exception] = []
        self.gets: list[str] = []
        self.posts: list[dict[str, Any]] = []
        self.hold: threading.Event | None = None
        self.expires_in = 3600
        self.closed = False

    def get(self, url: str, **_: Any) -> Reply:
        self.gets.append(url)
        return _or_raise(self.discovery)

    def post(self, _url: str, *, data: dict[str, Any], **_: Any) -> Reply:
        self.posts.append(data)
        if self.hold is not None:
            assert self.hold.wait(10)
        if self.answers:
            return _or_raise(self.answers.pop(0))
        token = {
            "access_token": f"t{len(self.posts)}",
            "expires_in": self.expires_in,
            "token_type": "Bearer",
        }
        return Reply(200, token)

    def close(self) -> None:
        self.closed = True


def _or_raise(answer: Reply | Exception) -> Reply:
    if isinstance(answer, Exception):
        raise answer
    return answer


def tokens_from(authority: FakeAuthority, **settings: Any) -> MsalTokens:
    """Msal on the fake, run inline."""
    return MsalTokens(
        AUTHORITY,
        "client-1",
        settings.pop("credential", "secret-1"),
        executor=settings.pop("executor", InlineExecutor()),
        http_client=authority,
        **settings,
    )


def refusal(number: int, error: str = "invalid_client", status: int = 401) -> Reply:
    """An error answer of the token endpoint as Entra gives it."""
    text = f"AADSTS{number}: something about client-1. Trace ID: 0"
    return Reply(status, {"error": error, "error_description": text, "error_codes": [number]})


async def test_a_token_is_asked_for_once_and_then_reused() -> None:
    """The second question costs nothing; only the private authority itself was ever asked."""
    authority = FakeAuthority()
    tokens = tokens_from(authority)
    assert [await tokens.token(), await tokens.token()] == ["t1", "t1"]
    assert len(authority.posts) == 1
    assert authority.gets == [f"{AUTHORITY}/v2.0/.well-known/openid-configuration"]
    assert authority.posts[0]["scope"] == "https://graph.microsoft.com/.default"
    await tokens.aclose()
    assert authority.closed


async def test_concurrent_callers_share_one_question() -> None:
    """Twenty callers at once, on real threads: one request, one token."""
    authority = FakeAuthority()
    authority.hold = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        tokens = tokens_from(authority, executor=pool)
        callers = [asyncio.create_task(tokens.token()) for _ in range(20)]
        await asyncio.sleep(0)
        callers[0].cancel()  # one who leaves does not take the token from the others
        authority.hold.set()
        got = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(got[0], asyncio.CancelledError)
    assert set(got[1:]) == {"t1"}
    assert len(authority.posts) == 1


async def test_a_claims_challenge_brings_a_new_token_for_everybody() -> None:
    """Claims skip msal's cache; the new token then replaces the old one."""
    authority = FakeAuthority()
    tokens = tokens_from(authority)
    assert await tokens.token() == "t1"
    assert await tokens.token(claims='{"access_token":{"nbf":{"value":"1"}}}') == "t2"
    assert await tokens.token(claims=FRESH) == "t3"
    assert await tokens.token() == "t3"
    assert json.loads(authority.posts[1]["claims"])["access_token"] == {
        "nbf": {"value": "1"},
        "xms_cc": {"values": ["CP1"]},
    }


async def test_concurrent_renewals_share_one_question_too() -> None:
    """Four requests whose token is refused at once cost one renewal, though renewals skip every cache."""
    authority = FakeAuthority()
    tokens = tokens_from(authority)
    got = await asyncio.gather(*(tokens.token(claims=FRESH) for _ in range(4)))
    assert set(got) == {"t1"}
    assert len(authority.posts) == 1


async def test_a_token_that_ends_soon_is_not_held_long() -> None:
    """Half of what is left at most, so a short-lived token is renewed in time."""
    authority = FakeAuthority()
    authority.expires_in = 0
    tokens = tokens_from(authority)
    assert [await tokens.token(), await tokens.token()] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7000215, "secret is wrong"),
        (7000222, "secret has expired"),
        (700016, "client id"),
        (90002, "tenant does not exist"),
        (700027, "certificate"),
        (53003, "conditional access"),
        (1234567, "look the code up"),
    ],
)
async def test_each_refusal_says_what_to_mend(number: int, words: str) -> None:
    """The AADSTS number is told with what it means; the description, which may quote names, is not."""
    authority = FakeAuthority()
    authority.answers = [refusal(number)]
    with pytest.raises(errors.AuthError, match=words) as caught:
        await tokens_from(authority).token()
    assert caught.value.code == f"AADSTS{number}"
    assert "Trace" not in str(caught.value)


async def test_a_refusal_stands_for_a_while() -> None:
    """A hundred rooms with one wrong secret do not ask a hundred times."""
    authority = FakeAuthority()
    authority.answers = [refusal(7000215), refusal(7000215)]
    tokens = tokens_from(authority)
    for _ in range(100):
        with pytest.raises(errors.AuthError):
            await tokens.token()
    assert len(authority.posts) == 1


@pytest.mark.parametrize(
    "answer",
    [
        requests.ConnectionError("x"),
        requests.Timeout("x"),
        Reply(503, "busy"),
        refusal(90033, "temporarily_unavailable", 503),
        refusal(90055, "invalid_request", 429),
        Reply(200, "<html>"),
    ],
)
async def test_an_absent_authority_is_a_matter_of_time(answer: Reply | Exception) -> None:
    """Network, 5xx, overload and nonsense: try again, nothing to mend in the settings."""
    authority = FakeAuthority()
    authority.answers = [answer]
    with pytest.raises(errors.RetryableError):
        await tokens_from(authority).token()


@pytest.mark.parametrize(
    "discovery",
    [requests.ConnectionError("x"), Reply(500, "x"), Reply(200, "<html>"), Reply(200, {"issuer": "x"})],
)
async def test_discovery_is_tried_again_with_the_next_token(discovery: Reply | Exception) -> None:
    """A box that boots before its network works gets its token later, without a restart."""
    authority = FakeAuthority()
    authority.discovery = discovery
    tokens = tokens_from(authority)
    with pytest.raises(errors.RetryableError):
        await tokens.token()
    authority.discovery = Reply(200, DISCOVERY)
    assert await tokens.token() == "t1"


async def test_an_unknown_tenant_is_named_at_discovery() -> None:
    """Entra answers the discovery of an unknown tenant with 400 and AADSTS90002."""
    authority = FakeAuthority()
    authority.discovery = Reply(400, {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant"})
    with pytest.raises(errors.AuthError, match="tenant does not exist") as caught:
        await tokens_from(authority).token()
    assert caught.value.code == "AADSTS90002"


@pytest.mark.parametrize(
    ("authority", "credential"),
    [
        ("http://login.example/contoso", "s"),
        ("https://login.example", "s"),
        (AUTHORITY, {"private_key": "no key", "thumbprint": "A1"}),
        (AUTHORITY, {"private_key": "no key"}),
        (AUTHORITY, {"private_key_pfx_path": "/nowhere/at/all.pfx"}),
    ],
)
async def test_unusable_settings_are_refused_with_advice(
    authority: str, credential: str | dict[str, Any]
) -> None:
    """A plain http authority, one without tenant, a broken or missing key: somebody must mend it."""
    tokens = MsalTokens(
        authority, "client-1", credential, executor=InlineExecutor(), http_client=FakeAuthority()
    )
    with pytest.raises(errors.AuthError):
        await tokens.token()


def test_token_errors_without_a_number_keep_their_name() -> None:
    """Other OpenID servers know no AADSTS; their error name is the code."""
    error = from_token_error({"error": "invalid_scope"})
    assert isinstance(error, errors.AuthError)
    assert error.code == "invalid_scope"
    assert from_token_error({"error_description": "AADSTS7000222: x"}).code == "AADSTS7000222"


def test_an_inline_executor_runs_at_once_and_keeps_errors() -> None:
    """Its futures are done on return, with the result or the exception."""
    executor = InlineExecutor()
    assert executor.submit(lambda: 7).result(timeout=0) == 7
    assert isinstance(executor.submit(lambda: int("x")).exception(timeout=0), ValueError)


# A real TLS endpoint on loopback: the certificate settings, end to end.


class _Authority(http.server.BaseHTTPRequestHandler):
    posts: list[dict[str, list[str]]]

    def do_GET(self) -> None:
        base = f"https://{self.headers['Host']}/contoso"
        self._json({**DISCOVERY, "token_endpoint": f"{base}/oauth2/v2.0/token"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.posts.append(parse_qs(body))
        self._json({"access_token": "over-tls", "expires_in": 3600, "token_type": "Bearer"})

    def _json(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class TlsAuthority:
    """Its address, its authority's certificate, what it was sent, and a certificate to sign with."""

    def __init__(self, url: str, ca_file: Path, posts: list[dict[str, list[str]]]) -> None:
        self.url = url
        self.ca_file = str(ca_file)
        self.posts = posts


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[TlsAuthority]:
    """An OpenID authority on loopback with a certificate of its own CA."""
    ca = trustme.CA(key_type=trustme.KeyType.RSA)
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    posts: list[dict[str, list[str]]] = []
    handler = type("Handler", (_Authority,), {"posts": posts})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses us is expected
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield TlsAuthority(f"https://localhost:{server.server_address[1]}/contoso", ca_file, posts)
    server.shutdown()
    thread.join(10)
    server.server_close()


async def test_ca_file_is_used_whatever_the_environment_says(
    tls: TlsAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQUESTS_CA_BUNDLE and proxies of the environment do not override the settings."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    tokens = MsalTokens(tls.url, "client-1", "secret-1", ca_file=tls.ca_file)
    async with asyncio.timeout(20):
        assert await tokens.token() == "over-tls"
    await tokens.aclose()
    assert tls.posts[0]["client_id"] == ["client-1"]


async def test_an_untrusted_authority_is_an_error_that_names_the_certificate(tls: TlsAuthority) -> None:
    """A TLS-inspecting proxy or a wrong clock: said so, and no secret is sent."""
    tokens = MsalTokens(tls.url, "client-1", "secret-1")
    async with asyncio.timeout(20):
        with pytest.raises(errors.AuthError, match="certificate is not trusted"):
            await tokens.token()
    await tokens.aclose()
    assert tls.posts == []


async def test_a_missing_ca_file_is_named(tls: TlsAuthority, tmp_path: Path) -> None:
    """A path that does not exist is a setting to mend."""
    tokens = MsalTokens(tls.url, "client-1", "secret-1", ca_file=str(tmp_path / "none.pem"))
    async with asyncio.timeout(20):
        with pytest.raises(errors.AuthError, match="ca_file"):
            await tokens.token()
    await tokens.aclose()


async def test_a_certificate_signs_instead_of_a_secret(tls: TlsAuthority) -> None:
    """With a certificate the request carries a signed assertion and no secret."""
    leaf = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
        "gateway.contoso.com", key_type=trustme.KeyType.RSA
    )
    credential = {
        "private_key": leaf.private_key_pem.bytes().decode(),
        "public_certificate": leaf.cert_chain_pems[0].bytes().decode(),
    }
    tokens = MsalTokens(tls.url, "client-1", credential, ca_file=tls.ca_file)
    async with asyncio.timeout(20):
        assert await tokens.token() == "over-tls"
    await tokens.aclose()
    assert "client_assertion" in tls.posts[0]
    assert "client_secret" not in tls.posts[0]


# Credentials in files: read anew, shared, and explained when the authority refuses them.


def made_of(post: dict[str, Any]) -> str:
    """What a question to the authority identifies itself with."""
    given = post.get("client_secret") or post.get("client_assertion")
    return given.decode() if isinstance(given, bytes) else str(given)


async def test_a_hundred_callers_with_a_certificate_share_one_signature(tmp_path: Path, pair: Pair) -> None:
    """One request for all rooms, signed by PS256, with the thumbprint of the certificate."""
    authority = FakeAuthority()
    authority.hold = threading.Event()
    credential = CertificateFiles(pair.write(tmp_path / "c.pem"))
    with ThreadPoolExecutor(4) as pool:
        tokens = tokens_from(authority, credential=credential, executor=pool)
        callers = [asyncio.create_task(tokens.token()) for _ in range(100)]
        await asyncio.sleep(0)
        authority.hold.set()
        assert set(await asyncio.gather(*callers)) == {"t1"}
    (post,) = authority.posts
    header = jwt.get_unverified_header(made_of(post))
    claims = jwt.decode(
        made_of(post), pair.key.public_key(), algorithms=["PS256"], audience=DISCOVERY["token_endpoint"]
    )
    digest = pair.certificate.fingerprint(hashes.SHA256())
    assert (header["alg"], header["x5t#S256"].rstrip("=")) == (
        "PS256",
        base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    )
    assert claims["iss"] == claims["sub"] == "client-1"
    assert json.loads(post["claims"])["access_token"]["xms_cc"] == {"values": ["CP1"]}


async def test_a_replaced_secret_holds_without_a_restart(tmp_path: Path) -> None:
    """The file is read with each question."""
    authority, file = FakeAuthority(), tmp_path / "s"
    authority.expires_in = 0
    file.write_text("first")
    tokens = tokens_from(authority, credential=SecretFile(file))
    await tokens.token()
    file.write_text("second")
    await tokens.token()
    assert [made_of(post) for post in authority.posts] == ["first", "second"]


async def test_an_assertion_is_read_anew_for_each_question_without_another_discovery(tmp_path: Path) -> None:
    """It rotates every hour; nothing else about the application changes with it."""
    authority, file = FakeAuthority(), tmp_path / "t"
    authority.expires_in = 0
    tokens = tokens_from(authority, credential=AssertionFile(file))
    for name in ("a", "b"):
        file.write_text(f"e30.{name}.x")
        await tokens.token()
    assert [made_of(post) for post in authority.posts] == ["e30.a.x", "e30.b.x"]
    assert len(authority.gets) == 1


async def test_a_file_that_vanishes_does_not_take_what_still_holds(tmp_path: Path) -> None:
    """While it is being replaced the old secret is used; when that is refused, the file is to blame."""
    authority, file = FakeAuthority(), tmp_path / "s"
    authority.expires_in = 0
    file.write_text("first")
    tokens = tokens_from(authority, credential=SecretFile(file))
    await tokens.token()
    file.unlink()
    assert await tokens.token() == "t2"
    authority.answers = [refusal(7000215)]
    with pytest.raises(errors.AuthError, match="s: cannot be read") as caught:
        await tokens.token()
    assert caught.value.code == "AADSTS7000215"


async def test_a_credential_that_was_never_readable_is_an_error_at_once(tmp_path: Path) -> None:
    """Nothing is asked without it."""
    authority = FakeAuthority()
    with pytest.raises(errors.AuthError, match="cannot be read"):
        await tokens_from(authority, credential=SecretFile(tmp_path / "none")).token()
    assert authority.posts == []


@pytest.mark.parametrize(
    ("year", "words"), [(2028, "ended on 2027-01-31"), (2025, "not valid before 2026-01-01")]
)
async def test_a_refused_certificate_outside_its_dates_says_so(
    tmp_path: Path, pair: Pair, year: int, words: str
) -> None:
    """Entra answers both with a general code; the certificate itself knows better."""
    authority = FakeAuthority()
    authority.answers = [refusal(700027)]
    credential = CertificateFiles(pair.write(tmp_path / "c.pem"))
    wall = datetime(year, 6, 1, tzinfo=UTC).timestamp()
    with pytest.raises(errors.AuthError, match=words) as caught:
        await tokens_from(authority, credential=credential, wall=lambda: wall).token()
    assert caught.value.code == "AADSTS700027"


async def test_a_dated_certificate_is_not_refused_by_us(tmp_path: Path, pair: Pair) -> None:
    """This machine's clock may be the one that is wrong."""
    authority = FakeAuthority()
    credential = CertificateFiles(pair.write(tmp_path / "c.pem"))
    assert await tokens_from(authority, credential=credential, wall=lambda: 4e9).token() == "t1"


@pytest.mark.parametrize("number", [53000, 53003, 53011, 530003, 530032])
def test_the_whole_family_of_conditional_access_is_known(number: int) -> None:
    """Whichever policy it was, the way to find it is the same."""
    assert "conditional access" in advice(number)


@pytest.mark.parametrize("number", [None, 5300, 5300000, 54003, 1])
def test_other_numbers_are_not_taken_for_it(number: int | None) -> None:
    """An unknown number is looked up, not guessed."""
    assert advice(number) == ""
