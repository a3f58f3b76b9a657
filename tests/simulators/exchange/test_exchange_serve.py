"""The simulator over real TLS sockets, with msal and httpx as the gateway uses them."""

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msal
import msgspec
import pytest
import requests
from typer.testing import CliRunner

from simulators.cli import app as command_line
from simulators.exchange import PRESETS, Drop, ExchangeSimulator, Silence
from simulators.exchange.control import HELP
from simulators.exchange.serve import Connection, serving
from simulators.exchange.variants import PLAUSIBLE

ADA, ORION = "ada@contoso.com", "orion@contoso.com"
SCOPES = ["https://graph.microsoft.com/.default"]
VIEW = f"/users/{ORION}/calendarView"
DAY = {"startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2026-11-24T00:00:00Z"}
LIMIT_S = 30
At = Callable[..., int]


async def token(connection: Connection, **changed: str) -> dict[str, Any]:
    """What msal brings, on a thread, as the gateway does it."""

    def acquire(session: requests.Session) -> dict[str, Any]:
        session.trust_env = False  # a CA bundle named in the environment would win over `verify`
        session.verify = connection.ca_file
        application = msal.ConfidentialClientApplication(
            connection.client_id,
            authority=connection.authority,
            client_credential=changed.get("client_secret", connection.client_secret),
            validate_authority=False,
            instance_discovery=False,
            http_client=session,
        )
        return dict(application.acquire_token_for_client(scopes=SCOPES))

    with requests.Session() as session:
        return await asyncio.to_thread(acquire, session)


def client_of(connection: Connection, access_token: str, timeout_s: float = 10.0) -> httpx.AsyncClient:
    """An httpx client that trusts the simulator's authority only."""
    return httpx.AsyncClient(
        base_url=connection.base_url,
        verify=ssl.create_default_context(cafile=connection.ca_file),
        headers={"authorization": f"Bearer {access_token}"},
        timeout=timeout_s,
        trust_env=False,
    )


@pytest.fixture
async def connection(exchange: ExchangeSimulator, tmp_path: Path) -> AsyncIterator[Connection]:
    """The simulator on a free port."""
    async with serving(exchange, tmp_path) as found:
        yield found


async def test_msal_and_httpx_read_a_calendar_over_tls(
    exchange: ExchangeSimulator, connection: Connection, at: At
) -> None:
    """A token from msal, and every page of a calendarView, through real sockets."""
    for n in range(23):
        exchange.book(ADA, ORION, at(n), at(n, 30))
    async with asyncio.timeout(LIMIT_S):
        brought = await token(connection)
        assert brought["token_source"] == "identity_provider"
        async with client_of(connection, brought["access_token"]) as graph:
            page = (await graph.get(VIEW, params=DAY)).json()
            found = page["value"]
            while link := page.get("@odata.nextLink"):
                assert link.startswith(connection.base_url)
                page = (await graph.get(link)).json()
                found += page["value"]
    assert len({event["id"] for event in found}) == 23
    assert exchange.requests.routes["GET calendarView"] == 3
    assert exchange.requests.routes["POST token"] == 1


async def test_msal_reports_a_wrong_secret_as_a_dictionary(connection: Connection) -> None:
    """No exception: error, description and code, as from Entra."""
    async with asyncio.timeout(LIMIT_S):
        refused = await token(connection, client_secret="wrong")
    assert refused["error"] == "invalid_client"
    assert refused["error_description"].startswith("AADSTS7000215")


async def test_dropped_and_silent_answers_look_like_a_bad_network(
    exchange: ExchangeSimulator, connection: Connection
) -> None:
    """A broken connection is a protocol error, silence a time-out; the next request works."""
    async with asyncio.timeout(LIMIT_S):
        access_token = (await token(connection))["access_token"]
        async with client_of(connection, access_token, timeout_s=0.2) as graph:
            exchange.faults.add(Drop())
            with pytest.raises(httpx.RemoteProtocolError):
                await graph.get(VIEW, params=DAY)
            exchange.faults.add(Silence())
            with pytest.raises(httpx.ReadTimeout):
                await graph.get(VIEW, params=DAY)
        async with client_of(connection, access_token) as graph:
            assert (await graph.get(VIEW, params=DAY)).status_code == 200


