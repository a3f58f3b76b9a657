"""The doctor finds the first mistake on the way to Exchange, says how to mend it, and changes nothing."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import trustme

from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS
from gateway.doctor import rooms
from gateway.doctor.access import credential_finding, grants_finding, refused_token
from gateway.doctor.connection import Server, compare_clocks, look_up, shake_hands
from gateway.doctor.exchange import Tools, examine
from gateway.doctor.finding import Finding, as_json, worst
from gateway.exchange.attendant_settings import AttendantSettings, Kept, save
from gateway.exchange.auth import from_token_error
from gateway.exchange.credentials import Material
from gateway.exchange.errors import AuthError, RetryableError
from gateway.exchange.moments import instant
from gateway.exchange.zones import WINDOWS
from gateway.settings import Settings, parse

NOW = instant(datetime(2026, 9, 22, 9, 0, tzinfo=UTC))
CLIENT = "00000000-0000-0000-0000-000000000000"

CONFIG = f"""\
[site]
name = "Contoso Riverside"
time_zone = "Europe/Berlin"
[mqtt]
host = "broker.contoso.com"
[exchange]
tenant_id = "contoso.onmicrosoft.com"
client_id = "{CLIENT}"
client_secret_file = "secret"
secret_expires = 2027-06-30
base_url = "http://localhost/v1.0"
[ledger]
path = "ledger.db"
"""

Handler = Callable[[httpx.Request], httpx.Response]


def settings(folder: Path, count: int = 1) -> Settings:
    """A site with so many rooms, and its secret."""
    (folder / "secret").write_text("invented")
    (folder / "secret").chmod(0o400)
    room = '[[room]]\nid = "r{0}"\nmailbox = "r{0}@contoso.com"\n'
    return parse(CONFIG + "".join(room.format(n) for n in range(count)), base=folder, environ={})


def token(*roles: str, **claims: Any) -> str:
    """An app-only token that nobody signed."""
    content = json.dumps({"appid": CLIENT, **({"roles": list(roles)} if roles else {}), **claims}).encode()
    return f"e30.{base64.urlsafe_b64encode(content).rstrip(b'=').decode()}.c2ln"


class Tokens:
    """A source of one token, or of one refusal."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer

    async def token(self, *, claims: str | None = None) -> str:
        del claims
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Graph:
    """Microsoft's servers as far as the doctor asks them; answers by path are replaced by tests."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.answers: dict[str, httpx.Response] = {}
        self.date = NOW

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        date = format_datetime(datetime.fromtimestamp(self.date / 1_000, UTC), usegmt=True)
        answer = self._answer(request.url.path)
        return httpx.Response(answer.status_code, content=answer.content, headers={"date": date})

    def _answer(self, path: str) -> httpx.Response:
        for end, answer in self.answers.items():
            if path.endswith(end):
                return answer
        if path.endswith("/calendarView"):
            return httpx.Response(200, json={"value": []})
        if path.endswith("/decline"):
            return error(400, "ErrorInvalidIdMalformed")
        if path.endswith("/mailboxSettings"):
            return httpx.Response(
                200, json={"timeZone": "W. Europe Standard Time", "userPurpose": {"value": "room"}}
            )
        return httpx.Response(401, json={"error": {"code": "InvalidAuthenticationToken"}})


def error(status: int, code: str, message: str = "") -> httpx.Response:
    """An error answer of Graph."""
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


async def no_sleep(_: float) -> None:
    """Patience without waiting."""


async def known(*_: object) -> None:
    """Every name is known."""


class Bench:
    """The doctor on scripted servers. The authority's own TLS is tested further down, on real sockets."""

    def __init__(self, folder: Path, count: int = 1, answer: str | Exception = "") -> None:
        self.settings = settings(folder, count)
        # Both servers are given plain http on loopback, where there is no handshake.
        exchange = self.settings.exchange.model_copy(update={"authority": "http://localhost/contoso"})
        object.__setattr__(self.settings, "exchange", exchange)
        self.graph = Graph()
        self.progress: list[tuple[int, int]] = []
        self.tools = Tools(
            now=lambda: NOW,
            resolve=known,
            transport=httpx.MockTransport(self.graph),
            tokens=Tokens(answer or token()),
            sleep=no_sleep,
        )

    async def look(self, only: str = "") -> list[Finding]:
        found = examine(
            self.settings, self.tools, only=only, progress=lambda done, of: self.progress.append((done, of))
        )
        return [finding async for finding in found]


