"""What one room's mailbox lets the gateway do, found out without changing anything in it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from gateway.core.units import DAY_MS, Instant
from gateway.doctor.finding import Finding
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import (
    AuthError,
    ExchangeError,
    ForbiddenError,
    ItemGoneError,
    MailboxError,
    RefusedError,
    RetryableError,
    UntrustedError,
)
from gateway.exchange.moments import as_datetime
from gateway.exchange.zones import zone_of

READABLE: Final = "room readable"
WRITABLE: Final = "room writable"
MAILBOX: Final = "room mailbox"

NO_SUCH_ITEM: Final = "occupancy-gateway-doctor"
"""No calendar item can have this id, so a write to it can have no effect."""

RAOP: Final = b"[RAOP]"
"""What Exchange says, in the message alone, where an application access policy is the reason."""

RBAC_MISS: Final = (
    "the Exchange role's scope does not hold this room, or a change is not yet seen (it takes up to 2 "
    "hours): "
    "let IT run the script of `occupancy-gateway exchange setup-script`, whose last part says at once "
    "for each "
    "room whether it is in scope"
)
POLICY_BLOCKS: Final = (
    "an application access policy of old blocks this room (Get-ApplicationAccessPolicy in Exchange "
    "PowerShell): "
    "add the room to the policy's group, or remove the policy and use RBAC for Applications; a change takes "
    "from half an hour to a day to be seen"
)
NO_MAILBOX: Final = (
    "compare the address with Get-Mailbox in Exchange PowerShell: it may be mistyped, on premises (move "
    "it to "
    "Exchange Online), deleted, or a user account without a licence instead of a room mailbox"
)


class Overhearing(httpx.AsyncBaseTransport):
    """Passes requests on and remembers which were blocked by an application access policy.

    The client keeps error codes alone and drops messages, which may quote names; this reason stands in
    the message alone.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._blocked: set[str] = set()

    def blocked(self, mailbox: str) -> bool:
        """Whether a request to this mailbox was."""
        return mailbox.casefold() in self._blocked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        answer = await self._inner.handle_async_request(request)
        if answer.status_code == httpx.codes.FORBIDDEN and RAOP in await answer.aread():
            _, _, rest = request.url.path.partition("/users/")
            self._blocked.add(rest.partition("/")[0].casefold())
        return answer

    async def aclose(self) -> None:
        """See httpx."""
        await self._inner.aclose()


