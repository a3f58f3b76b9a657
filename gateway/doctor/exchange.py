"""The whole way from this machine to every room's mailbox, step by step.

Each step that fails makes the later ones meaningless that hang on it; they are skipped and said to be,
so that the first mistake is found and not its echoes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import httpx
import msgspec

from gateway.clock import SystemClock
from gateway.core.units import MINUTE_MS, Instant
from gateway.doctor import access, rooms
from gateway.doctor.connection import Resolve, Server, compare_clocks, look_up, resolve, shake_hands, trusting
from gateway.doctor.finding import Finding, Verdict
from gateway.exchange import attendant_settings
from gateway.exchange.auth import MsalTokens, TokenSource
from gateway.exchange.client import GraphClient, Patience
from gateway.exchange.credentials import Material, token_claims
from gateway.exchange.errors import AuthError, ExchangeError
from gateway.settings import RoomSettings, Settings

PATIENCE: Final = Patience(attempts=3, first_s=0.5, cap_s=5.0, total_s=30.0)
"""Somebody is waiting: a throttled request is tried again, an absent server not for long."""

AT_ONCE: Final = 4
"""Rooms looked at together; the client itself never has more requests under way than allowed."""

ATTENDANT: Final = "booking attendant"

Progress = Callable[[int, int], None]
"""Called with how many rooms are done, of how many."""


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor works with; tests bring their own."""

    now: Callable[[], Instant] = SystemClock().now
    resolve: Resolve = resolve
    transport: httpx.AsyncBaseTransport | None = None
    """In the place of the network, for requests; names and handshakes are not requests."""
    tokens: TokenSource | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def examine(
    settings: Settings,
    tools: Tools | None = None,
    *,
    only: str = "",
    progress: Progress = lambda _done, _of: None,
) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there, the rooms in the order of the configuration.

    `only`: id of the one room to look at; empty: all.
    """
    doctor = _Doctor(settings, tools or Tools())
    try:
        async for finding in doctor.way(only, progress):
            yield finding
    finally:
        await doctor.aclose()


class _Doctor:
    """One examination."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        exchange = settings.exchange
        self._ca_file = None if exchange.ca_file is None else str(exchange.ca_file)
        self._servers = (Server("entra", exchange.authority), Server("graph", exchange.base_url))
        self._own_tokens: MsalTokens | None = None
        self._client: GraphClient | None = None
        self._probe: rooms.RoomProbe | None = None
        self._roles: tuple[str, ...] | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own_tokens is not None:
            await self._own_tokens.aclose()
        if self._client is not None:
            await self._client.aclose()

    async def way(self, only: str, progress: Progress) -> AsyncIterator[Finding]:
        """All steps."""
        open_ = True
        async for finding in self._connections():
            open_ = open_ and (finding.verdict != "fail" or finding.step.endswith(": clock"))
            yield finding
        material = self._read_credential()
        credential = access.credential_finding(material, self._tools.now())
        yield credential
        for finding in access.exposed_files(self._settings.credential().files):
            yield finding
        let_in = False
        if not open_:
            yield _skipped("token", "not asked for: there is no connection")
        elif isinstance(material, AuthError):
            yield _skipped("token", "not asked for: there is no credential")
        else:
            async for finding in self._token(material):
                let_in = let_in or (finding.step == "token" and finding.verdict == "ok")
                yield finding
        chosen = [room for room in self._settings.rooms if only in {"", room.id}]
        if let_in:
            async for finding in self._rooms(chosen, progress):
                yield finding
        elif chosen:
            yield _skipped(rooms.READABLE, f"not looked at ({len(chosen)} rooms): there is no token")
        for finding in self._attendants(chosen):
            yield finding

    # -- before the first request

    async def _connections(self) -> AsyncIterator[Finding]:
        try:
            context = trusting(self._ca_file)
        except OSError as error:
            yield Finding(
                step="ca_file",
                verdict="fail",
                what=f"{self._ca_file} cannot be used ({error.strerror or type(error).__name__})",
                fix="exchange.ca_file names a PEM file with root certificates; correct the path or the file",
            )
            return
        for server in self._servers:
            known = await look_up(server, self._tools.resolve)
            yield known
            if known.verdict == "fail":
                continue
            reached = await shake_hands(server, self._ca_file)
            yield reached
            if reached.verdict == "fail":
                continue
            transport = self._tools.transport or httpx.AsyncHTTPTransport(verify=context, trust_env=False)
            async with httpx.AsyncClient(transport=_Shared(transport), trust_env=False, timeout=10) as http:
                yield await compare_clocks(server, http, server.url, self._tools.now)
            if self._tools.transport is None:
                await transport.aclose()

    def _read_credential(self) -> Material | AuthError:
        try:
            return self._settings.credential().read()
        except AuthError as error:
            return error

    # -- the token

    async def _token(self, material: Material) -> AsyncIterator[Finding]:
        exchange = self._settings.exchange
        tokens = self._tools.tokens
        if tokens is None:
            tokens = self._own_tokens = MsalTokens(
                exchange.authority, exchange.client_id, self._settings.credential(), ca_file=self._ca_file
            )
        try:
            token = await tokens.token()
        except ExchangeError as error:
            yield access.refused_token(error, material)
            return
        claims = token_claims(token)
        self._roles = access.roles_of(claims)
        for finding in access.token_findings(claims, exchange.client_id):
            yield finding
        inner = self._tools.transport or httpx.AsyncHTTPTransport(
            verify=trusting(self._ca_file),
            trust_env=False,
            limits=httpx.Limits(max_connections=exchange.max_in_flight),
        )
        overhearing = rooms.Overhearing(inner)
        self._client = GraphClient(
            exchange.base_url,
            tokens,
            transport=overhearing,
            in_flight=exchange.max_in_flight,
            sleep=self._tools.sleep,
            read_patience=PATIENCE,
            write_patience=PATIENCE,
        )
        self._probe = rooms.RoomProbe(self._client, overhearing, self._tools.now())

    # -- the rooms

    async def _rooms(self, chosen: list[RoomSettings], progress: Progress) -> AsyncIterator[Finding]:
        probe = self._probe
        if probe is None:
            return
        at_once = asyncio.Semaphore(AT_ONCE)
        done = 0

        async def look(room: RoomSettings) -> list[Finding]:
            nonlocal done
            async with at_once:
                found = probe.findings(room.id, room.mailbox, self._settings.zone(room))
                findings = [finding async for finding in found]
            done += 1
            progress(done, len(chosen))
            return findings

        progress(0, len(chosen))
        looks = [asyncio.create_task(look(room)) for room in chosen]
        try:
            for each in looks:
                for finding in await each:
                    yield finding
        finally:
            for each in looks:
                each.cancel()
        grant = access.grants_finding(self._roles, probe.readable_rooms, probe.forbidden_rooms)
        if grant is not None:
            yield grant

    def _attendants(self, chosen: list[RoomSettings]) -> Iterator[Finding]:
        """What was imported of the rooms' booking attendants; nobody else can be asked for it."""
        path = self._settings.attendant_file
        import_them = (
            "let IT run the script of `occupancy-gateway exchange setup-script`, and read its result with "
            "`occupancy-gateway exchange import-settings FILE`"
        )
        try:
            kept = attendant_settings.load(path)
        except attendant_settings.SettingsFileError as error:
            yield Finding(step=ATTENDANT, verdict="warn", what=str(error), fix=import_them)
            return
        if kept is None:
            yield Finding(
                step=ATTENDANT,
                verdict="warn",
                what="nobody has told how the rooms answer invitations, and Graph does not tell",
                fix=import_them,
            )
            return
        for room in chosen:
            yield from self._attendant(room, kept, import_them)

    def _attendant(
        self, room: RoomSettings, kept: attendant_settings.Kept, import_them: str
    ) -> Iterator[Finding]:
        own = kept.of(room.mailbox)
        if own is None:
            yield Finding(
                step=ATTENDANT,
                verdict="warn",
                what=f"{room.mailbox} was not in what was imported on {kept.imported_at[:10]}",
                fix=import_them,
                room=room.id,
            )
            return
        found = attendant_settings.problems(own, longest_minutes(self._settings, room))
        worth_it = [problem for problem in found if problem.weight != "note"]
        for problem in worth_it:
            yield attendant_finding(room.id, problem)
        if not worth_it:
            yield Finding(
                step=ATTENDANT,
                verdict="ok",
                what=f"set as it should be, as of {kept.imported_at[:10]}",
                room=room.id,
            )


def attendant_finding(room: str, problem: attendant_settings.Problem) -> Finding:
    """A problem of a room's booking attendant as a finding; a note is fine."""
    verdict: Verdict = "ok" if problem.weight == "note" else problem.weight
    fix = f"Set-CalendarProcessing -Identity {problem.mailbox} {problem.fix}" if problem.fix else ""
    return Finding(
        step=ATTENDANT, verdict=verdict, what=problem.text, fix=fix, room=room, code=problem.setting
    )


def longest_minutes(settings: Settings, room: RoomSettings) -> int:
    """Longer bookings are left alone in this room."""
    return settings.policies[room.policy].exempt_longer_than // MINUTE_MS


def _skipped(step: str, what: str) -> Finding:
    return Finding(step=step, verdict="skipped", what=what)


class _Shared(httpx.AsyncBaseTransport):
    """A transport that outlives the client that uses it for one question."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Stays open."""