def of(findings: list[Finding], step: str) -> Finding:
    """The one finding of this step."""
    (found,) = [finding for finding in findings if finding.step == step]
    return found


async def test_a_sound_way_is_found_sound(tmp_path: Path) -> None:
    """Every step is told, in order; only what nobody has imported yet is worth a look."""
    findings = await Bench(tmp_path).look()
    assert [(finding.step, finding.verdict) for finding in findings] == [
        ("entra: name", "ok"),
        ("entra: connection", "skipped"),
        ("entra: clock", "ok"),
        ("graph: name", "ok"),
        ("graph: connection", "skipped"),
        ("graph: clock", "ok"),
        ("credential", "ok"),
        ("token", "ok"),
        ("roles", "ok"),
        ("room readable", "ok"),
        ("room writable", "ok"),
        ("room mailbox", "ok"),
        ("booking attendant", "warn"),
    ]
    assert worst(findings) == "warn"
    assert all(finding.fix for finding in findings if finding.verdict in {"warn", "fail"})


async def test_nothing_in_exchange_is_changed(tmp_path: Path) -> None:
    """The only write goes to an item that cannot exist."""
    bench = Bench(tmp_path)
    await bench.look()
    writes = [request for request in bench.graph.seen if request.method != "GET"]
    assert [write.url.path for write in writes] == [
        "/v1.0/users/r0@contoso.com/events/occupancy-gateway-doctor/decline"
    ]
    view = next(request for request in bench.graph.seen if request.url.path.endswith("calendarView"))
    assert view.url.params["$top"] == "1"


async def test_no_token_leaves_before_the_token_step(tmp_path: Path) -> None:
    """What tells the clock is asked without any credential."""
    bench = Bench(tmp_path)
    await bench.look()
    assert [("authorization" in request.headers) for request in bench.graph.seen[:2]] == [False, False]


async def test_a_hundred_rooms_are_told_in_order_with_progress(tmp_path: Path) -> None:
    """Few at a time, and each is counted."""
    bench = Bench(tmp_path, 100)
    findings = await bench.look()
    order = [finding.room for finding in findings if finding.step == "room readable"]
    assert order == [f"r{number}" for number in range(100)]
    assert bench.progress[0] == (0, 100)
    assert bench.progress[-1] == (100, 100)


async def test_one_room_alone_can_be_looked_at(tmp_path: Path) -> None:
    """Nothing is asked about the others."""
    bench = Bench(tmp_path, 5)
    findings = await bench.look("r3")
    assert {finding.room for finding in findings} == {"", "r3"}
    assert not [request for request in bench.graph.seen if "r1@" in request.url.path]


# -- rooms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "what", "fix"),
    [
        (error(403, "ErrorAccessDenied", "Access is denied."), "may not be read", "up to 2 hours"),
        (
            error(403, "ErrorAccessDenied", "Access to OData is disabled: [RAOP] : Blocked by tenant"),
            "may not be read",
            "Get-ApplicationAccessPolicy",
        ),
        (error(404, "MailboxNotEnabledForRESTAPI"), "no mailbox of Exchange Online", "licence"),
        (error(404, "ErrorItemNotFound"), "no mailbox of Exchange Online", "mistyped"),
        (error(401, "InvalidAuthenticationToken"), "cannot be read", "authority"),
        (error(503, "serviceNotAvailable"), "just now", "service health"),
        (httpx.Response(200, text="<html>"), "Graph does not give", "proxy"),
    ],
)
async def test_a_room_that_cannot_be_read_says_why(
    tmp_path: Path, answer: httpx.Response, what: str, fix: str
) -> None:
    """One room of two; the other is fine. What hangs on reading is not tried."""
    bench = Bench(tmp_path, 2)
    bench.graph.answers["r1@contoso.com/calendarView"] = answer
    findings = [finding for finding in await bench.look() if finding.room == "r1"]
    (found,) = findings
    assert found.verdict == "fail"
    assert what in found.what
    assert fix in found.fix


