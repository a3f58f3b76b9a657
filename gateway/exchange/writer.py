"""Carries out one intended write in Exchange: verify, send, confirm.

The steps are separate because the ledger remembers the state between them: a gateway that stops in
the middle knows afterwards whether it may send (never sent), must read back first (sent, unclear) or
only has to wait for Exchange to show it. Every method has the same end state however often it is sent.

    verify ─▶ Verified ─▶ send ─▶ Sent, Gone ─▶ confirm ─▶ True: applied
      │                    ├───▶ Unclear ─▶ verify(sent_before=True)
      │                    ├───▶ NotSent ─▶ verify again, or leave it
      ▼                    ▼
    Superseded, AlreadyDone   Refused

Every ExchangeError that a step raises means that nothing was changed: the row stays as it is.
`zone` is always the room's.
"""

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any, Final

import msgspec

from gateway.clock import Clock
from gateway.core.booking import Booking
from gateway.core.decisions import Write
from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.exchange.calendar import CalendarReader
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import ItemGoneError, RefusedError, RetryableError, UnclearError
from gateway.exchange.models import GraphEvent, to_booking
from gateway.exchange.moments import as_datetime

CHECK_IN_CATEGORY: Final = "Checked in"

MAX_VERIFIED_AGE_MS: Final[Duration] = 30 * SECOND_MS
"""Invariant W4: the occurrence is read at most this long before the write."""


class Verified(msgspec.Struct, frozen=True):
    """The occurrence is unchanged and may be written to, for 30 s."""

    write: int
    read_at_ms: int
    """Monotonic time before the read was asked for."""
    categories: tuple[str, ...] = ()
    """What the item carries; a check-in adds to it."""


class Superseded(msgspec.Struct, frozen=True):
    """Exchange shows something else than what was decided on. `why`: a code; nothing is to be sent."""

    why: str


class AlreadyDone(msgspec.Struct, frozen=True):
    """Exchange shows the effect."""


class Sent(msgspec.Struct, frozen=True):
    """Exchange accepted it. Not yet a confirmation."""


class Gone(msgspec.Struct, frozen=True):
    """The item is not there: for a release the effect (to be confirmed), else nothing left to write to."""


class NotSent(msgspec.Struct, frozen=True):
    """It had no effect. `why`: withdrawn, expired, stale (verify again), or what kept it from going."""

    why: str
    retry_after_s: float | None = None


class Unclear(msgspec.Struct, frozen=True):
    """It may have had its effect: verify with `sent_before`, never just send again."""

    why: str


class Refused(msgspec.Struct, frozen=True):
    """Exchange, or the guard against writing to a series, will never accept it."""

    why: str


def _always() -> bool:
    return True