async def test_serving_leaves_signals_and_key_file_alone(exchange: ExchangeSimulator, tmp_path: Path) -> None:
    """The embedding program keeps its handlers; only its user can read the key; the port is closed after."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with asyncio.timeout(LIMIT_S):
        async with serving(exchange, tmp_path) as connection:
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
            assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
        port = int(connection.base_url.split(":")[2].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_idle_client_does_not_delay_the_end(exchange: ExchangeSimulator, tmp_path: Path) -> None:
    """A blocking client that never reads cannot answer a TLS farewell: it is cut off without one."""

    def connect(connection: Connection) -> ssl.SSLSocket:
        port = int(connection.base_url.split(":")[2].split("/")[0])
        return ssl.create_default_context(cafile=connection.ca_file).wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S),
            server_hostname="127.0.0.1",
            suppress_ragged_eofs=False,
        )

    async with asyncio.timeout(LIMIT_S):
        async with serving(exchange, tmp_path) as connection:
            client = await asyncio.to_thread(connect, connection)
            while exchange.requests.total == 0:  # both sides have finished the handshake
                await asyncio.to_thread(client.sendall, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                await asyncio.to_thread(client.recv, 65_536)
        with client, pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            list(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_program_prints_one_line_and_ends_on_a_signal(number: signal.Signals) -> None:
    """The connection as JSON, then a service with bookings, then a clean end."""
    code = (
        "from simulators.exchange.serve import run_exchange; "
        "run_exchange('127.0.0.1:0', 3, 1, print_connection=True)"
    )
    async with asyncio.timeout(LIMIT_S):
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            cwd=Path(__file__).parents[3],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert program.stdout is not None
            connection = msgspec.json.decode(await program.stdout.readline(), type=Connection)
            now = datetime.fromisoformat(connection.now)
            assert (now.utcoffset(), abs(datetime.now(UTC) - now) < timedelta(hours=1)) == (timedelta(), True)
            async with client_of(connection, (await token(connection))["access_token"]) as graph:
                day = {"startDateTime": "2000-01-01", "endDateTime": "2000-01-02"}
                assert (await graph.get(VIEW, params=day)).json()["value"] == []
                assert (await graph.get(f"/users/{ORION}/events")).json()["value"]
            program.send_signal(number)
            rest, complaints = await program.communicate()
        finally:
            if program.returncode is None:
                program.kill()
    assert (program.returncode, rest, complaints) == (0, b"", b"")
    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile=connection.ca_file)


class Webhook:
    """A subscriber on a socket of the loopback: gives tokens back, keeps notifications."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on each connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        url = httpx.URL(head.split(" ")[1])
        length = next(
            (line.split(":")[1] for line in head.lower().split("\r\n") if "content-length" in line), "0"
        )
        body = await reader.readexactly(int(length))
        token = url.params.get("validationToken")
        if token is None:
            self.got.put_nowait(msgspec.json.decode(body))
        answer = (token or "").encode()
        lines = [
            "HTTP/1.1 200 OK",
            "content-type: text/plain",
            f"content-length: {len(answer)}",
            "connection: close",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer)
        await writer.drain()
        writer.close()


async def test_notifications_arrive_over_sockets(
    exchange: ExchangeSimulator, connection: Connection, at: At
) -> None:
    """Handshake and delivery, as a subscriber beside the program sees them."""
    hook = Webhook()
    async with asyncio.timeout(LIMIT_S):
        server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        notifying = asyncio.create_task(exchange.graph.subscriptions.notifier.run(exchange.app.sender))
        async with client_of(connection, (await token(connection))["access_token"]) as graph:
            body = {
                "changeType": "created",
                "notificationUrl": f"http://127.0.0.1:{port}/hook?kept=1",
                "resource": f"/users/{ORION}/events",
                "expirationDateTime": "2026-11-24T00:00:00Z",
            }
            made = await graph.post("/subscriptions", json=body)
            assert made.status_code == 201, made.text
            exchange.book(ADA, ORION, at(9), at(10))
            told = await hook.got.get()
        notifying.cancel()
        await asyncio.wait([notifying])
        server.close()
        await server.wait_closed()
    assert [one["changeType"] for one in told["value"]] == ["created"]
    assert told["value"][0]["subscriptionId"] == made.json()["id"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variant", "reaccepts=sometimes"], "reaccepts=time_change"),
        (["--variant", "nothing=1"], "there is no switch 'nothing'"),
        (["--variant", "reaccepts"], "SWITCH=VALUE"),
        (["--listen", "nowhere"], "give HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "65535"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(arguments: list[str], words: str) -> None:
    """What is wrong, and how to mend it; nothing is served."""
    result = CliRunner().invoke(command_line, ["exchange", *arguments], env={"COLUMNS": "400"})
    assert result.exit_code == 2
    assert words in result.output


def test_page_names_every_preset_switch_and_order() -> None:
    """docs/exchange-simulator.md is complete."""
    page = (Path(__file__).parents[3] / "docs" / "exchange-simulator.md").read_text("utf-8")
    missing = [name for name in (*PRESETS, *PLAUSIBLE) if f"`{name}`" not in page]
    missing += [
        order for order in HELP if order.partition(" ")[2].removeprefix("/simulator").strip("/") not in page
    ]
    assert missing == []