async def test_no_room_at_all_is_a_matter_of_the_grant(tmp_path: Path) -> None:
    """Consent and RBAC are told apart by the token's roles."""
    for roles, words in (((), "no grant at all"), (("Calendars.ReadWrite",), "no room lets the gateway in")):
        bench = Bench(tmp_path, 2, token(*roles))
        bench.graph.answers["/calendarView"] = error(403, "ErrorAccessDenied")
        assert words in of(await bench.look(), "grant").what
    assert grants_finding((), 1, 5) is None
    assert grants_finding((), 0, 0) is None


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (error(403, "ErrorAccessDenied"), "fail"),
        (error(404, "ErrorItemNotFound"), "ok"),
        (error(500, "InternalServerError"), "skipped"),
        (error(404, ""), "skipped"),
        (httpx.Response(202), "warn"),
    ],
)
async def test_the_right_to_write_is_told_as_far_as_it_can_be(
    tmp_path: Path, answer: httpx.Response, verdict: str
) -> None:
    """A refusal of the right is certain; the rest is said to be less."""
    bench = Bench(tmp_path)
    bench.graph.answers["/decline"] = answer
    found = of(await bench.look(), "room writable")
    assert found.verdict == verdict
    if verdict == "ok":
        assert "more cannot be told" in found.what


async def test_mailbox_settings_that_may_not_be_read_are_no_fault(tmp_path: Path) -> None:
    """The role for it is optional."""
    bench = Bench(tmp_path)
    bench.graph.answers["/mailboxSettings"] = error(403, "ErrorAccessDenied")
    found = of(await bench.look(), "room mailbox")
    assert found.verdict == "skipped"
    assert "optional" in found.what


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        ({"timeZone": "Europe/Berlin", "userPurpose": "room"}, "ok", "Europe/Berlin"),
        ({"timeZone": "Romance Standard Time"}, "ok", "Romance"),
        ({"timeZone": "Tokyo Standard Time"}, "warn", "Tokyo Standard Time"),
        ({"timeZone": "Customized Time Zone"}, "ok", "Customized"),
        ({"timeZone": 7}, "ok", ""),
        ({"userPurpose": {"value": "user"}}, "warn", "of the kind user"),
        ({}, "ok", "not told"),
    ],
)
def test_a_mailbox_that_is_no_room_or_lives_elsewhere_is_told(
    told: dict[str, Any], verdict: str, words: str
) -> None:
    """Two names of one time are no difference; a name that nobody knows is only shown."""
    found = rooms.mailbox_finding("orion", "orion@contoso.com", ZoneInfo("Europe/Berlin"), told, NOW)
    assert found.verdict == verdict
    assert words in found.what


def test_the_known_windows_zones_exist() -> None:
    """Each has a zone of IANA behind it."""
    for zone in WINDOWS.values():
        ZoneInfo(zone)


# -- credential and token -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7000215, "not its id"),
        (7000222, "has expired"),
        (700016, "client id and tenant"),
        (90002, "tenant does not exist"),
        (700027, "thumbprint A1B2"),
        (50034, "application (client) id"),
        (53003, "Service principal sign-ins"),
        (530032, "conditional access"),
        (700213, "subject"),
    ],
)
def test_each_refusal_of_a_token_says_exactly_what_to_mend(number: int, words: str) -> None:
    """By its AADSTS code; a certificate that Entra does not know is compared by its thumbprint."""
    refused = from_token_error(
        {"error": "x", "error_description": f"AADSTS{number}: x", "error_codes": [number]}
    )
    found = refused_token(refused, Material("certificate", {}, thumbprint="A1B2"))
    assert (found.verdict, found.code) == ("fail", f"AADSTS{number}")
    assert words in found.fix


async def test_without_a_token_no_room_is_looked_at(tmp_path: Path) -> None:
    """One mistake, not a hundred and one."""
    bench = Bench(tmp_path, 100, AuthError("the client secret is wrong", code="AADSTS7000215"))
    findings = await bench.look()
    assert of(findings, "token").verdict == "fail"
    assert of(findings, "room readable") == Finding(
        step="room readable", verdict="skipped", what="not looked at (100 rooms): there is no token"
    )
    away = refused_token(RetryableError("the authority does not answer"), AuthError("x"))
    assert away.verdict == "fail"
    assert "cannot be asked" in away.what