class Writer:
    """Writes through `client` and reads back through `reader`. `category` marks check-ins."""

    def __init__(
        self, client: GraphClient, reader: CalendarReader, clock: Clock, *, category: str = CHECK_IN_CATEGORY
    ) -> None:
        self._client = client
        self._reader = reader
        self._clock = clock
        self._category = category

    async def verify(
        self, mailbox: str, zone: tzinfo, write: Write, *, sent_before: bool = False
    ) -> Verified | Superseded | AlreadyDone:
        """Read the occurrence and compare it with what was decided on (invariant W4).

        `sent_before`: this row's request was begun earlier, so its effect may be what is seen.
        """
        if write.event_id == write.series_id:
            return Superseded("series_master")
        read_at_ms = self._clock.monotonic_ms()
        if write.action == "release" and sent_before and await self.confirm(mailbox, zone, write):
            return AlreadyDone()
        try:
            event = await self._reader.event(mailbox, write.event_id)
        except ItemGoneError:
            return Superseded("gone")
        if event.type == "seriesMaster":
            return Superseded("series_master")
        booking = to_booking(event, zone, self._reader.exemptions)
        if self._visible(write, event, booking):
            return AlreadyDone()
        why = superseded_by(write, booking)
        if not why and write.action == "release" and not await self._is_listed(mailbox, write):
            why = "gone"  # an immutable id still opens what somebody has moved to Deleted Items
        return Superseded(why) if why else Verified(write.id, read_at_ms, event.categories)

    def _visible(self, write: Write, event: GraphEvent, booking: Booking) -> bool:
        """Whether the item itself shows the effect of a check-in or a shortening."""
        if write.action == "check_in":
            return event.has_category(self._category)
        if write.new_end is None or not booking.is_decided_on or booking.start != write.start:
            return False
        if write.action == "extend":
            return booking.end >= write.new_end
        return write.action in ("shorten", "end_early") and booking.end <= write.new_end

    async def send(
        self,
        mailbox: str,
        write: Write,
        comment: str,
        verified: Verified,
        *,
        still_wanted: Callable[[], bool] = _always,
    ) -> Sent | Gone | NotSent | Unclear | Refused:
        """Send the write, once. `still_wanted` is asked at the last moment before the request begins.

        Raises UnreadableError (no permission, no mailbox): nothing was changed.
        """
        if write.id != verified.write:
            raise ValueError(f"write {write.id} is not the one that was verified ({verified.write})")
        if write.event_id == write.series_id:
            return Refused("series_master")
        obstacle = ""

        def still() -> bool:
            nonlocal obstacle
            obstacle = self._obstacle(write, verified, still_wanted)
            return not obstacle

        method, action, body = self._request(write, comment, verified)
        url = self._client.url("users", mailbox, "events", write.event_id, *action)
        try:
            await self._client.write(method, url, body, still=still)
        except ItemGoneError:
            return Gone()
        except UnclearError as error:
            return Unclear(str(error))
        except RefusedError as error:
            return Refused(str(error))
        except RetryableError as error:
            return NotSent(obstacle or str(error), error.retry_after_s)
        return Sent()

    def _obstacle(self, write: Write, verified: Verified, still_wanted: Callable[[], bool]) -> str:
        if not still_wanted():
            return "withdrawn"
        if self._clock.now() > write.deadline:
            return "expired"
        if self._clock.monotonic_ms() - verified.read_at_ms > MAX_VERIFIED_AGE_MS:
            return "stale"
        return ""

    def _request(
        self, write: Write, comment: str, verified: Verified
    ) -> tuple[str, tuple[str, ...], dict[str, Any] | None]:
        """Method, what follows the event in the path, and body."""
        said = {"comment": comment} if comment else {}
        match write.method:
            case "decline":
                return "POST", ("decline",), {**said, "sendResponse": True}
            case "cancel":
                return "POST", ("cancel",), said
            case "delete":
                return "DELETE", (), None
            case "category":
                return "PATCH", (), {"categories": [*verified.categories, self._category]}
            case "create":
                raise ValueError(f"write {write.id} creates a booking: no setting allows that yet")
            case "patch_end":
                if write.new_end is None:
                    raise ValueError(f"write {write.id} shortens without a new end")
                end = as_datetime(write.new_end).replace(tzinfo=None).isoformat(timespec="milliseconds")
                return "PATCH", (), {"end": {"dateTime": end, "timeZone": "UTC"}}

    async def confirm(self, mailbox: str, zone: tzinfo, write: Write) -> bool:
        """Whether a complete read shows the effect; False: not (yet)."""
        listed = await self._listed(mailbox, write.event_id, write.start, write.end)
        if write.action == "release":
            return await self._is_released(mailbox, zone, write, listed)
        if listed is None:
            return False
        return self._visible(write, listed, to_booking(listed, zone, self._reader.exemptions))

    async def _is_released(self, mailbox: str, zone: tzinfo, write: Write, listed: GraphEvent | None) -> bool:
        """Gone from the calendar, declined, or cancelled; and not just moved to another time."""
        if listed is None:
            try:
                elsewhere = await self._reader.event(mailbox, write.event_id)
            except ItemGoneError:
                return True
            moved = to_booking(elsewhere, zone, self._reader.exemptions)
            listed = await self._listed(mailbox, write.event_id, moved.start, moved.end)
        return listed is None or listed.cancelled or listed.response == "declined"

    async def _is_listed(self, mailbox: str, write: Write) -> bool:
        return await self._listed(mailbox, write.event_id, write.start, write.end) is not None

    async def _listed(self, mailbox: str, event_id: str, start: Instant, end: Instant) -> GraphEvent | None:
        """The item as the calendar around it shows it, all pages; None if it is not shown."""
        events = await self._reader.view(mailbox, start, max(end, start + MINUTE_MS), urgent=True)
        return next((event for event in events if event.id == event_id), None)


def superseded_by(write: Write, booking: Booking) -> str:
    """What differs from the picture that was decided on, as a code; empty if nothing that counts.

    The change key does not count: our own marks move it.
    """
    differences = {
        "cancelled": booking.cancelled,
        "not_accepted": not booking.is_decided_on,
        "organizer_changed": booking.room_organises != write.room_organises,
        "moved": (booking.start, booking.end) != (write.start, write.end),
        "other_occurrence": booking.original_start != write.original_start,
        "exempt": bool(booking.marks) and write.action not in ("check_in", "extend"),
    }
    return next((why for why, differs in differences.items() if differs), "")


def vanished(before: Iterable[Booking], after: Iterable[Booking], released_event_id: str) -> frozenset[str]:
    """Keys of a series' other occurrences that held the room before a release and do not any more.

    Not empty after the release of one occurrence: Exchange took it for more than one. Stop.
    """
    holding = {booking.key for booking in after if booking.is_decided_on}
    return frozenset(
        booking.key
        for booking in before
        if booking.is_decided_on and booking.event_id != released_event_id and booking.key not in holding
    )
