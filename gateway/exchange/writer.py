"""Carries out one intended write in Exchange: verify, send, confirm.

The steps are separate because the ledger remembers the state between them: a gateway that stops in
the middle knows afterwards whether it may send (never sent), must read back first (sent, unclear) or
only has to wait for Exchange to show it. Every method has the same end state however often it is sent.

    verify ─▶ Verified ─▶ send ─▶ Sent, Gone ─▶ confirm ─▶ True: applied (what people asked for: contest)
      │                    ├───▶ Unclear ─▶ verify(sent_before=True)
      │                    ├───▶ NotSent ─▶ verify again, or leave it
      ▼                    ▼
    Superseded, AlreadyDone   Refused

Every ExchangeError that a step raises means that nothing was changed: the row stays as it is.
`zone` is always the room's.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import tzinfo
from http import HTTPStatus
from typing import Any, Final

import msgspec

from gateway.clock import Clock
from gateway.core.booking import Booking
from gateway.core.decisions import Write
from gateway.core.units import MINUTE_MS, SECOND_MS, Duration, Instant
from gateway.exchange.calendar import CalendarReader
from gateway.exchange.client import GraphClient
from gateway.exchange.contest import Entry, Verdict, judge
from gateway.exchange.errors import ItemGoneError, RefusedError, RetryableError, UnclearError
from gateway.exchange.models import GraphEvent, to_booking
from gateway.exchange.own import (
    NO_WORDING,
    OwnBookings,
    Wording,
    blocks,
    graph_time,
    transaction_id,
    whole_seconds,
)

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


NOT_FREE: Final = Superseded("not_free")
"""The room is held by something else in the time that the write would take."""


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
    """Writes through `client` and reads back through `reader`.

    `category` marks check-ins, `own` says how the gateway's own bookings look. `installation` names the
    ledger that the writes come from; it is asked for at each creation.
    """

    def __init__(
        self,
        client: GraphClient,
        reader: CalendarReader,
        clock: Clock,
        *,
        category: str = CHECK_IN_CATEGORY,
        own: OwnBookings | None = None,
        installation: Callable[[], str] = str,
    ) -> None:
        self._client = client
        self._reader = reader
        self._clock = clock
        self._category = category
        self._own = own or OwnBookings()
        self._installation = installation

    async def verify(
        self, mailbox: str, zone: tzinfo, write: Write, *, sent_before: bool = False
    ) -> Verified | Superseded | AlreadyDone:
        """Read the occurrence and compare it with what was decided on (invariant W4).

        `sent_before`: this row's request was begun earlier, so its effect may be what is seen.
        """
        if write.method == "create":
            return await self._verify_creation(mailbox, zone, write)
        if write.event_id == write.series_id:
            return Superseded("series_master")
        read_at_ms = self._clock.monotonic_ms()
        if write.removes and sent_before and await self.confirm(mailbox, zone, write):
            return AlreadyDone()
        event = await self._occurrence(mailbox, write, sent_before=sent_before)
        if isinstance(event, Superseded | AlreadyDone):
            return event
        booking = to_booking(event, zone, self._reader.exemptions)
        if self._visible(write, event, booking):
            return AlreadyDone()
        why = superseded_by(write, booking) or await self._objection(mailbox, zone, write)
        return Superseded(why) if why else Verified(write.id, read_at_ms, event.categories)

    async def _occurrence(
        self, mailbox: str, write: Write, *, sent_before: bool
    ) -> GraphEvent | Superseded | AlreadyDone:
        """The item that is to be written to, and never a whole series.

        Raises RetryableError where the calendar lists what is not there: one of the two answers is old, and
        after a request that may have had its effect the row must not end by the wrong one.
        """
        try:
            event = await self._reader.event(mailbox, write.event_id)
        except ItemGoneError:
            if not sent_before:
                return Superseded("gone")
            if await self._is_listed(mailbox, write):
                raise RetryableError("the calendar lists an item that is not there") from None
            return AlreadyDone() if write.removes else Superseded("gone")
        return Superseded("series_master") if event.type == "seriesMaster" else event

    async def _objection(self, mailbox: str, zone: tzinfo, write: Write) -> str:
        """What the calendar around an unchanged item has against the write, as a code."""
        if write.removes and not await self._is_listed(mailbox, write):
            return "gone"  # an immutable id still opens what somebody has moved to Deleted Items
        if write.action == "extend" and not await self._is_free(mailbox, zone, write):
            return NOT_FREE.why
        return ""

    async def _verify_creation(
        self, mailbox: str, zone: tzinfo, write: Write
    ) -> Verified | Superseded | AlreadyDone:
        """Whether it is there already, or the room is still free for it: nothing checks that later."""
        read_at_ms = self._clock.monotonic_ms()
        if await self._created(mailbox, write):
            return AlreadyDone()
        if not await self._is_free(mailbox, zone, write):
            return NOT_FREE
        return Verified(write.id, read_at_ms)

    async def _created(self, mailbox: str, write: Write) -> bool:
        """Whether the calendar shows the booking that this very write made."""
        events = await self._reader.view(mailbox, *_span(write.start, write.end), urgent=True)
        return self._made_by(mailbox, write, events) is not None

    def _made_by(self, mailbox: str, write: Write, events: Iterable[GraphEvent]) -> GraphEvent | None:
        wanted = transaction_id(self._installation(), mailbox, write)
        return next((e for e in events if e.transaction_id == wanted and not e.cancelled), None)

    async def _is_free(self, mailbox: str, zone: tzinfo, write: Write) -> bool:
        """Whether nothing else holds the room in the time that the write would take.

        All-day entries are notes in a room's calendar, here as in the core; what people ask for is held
        to more than that.
        """
        start, end = (write.end, write.new_end) if write.new_end else (write.start, write.end)
        events = await self._reader.view(mailbox, *_span(start, end), urgent=True)
        others = [event for event in events if event.id != write.event_id]
        held = self._reader.bookings(others, zone)
        if write.action == "book":
            return not any(blocks(booking) for booking in held)
        return not any(booking.is_decided_on and not booking.all_day for booking in held)

    def _visible(self, write: Write, event: GraphEvent, booking: Booking) -> bool:
        """Whether the item itself shows the effect of a check-in or a shortening."""
        if write.action == "check_in":
            return event.has_category(self._category)
        if write.new_end is None or not booking.is_decided_on or booking.start != write.start:
            return False
        if write.action == "extend":
            return booking.end >= whole_seconds(write.new_end)
        return write.action in ("shorten", "end_early") and booking.end <= write.new_end

    async def send(
        self,
        mailbox: str,
        write: Write,
        comment: str,
        verified: Verified,
        *,
        still_wanted: Callable[[], bool] = _always,
        wording: Wording = NO_WORDING,
    ) -> Sent | Gone | NotSent | Unclear | Refused:
        """Send the write, once. `still_wanted` is asked at the last moment before the request begins.

        Raises UnreadableError (no permission, no mailbox): nothing was changed.
        """
        if write.id != verified.write:
            raise ValueError(f"write {write.id} is not the one that was verified ({verified.write})")
        if write.method != "create" and write.event_id == write.series_id:
            return Refused("series_master")
        obstacle = ""

        def still() -> bool:
            nonlocal obstacle
            obstacle = self._obstacle(write, verified, still_wanted)
            return not obstacle

        method, path, body = self._request(mailbox, write, comment, verified, wording)
        url = self._client.url("users", mailbox, "events", *path)
        try:
            await self._client.write(method, url, body, still=still)
        except ItemGoneError:
            return Gone()
        except UnclearError as error:
            return Unclear(str(error))
        except RefusedError as error:
            # Graph's pages do not say what a repeated transactionId is answered: look what is there.
            repeated = write.method == "create" and error.status == HTTPStatus.CONFLICT
            return Unclear(str(error)) if repeated else Refused(str(error))
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
        self, mailbox: str, write: Write, comment: str, verified: Verified, wording: Wording
    ) -> tuple[str, tuple[str, ...], dict[str, Any] | None]:
        """Method, what follows the room's events in the path, and body."""
        said = {"comment": comment} if comment else {}
        event = write.event_id
        match write.method:
            case "decline":
                return "POST", (event, "decline"), {**said, "sendResponse": True}
            case "cancel":
                return "POST", (event, "cancel"), said
            case "delete":
                return "DELETE", (event,), None
            case "category":
                return "PATCH", (event,), {"categories": [*verified.categories, self._category]}
            case "create":
                transaction = transaction_id(self._installation(), mailbox, write)
                return "POST", (), self._own.body(write, transaction, wording)
            case "patch_end":
                if write.new_end is None:
                    raise ValueError(f"write {write.id} shortens without a new end")
                return "PATCH", (event,), {"end": graph_time(write.new_end)}

    # -- what people asked for -------------------------------------------------------------------------

    async def contest(self, mailbox: str, zone: tzinfo, write: Write, *, last_look: bool) -> Verdict:
        """Whether our booking stays beside what else was booked at the same moment; take it back if not.

        "look_again" only before the `last_look`. Raises what reads and writes raise; then ask again.
        """
        events = await self._reader.view(mailbox, *_span(write.start, write.end), urgent=True)
        ours = self._made_by(mailbox, write, events)
        if ours is None:
            return "gives_way"  # somebody has removed it already
        rivals = [
            event
            for event in events
            if event.id not in (ours.id, write.event_id)
            and any(blocks(booking) for booking in self._reader.bookings([event], zone))
        ]
        if not rivals:
            return "stays"
        verdict = judge(
            Entry(ours.id, await self._reader.created_us(mailbox, ours.id)),
            [await self._entry(mailbox, rival) for rival in rivals],
        )
        if verdict == "look_again" and not last_look:
            return "look_again"
        if verdict != "stays":
            await self._take_back(mailbox, ours, write)
            return "gives_way"
        return "stays"

    async def _entry(self, mailbox: str, event: GraphEvent) -> Entry:
        if not self.is_asked_for(event):
            return Entry(event.id, 0, same_kind=False)
        try:
            return Entry(event.id, await self._reader.created_us(mailbox, event.id))
        except ItemGoneError:  # it gave way meanwhile: as if it had come last
            return Entry(event.id, 2**62)

    async def _take_back(self, mailbox: str, event: GraphEvent, write: Write) -> None:
        """Remove our own booking, and see that it is gone. Whoever was invited is told by Exchange."""
        with contextlib.suppress(ItemGoneError):
            await self._client.write("DELETE", self._client.url("users", mailbox, "events", event.id))
        if await self._created(mailbox, write):
            raise RetryableError("Exchange still shows the booking that was taken back")

    def is_asked_for(self, event: GraphEvent) -> bool:
        """Whether a person booked it through a gateway."""
        return event.room_organises and event.has_category(self._own.desk_category)

    def is_own(self, event: GraphEvent) -> bool:
        """Whether a gateway made it: asked for by a person, a walk-up, or a hold."""
        own = (self._own.desk_category, self._own.walk_up_category, self._own.hold_category)
        return event.room_organises and any(event.has_category(category) for category in own)

    async def made(self, mailbox: str, zone: tzinfo, write: Write) -> Booking | None:
        """The booking that a creation made, as the calendar shows it; None if it shows none."""
        events = await self._reader.view(mailbox, *_span(write.start, write.end), urgent=True)
        event = self._made_by(mailbox, write, events)
        return None if event is None else to_booking(event, zone, self._reader.exemptions)

    # -- whatever it is --------------------------------------------------------------------------------

    async def confirm(self, mailbox: str, zone: tzinfo, write: Write) -> bool:
        """Whether a complete read shows the effect; False: not (yet)."""
        if write.method == "create":
            return await self._created(mailbox, write)
        listed = await self._listed(mailbox, write.event_id, write.start, write.end)
        if write.removes:
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
        events = await self._reader.view(mailbox, *_span(start, end), urgent=True)
        return next((event for event in events if event.id == event_id), None)


def _span(start: Instant, end: Instant) -> tuple[Instant, Instant]:
    """A window that is never empty: Graph lists nothing in one."""
    return start, max(end, start + MINUTE_MS)


def superseded_by(write: Write, booking: Booking) -> str:
    """What differs from the picture that was decided on, as a code; empty if nothing that counts.

    The change key does not count: our own marks move it. Exemptions hold against automatic rules only:
    a person may end an exempt booking, and a walk-up that is over is one.
    """
    differences = {
        "cancelled": booking.cancelled,
        "not_accepted": not booking.is_decided_on,
        "organizer_changed": booking.room_organises != write.room_organises,
        "moved": (booking.start, booking.end) != (write.start, write.end),
        "other_occurrence": booking.original_start != write.original_start,
        "exempt": bool(booking.marks) and write.takes_time_away,
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