async def test_an_unscoped_consent_is_worth_a_warning(tmp_path: Path) -> None:
    """It lets the gateway into every mailbox, whatever the scope says."""
    found = of(await Bench(tmp_path, answer=token("Calendars.ReadWrite")).look(), "roles")
    assert found.verdict == "warn"
    assert "every mailbox" in found.what
    assert "remove the consent" in found.fix


async def test_a_token_of_another_application_or_without_claims_is_told(tmp_path: Path) -> None:
    """The first is a mistake, the second how other authorities make their tokens."""
    assert of(await Bench(tmp_path, answer=token(appid="other")).look(), "application").verdict == "warn"
    assert of(await Bench(tmp_path, answer="opaque").look(), "roles").verdict == "skipped"


async def test_a_credential_that_cannot_be_read_ends_the_way(tmp_path: Path) -> None:
    """With the file's name."""
    bench = Bench(tmp_path)
    (tmp_path / "secret").unlink()
    findings = await bench.look()
    assert "secret: cannot be read" in of(findings, "credential").fix
    assert of(findings, "token").verdict == "skipped"


@pytest.mark.parametrize(
    ("material", "verdict"),
    [
        (Material("certificate", {}, ends_at=NOW + 60 * DAY_MS), "ok"),
        (Material("certificate", {}, ends_at=NOW + 20 * DAY_MS), "warn"),
        (Material("certificate", {}, ends_at=NOW), "fail"),
        (Material("certificate", {}, starts_at=NOW + 1, ends_at=NOW + DAY_MS), "fail"),
        (Material("secret", "x"), "warn"),
        (Material("secret", "x", ends_at=NOW - 1), "fail"),
        (Material("assertion", {}, ends_at=NOW + 1), "ok"),
        (Material("assertion", {}, ends_at=NOW), "fail"),
    ],
)
def test_the_end_of_a_credential_is_told(material: Material, verdict: str) -> None:
    """A month before it is worth a look; a secret whose end nobody wrote down always is."""
    found = credential_finding(material, NOW)
    assert found.verdict == verdict
    assert bool(found.fix) == (verdict != "ok")


