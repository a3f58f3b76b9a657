"""Can this machine talk to a server at all: its name, its port, its certificate, and both clocks.

Nothing secret is sent: the handshake stops before the first request, and the request that tells the
server's time carries no token.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from gateway.core.units import MINUTE_MS, SECOND_MS, Instant
from gateway.doctor.finding import Finding, Verdict
from gateway.exchange.moments import instant

CONNECT_S: Final = 10.0

SKEW_WARN_MS: Final = 30 * SECOND_MS
"""Due times are a minute's matter: half a minute is worth mending."""

SKEW_FAIL_MS: Final = 5 * MINUTE_MS
"""What Entra allows a signed request to be off, as its codes 700024 and 500133 show when it is more."""

# OpenSSL's reasons for not trusting a certificate (its x509_vfy.h).
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
OTHER_NAME: Final = frozenset({62, 64})
"""Another host's, another address's."""

PROXY: Final = 407


class Server(NamedTuple):
    """Where a server is, and what it is called in a finding."""

    label: str
    url: str

    @property
    def host(self) -> str:
        """Its name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted; only a simulator's on this machine is not."""
        return urlsplit(self.url).scheme == "https"


Resolve = Callable[[str, int], Awaitable[object]]


async def resolve(host: str, port: int) -> object:
    """The addresses of a name, as the system finds them. Raises OSError."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def look_up(server: Server, resolving: Resolve = resolve) -> Finding:
    """Whether the server's name is known here."""
    step = f"{server.label}: name"
    try:
        async with asyncio.timeout(CONNECT_S):
            await resolving(server.host, server.port)
    except (OSError, TimeoutError) as error:
        return Finding(
            step=step,
            verdict="fail",
            what=f"the name {server.host} cannot be resolved ({_words(error)})",
            fix="check this machine's network and DNS server (resolvectl status), and that the name is right",
        )
    return Finding(step=step, verdict="ok", what=f"{server.host} is known")


async def shake_hands(server: Server, ca_file: str | None) -> Finding:
    """Whether the port is open and the certificate trusted; a stranger's certificate is named."""
    step = f"{server.label}: connection"
    if not server.tls:
        return Finding(
            step=step, verdict="skipped", what="plain http on this machine: there is no certificate"
        )
    try:
        await _handshake(server, trusting(ca_file))
    except ssl.SSLCertVerificationError as error:
        return await _untrusted(step, server, error, ca_file)
    except ssl.SSLError as error:
        return Finding(
            step=step,
            verdict="fail",
            what=f"{server.host} does not speak TLS as expected ({error.reason or 'unknown'})",
            fix="something between this machine and the server answers instead of it: look for a proxy or "
            f"firewall that inspects port {server.port}",
        )
    except (OSError, TimeoutError) as error:
        return Finding(
            step=step,
            verdict="fail",
            what=f"{server.host} port {server.port} cannot be reached ({_words(error)})",
            fix=f"let this machine go out to {server.host} on TCP port {server.port} in the firewall",
        )
    return Finding(step=step, verdict="ok", what="reached, and its certificate is trusted")


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Trust as the gateway itself does. Raises OSError (an SSLError if the file holds no certificates)."""
    return (
        ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)
    )


async def _handshake(server: Server, context: ssl.SSLContext) -> bytes:
    """Connect, shake hands, hang up; returns the certificate shown (DER)."""
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(
            server.host, server.port, ssl=context, server_hostname=server.host
        )
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return bytes(shown or b"")
    finally:
        writer.transport.abort()  # nothing is to be said; waiting for a farewell may take long


async def _untrusted(
    step: str, server: Server, error: ssl.SSLCertVerificationError, ca_file: str | None
) -> Finding:
    reason = error.verify_message or "unknown reason"
    if error.verify_code in {EXPIRED, NOT_YET_VALID}:
        fix = "check this machine's clock first (timedatectl); if it is right, the certificate itself is not"
    elif error.verify_code in OTHER_NAME:
        fix = f"whoever answers is not {server.host}: check its address, DNS, and any proxy in between"
    else:
        where = (
            f"add its root certificate to {ca_file}"
            if ca_file
            else (
                "put its root certificate, beside the public ones, into a PEM file and name it in "
                "exchange.ca_file"
            )
        )
        fix = (
            f"if that is your own proxy or firewall, which decrypts the connection, {where}; better, let "
            f"{server.host} through undecrypted. If nobody knows it, somebody else is listening"
        )
    return Finding(
        step=step,
        verdict="fail",
        what=f"the certificate of {server.host} is not trusted ({reason}); "
        f"it was issued by {await _issuer(server)}",
        fix=fix,
        code=f"X509 {error.verify_code}",
    )


async def _issuer(server: Server) -> str:
    """Who signed the certificate that is shown: the name of the proxy, as a rule. Nothing is sent to it."""
    from cryptography import x509  # noqa: PLC0415 - heavy, and only for a stranger's certificate

    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    try:
        shown = await _handshake(server, blind)
        return f'"{x509.load_der_x509_certificate(shown).issuer.rfc4514_string()}"'
    except (OSError, TimeoutError, ValueError):
        return "somebody who does not say"


async def compare_clocks(
    server: Server, http: httpx.AsyncClient, url: str, now: Callable[[], Instant]
) -> Finding:
    """Ask for anything, without a token, and compare the answer's Date with this machine's clock."""
    step = f"{server.label}: clock"
    try:
        before = now()
        answer = await http.get(url)
        after = now()
    except httpx.HTTPError as error:
        return Finding(
            step=step,
            verdict="fail",
            what=f"{server.host} gives no answer ({type(error).__name__})",
            fix="a proxy or firewall takes the connection and does not pass it on: look there",
        )
    if answer.status_code == PROXY:
        return Finding(
            step=step,
            verdict="fail",
            what="a proxy wants to know who asks (HTTP 407)",
            fix=f"let this machine reach {server.host} without logging in at the proxy",
            code="407",
        )
    told = _date(answer.headers.get("date", ""))
    if told is None:
        return Finding(
            step=step,
            verdict="warn",
            what=f"{server.host} does not tell its time, which Microsoft's servers always do",
            fix="look for a proxy in between that answers itself",
        )
    # The answer's second began within the time that the question took; only what is outside counts.
    skew = max(0, before - (told + SECOND_MS), told - after)
    ahead = before > told
    return skew_finding(step, skew, ahead=ahead)


def skew_finding(step: str, skew_ms: int, *, ahead: bool) -> Finding:
    """What a difference between the clocks (ms, not negative) means."""
    verdict: Verdict = "fail" if skew_ms >= SKEW_FAIL_MS else "warn" if skew_ms >= SKEW_WARN_MS else "ok"
    if verdict == "ok":
        return Finding(step=step, verdict="ok", what="this machine's clock agrees with the server's")
    return Finding(
        step=step,
        verdict=verdict,
        what=f"this machine's clock is {skew_ms // SECOND_MS} s {'ahead of' if ahead else 'behind'} the "
        "server's",
        fix="switch on NTP (timedatectl set-ntp true) and allow UDP port 123, or name your own time "
        "server in "
        "/etc/systemd/timesyncd.conf; bookings would be released at the wrong moment, and tokens refused",
    )


def _date(value: str) -> Instant | None:
    try:
        return instant(parsedate_to_datetime(value)) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror if isinstance(error, OSError) and error.strerror else "") or type(error).__name__