class RoomProbe:
    """Looks into room mailboxes with `client`, whose transport is `overhearing`."""

    def __init__(self, client: GraphClient, overhearing: Overhearing, now: Instant) -> None:
        self._client = client
        self._overhearing = overhearing
        self._now = now
        self.readable_rooms = 0
        self.forbidden_rooms = 0

    async def findings(self, room: str, mailbox: str, zone: ZoneInfo) -> AsyncIterator[Finding]:
        """Readable, writable, and the mailbox's own settings; what hangs on the first is skipped."""
        readable = await self.readable(room, mailbox)
        yield readable
        if readable.verdict == "ok":
            yield await self.writable(room, mailbox)
            yield await self.settings(room, mailbox, zone)

    async def readable(self, room: str, mailbox: str) -> Finding:
        """Whether today's calendar can be read: one entry of it at most is asked for."""
        window = {
            "startDateTime": as_datetime(self._now).isoformat(),
            "endDateTime": as_datetime(self._now + DAY_MS).isoformat(),
            "$top": "1",
            "$select": "id",
        }
        try:
            await self._client.get(self._client.url("users", mailbox, "calendarView"), window)
        except ExchangeError as error:
            return self._unreadable(room, mailbox, error)
        self.readable_rooms += 1
        return Finding(step=READABLE, verdict="ok", what=f"{mailbox} can be read", room=room)

    def _unreadable(self, room: str, mailbox: str, error: ExchangeError) -> Finding:
        if isinstance(error, ForbiddenError):
            self.forbidden_rooms += 1
            what = f"{mailbox} may not be read"
            fix = POLICY_BLOCKS if self._overhearing.blocked(mailbox) else RBAC_MISS
        elif isinstance(error, MailboxError | ItemGoneError):
            what, fix = f"{mailbox} is no mailbox of Exchange Online", NO_MAILBOX
        elif isinstance(error, AuthError | UntrustedError):
            what, fix = f"{mailbox} cannot be read", error.why
        elif isinstance(error, RetryableError):
            what = f"{mailbox} cannot be read just now ({error.why})"
            fix = (
                "try again in some minutes; if it stays so, look at the service health page of Microsoft 365"
            )
        else:
            what, fix = (
                f"{mailbox} gives an answer that Graph does not give",
                f"{error.why}: look for a proxy",
            )
        return Finding(
            step=READABLE,
            verdict="fail",
            what=what,
            fix=fix,
            room=room,
            code=error.code,
            request_id=error.request_id,
        )

    async def writable(self, room: str, mailbox: str) -> Finding:
        """Whether a write would be refused: tried on an item that does not exist, so without effect."""
        url = self._client.url("users", mailbox, "events", NO_SUCH_ITEM, "decline")
        try:
            await self._client.write("POST", url, {"sendResponse": False})
        except ForbiddenError as error:
            return Finding(
                step=WRITABLE,
                verdict="fail",
                what=f"{mailbox} may be read and not written: bookings can be seen and never given back",
                fix='give the application the Exchange role "Application Calendars.ReadWrite" for this room '
                "(occupancy-gateway exchange setup-script), not Calendars.Read alone",
                room=room,
                code=error.code,
                request_id=error.request_id,
            )
        except (RefusedError, ItemGoneError) as error:
            return Finding(
                step=WRITABLE,
                verdict="ok",
                what="a write to an item that does not exist was refused because of the item, not of "
                "the right; "
                "more cannot be told without changing something",
                room=room,
                code=error.code,
            )
        except ExchangeError as error:
            return Finding(
                step=WRITABLE,
                verdict="skipped",
                what=f"could not be tested ({error.why}); Test-ServicePrincipalAuthorization tells, see the "
                "setup script",
                room=room,
                code=error.code,
            )
        return Finding(
            step=WRITABLE,
            verdict="warn",
            what="a write to an item that does not exist was accepted, which Exchange never does",
            fix="find out who answers under exchange.base_url",
            room=room,
        )

    async def settings(self, room: str, mailbox: str, zone: ZoneInfo) -> Finding:
        """What the mailbox says of itself, where the gateway may ask: its purpose and its time zone."""
        try:
            told = await self._client.get(self._client.url("users", mailbox, "mailboxSettings"))
        except ForbiddenError:
            return Finding(
                step=MAILBOX,
                verdict="skipped",
                what="its time zone may not be looked at (needs the role MailboxSettings.Read; optional)",
                room=room,
            )
        except ExchangeError as error:
            return Finding(
                step=MAILBOX, verdict="skipped", what=f"could not be looked at ({error.why})", room=room
            )
        return mailbox_finding(room, mailbox, zone, told, self._now)


def mailbox_finding(room: str, mailbox: str, zone: ZoneInfo, told: dict[str, Any], now: Instant) -> Finding:
    """What a mailbox's own settings (Graph's mailboxSettings) say against it."""
    purpose = told.get("userPurpose")
    purpose = purpose.get("value") if isinstance(purpose, dict) else purpose  # both forms are documented
    name = told.get("timeZone")
    theirs = zone_of(name) if isinstance(name, str) else None
    if isinstance(purpose, str) and purpose not in {"room", "unknownFutureValue"}:
        return Finding(
            step=MAILBOX,
            verdict="warn",
            what=f"{mailbox} is a mailbox of the kind {purpose}, not a room",
            fix="check the address; a user mailbox is made a room by Set-Mailbox -Type Room",
            room=room,
        )
    if theirs is not None and not _same_time(theirs, zone, now):
        return Finding(
            step=MAILBOX,
            verdict="warn",
            what=f"{mailbox} lives in the time zone {name}, and this configuration says {zone.key}",
            fix="correct time_zone of the room (or the site), or the mailbox: "
            "Set-MailboxRegionalConfiguration -TimeZone; all-day entries and hours hang on it",
            room=room,
        )
    return Finding(step=MAILBOX, verdict="ok", what=f"time zone {name or 'not told'}", room=room)


def _same_time(one: ZoneInfo, other: ZoneInfo, now: Instant) -> bool:
    """Whether clocks agree now and half a year from now: two names of one time are no mistake."""
    moments = (as_datetime(now), as_datetime(now) + timedelta(days=182))
    return all(
        moment.astimezone(one).utcoffset() == moment.astimezone(other).utcoffset() for moment in moments
    )