async def test_a_secret_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    """With the command that mends it."""
    bench = Bench(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    found = of(await bench.look(), "credential file")
    assert (found.verdict, found.fix) == ("warn", f"chmod o-rwx {tmp_path / 'secret'}")


# -- booking attendants -------------------------------------------------------------------------------


async def test_imported_settings_are_judged_room_by_room(tmp_path: Path) -> None:
    """Two deciders, a room that was not in the file, and one that is fine."""
    bench = Bench(tmp_path, 3)
    kept = (
        AttendantSettings(mailbox="r0@contoso.com", auto_release=True),
        AttendantSettings(mailbox="r1@contoso.com", auto_release=False),
    )
    save(bench.settings.attendant_file, Kept("2026-09-01T00:00:00+00:00", kept))
    found = [finding for finding in await bench.look() if finding.step == "booking attendant"]
    assert [(finding.room, finding.verdict) for finding in found] == [
        ("r0", "fail"),
        ("r1", "ok"),
        ("r2", "warn"),
    ]
    assert found[0].fix == "Set-CalendarProcessing -Identity r0@contoso.com -EnableAutoRelease $false"
    bench.settings.attendant_file.write_text("{")
    assert "damaged" in of(await bench.look(), "booking attendant").what


# -- connections --------------------------------------------------------------------------------------


async def test_a_name_that_is_not_known_ends_the_way(tmp_path: Path) -> None:
    """Nothing is sent anywhere."""

    async def unknown(*_: object) -> None:
        raise OSError(-2, "Name or service not known")

    bench = Bench(tmp_path)
    bench.tools = Tools(
        now=lambda: NOW, resolve=unknown, transport=bench.tools.transport, tokens=Tokens(token())
    )
    findings = await bench.look()
    assert of(findings, "entra: name").verdict == "fail"
    assert "Name or service not known" in of(findings, "entra: name").what
    assert of(findings, "token").what == "not asked for: there is no connection"
    assert bench.graph.seen == []


@pytest.mark.parametrize(
    ("skew_ms", "verdict", "words"),
    [
        (0, "ok", "agrees"),
        (20 * SECOND_MS, "ok", "agrees"),
        (-40 * SECOND_MS, "warn", "ahead of"),
        (40 * SECOND_MS, "warn", "behind"),
        (10 * MINUTE_MS, "fail", "behind"),
    ],
)
async def test_clocks_are_compared(tmp_path: Path, skew_ms: int, verdict: str, words: str) -> None:
    """By the Date of any answer; the rest of the way goes on, for the clock may be all that is wrong."""
    bench = Bench(tmp_path)
    bench.graph.date = NOW + skew_ms
    findings = await bench.look()
    found = of(findings, "graph: clock")
    assert found.verdict == verdict
    assert words in found.what
    assert of(findings, "token").verdict == "ok"


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (httpx.Response(407), "fail", "407"),
        (httpx.Response(200), "warn", "does not tell its time"),
        (httpx.Response(200, headers={"date": "soon"}), "warn", "does not tell its time"),
        (httpx.ReadTimeout("x"), "fail", "no answer"),
    ],
)
async def test_a_proxy_in_between_is_noticed(
    answer: httpx.Response | Exception, verdict: str, words: str
) -> None:
    """It wants a login, or answers itself, or not at all."""

    def reply(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = Server("graph", "https://graph.example/v1.0")
    async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as http:
        found = await compare_clocks(server, http, server.url, lambda: NOW)
    assert found.verdict == verdict
    assert words in found.what


class TlsServer:
    """A server on loopback, with the certificate of a CA of its own."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.server = Server("graph", f"https://localhost:{port}/v1.0")
        self.ca_file = str(ca_file)


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[TlsServer]:
    """Shakes hands and says nothing."""
    ca = trustme.CA(organization_name="Contoso Inspecting Proxy")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # clients that hang up are expected
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield TlsServer(listening.sockets[0].getsockname()[1], tmp_path / "ca.pem")
    listening.close()
    await listening.wait_closed()


async def test_a_trusted_certificate_is_fine(tls: TlsServer) -> None:
    """With the root certificate that exchange.ca_file names."""
    assert (await shake_hands(tls.server, tls.ca_file)).verdict == "ok"


async def test_a_strangers_certificate_is_told_with_who_issued_it(tls: TlsServer) -> None:
    """The name of the proxy that decrypts is what people need to know."""
    found = await shake_hands(tls.server, None)
    assert found.verdict == "fail"
    assert "Contoso Inspecting Proxy" in found.what
    assert "exchange.ca_file" in found.fix
    assert found.code.startswith("X509 ")


async def test_another_hosts_certificate_is_told(tls: TlsServer) -> None:
    """Somebody answers who is not the server."""
    port = tls.server.port
    found = await shake_hands(Server("graph", f"https://127.0.0.1:{port}"), tls.ca_file)
    assert found.verdict == "fail"
    assert "is not 127.0.0.1" in found.fix


async def test_a_closed_port_names_the_firewall_rule() -> None:
    """Host and port, as they are entered there."""
    free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    await free.wait_closed()
    found = await shake_hands(Server("graph", f"https://127.0.0.1:{port}"), None)
    assert found.verdict == "fail"
    assert f"127.0.0.1 on TCP port {port}" in found.fix


async def test_a_server_without_tls_is_told() -> None:
    """Something in between answers in plain text."""

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    found = await shake_hands(Server("graph", f"https://127.0.0.1:{port}"), None)
    listening.close()
    await listening.wait_closed()
    assert found.verdict == "fail"
    assert "does not speak TLS" in found.what


async def test_a_ca_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """Missing, or without any certificate."""
    bench = Bench(tmp_path)
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        exchange = bench.settings.exchange.model_copy(update={"ca_file": path})
        object.__setattr__(bench.settings, "exchange", exchange)
        found = of(await bench.look(), "ca_file")
        assert found.verdict == "fail"
        assert str(path) in found.what


async def test_this_machines_own_name_is_known() -> None:
    """The system is asked as for any connection."""
    assert (await look_up(Server("graph", "https://localhost"))).verdict == "ok"


def test_findings_are_fit_for_programs() -> None:
    """Every key always there; the worst verdict first."""
    findings = [
        Finding(step="a", verdict="ok", what="x"),
        Finding(step="b", verdict="warn", what="y", fix="z"),
    ]
    assert worst(findings) == "warn"
    assert worst([]) == "ok"
    assert as_json(findings)[0] == {
        "step": "a",
        "verdict": "ok",
        "what": "x",
        "fix": "",
        "room": "",
        "code": "",
        "request_id": "",
    }
