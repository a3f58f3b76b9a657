"""Complete reads of room calendars, and what a read says against what was known.

A read is whole or it raises: no error, no odd page and no lost permission can look like a calendar
with fewer bookings (invariant L6).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from gateway.core.booking import Booking
from gateway.core.units import HOUR_MS, Instant
from gateway.exchange.answer import Answer
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import (
    MAILBOX_ADVICE,
    ExchangeError,
    ItemGoneError,
    MailboxError,
    MalformedError,
    RetryableError,
)
from gateway.exchange.models import (
    NO_EXEMPTIONS,
    Exemptions,
    GraphEvent,
    parse_event,
    to_booking,
)
from gateway.exchange.moments import as_datetime, midnight
from gateway.exchange.own import Wording

PAGE_SIZE: Final = 200
"""Events per page: today and tomorrow of one room fit into one, and one page is one moment."""

MAX_PAGES: Final = 50
"""10,000 bookings of one room: a server that offers more is going round in circles."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

AGREEING_READS: Final = 4
"""How often a listing of several pages is read until two reads in a row agree."""

LOOK_BACK_MS: Final = 12 * HOUR_MS
"""Shortly after midnight, meetings that began yesterday still run."""

ZONE_SLACK_MS: Final = 14 * HOUR_MS
"""All-day entries are dates to us and instants of their organizer's zone to Exchange."""


class CalendarReader:
    """Reads calendars through `client`; `exemptions` decides on the bookings' marks."""

    def __init__(
        self,
        client: GraphClient,
        *,
        exemptions: Exemptions = NO_EXEMPTIONS,
        page_size: int = PAGE_SIZE,
        max_pages: int = MAX_PAGES,
    ) -> None:
        self._client = client
        self.exemptions = exemptions
        self._page_size = page_size
        self._max_pages = max_pages
        self._kept: _Kept | None = None
        self._asked = ("", 0, 0, "")
        """The last question: the same one comes each minute of a day, and writing it down is slow."""

    async def read(
        self, mailbox: str, zone: tzinfo, window_start: Instant, window_end: Instant
    ) -> tuple[Booking, ...]:
        """Every booking that overlaps the window, by key; never a part of them.

        `zone` is the room's, for all-day entries. Raises RetryableError or UnreadableError. An answer of
        the same bytes as the last one is not read again: most are, each minute of each room.
        """
        kept = self._known(mailbox, zone)
        listing = await self._view(
            mailbox, window_start, window_end, urgent=False, known=kept.digest if kept else b""
        )
        if kept is not None and listing.is_known:
            return kept.bookings
        bookings = one_per_key(self.bookings(listing.events, zone))
        self._kept = _Kept(mailbox, zone, listing.digest, bookings) if listing.digest else None
        return bookings

    def question(self, mailbox: str, window_start: Instant, window_end: Instant) -> str:
        """The address whose answer `answered` understands: the window's first page."""
        if self._asked[:3] != (mailbox, window_start, window_end):
            url = self._client.url("users", mailbox, "calendarView")
            url += "?" + urlencode(self._parameters(window_start, window_end))
            self._asked = (mailbox, window_start, window_end, url)
        return self._asked[3]

    def answered(
        self, mailbox: str, zone: tzinfo, answer: Answer | ExchangeError
    ) -> tuple[Booking, ...] | None:
        """As `read`, from the answer to `question`; None where more pages follow: then `read` it.

        Raises what `read` would raise.
        """
        if isinstance(answer, ItemGoneError):
            raise no_calendar(answer) from answer
        if isinstance(answer, ExchangeError):
            raise answer
        kept = self._known(mailbox, zone)
        digest = _digest(answer)
        if kept is not None and digest == kept.digest:
            return kept.bookings
        first = answer.json()
        if first.get("@odata.nextLink") is not None:
            return None
        bookings = one_per_key(self.bookings([parse_event(item) for item in items_of(first)], zone))
        self._kept = _Kept(mailbox, zone, digest, bookings)
        return bookings

    def _known(self, mailbox: str, zone: tzinfo) -> "_Kept | None":
        kept = self._kept
        return kept if kept is not None and (kept.mailbox, kept.zone) == (mailbox, zone) else None

    def bookings(self, events: Iterable[GraphEvent], zone: tzinfo) -> list[Booking]:
        """The bookings of these events; series masters are no bookings and are left out."""
        return [to_booking(event, zone, self.exemptions) for event in events if event.type != "seriesMaster"]

    async def view(
        self, mailbox: str, window_start: Instant, window_end: Instant, *, urgent: bool = False
    ) -> tuple[GraphEvent, ...]:
        """The events of a complete `calendarView`, as Graph tells them."""
        return (await self._view(mailbox, window_start, window_end, urgent=urgent)).events

    async def _view(
        self, mailbox: str, start: Instant, end: Instant, *, urgent: bool, known: bytes = b""
    ) -> "_Listing":
        url = self.question(mailbox, start, end)
        try:
            return await self._complete(url, urgent=urgent, known=known)
        except ItemGoneError as error:
            raise no_calendar(error) from error

    async def event(self, mailbox: str, event_id: str) -> GraphEvent:
        """One item by its id. ItemGoneError if the mailbox does not have it."""
        url = self._client.url("users", mailbox, "events", event_id)
        return parse_event(await self._client.get(url, {"$select": self.exemptions.select}, urgent=True))

    async def created_us(self, mailbox: str, event_id: str) -> int:
        """When Exchange made the item, in microseconds since 1970 UTC. ItemGoneError if it is not there.

        A listing does not tell it: calendarView does not support `createdDateTime` in $select.
        """
        url = self._client.url("users", mailbox, "events", event_id)
        told = (await self._client.get(url, {"$select": "createdDateTime"}, urgent=True)).get(
            "createdDateTime"
        )
        try:
            made = datetime.fromisoformat(str(told))
        except ValueError as error:
            raise MalformedError("a createdDateTime that is no time") from error
        return (made.replace(tzinfo=made.tzinfo or UTC) - EPOCH) // MICROSECOND

    async def wording(self, mailbox: str, event_id: str) -> Wording:
        """Title and guest of an item, to be given to the one that takes its place, and to nobody else.

        ItemGoneError if it is not there.
        """
        url = self._client.url("users", mailbox, "events", event_id)
        told = await self._client.get(url, {"$select": "subject,attendees"}, urgent=True)
        attendees = told.get("attendees") or []
        mail = attendees[0].get("emailAddress") or {} if attendees else {}
        return Wording(str(told.get("subject") or ""), str(mail.get("address") or ""))

    async def instances(
        self,
        mailbox: str,
        zone: tzinfo,
        series_id: str,
        start: Instant,
        end: Instant,
        *,
        urgent: bool = True,
    ) -> tuple[Booking, ...]:
        """The occurrences of one series that overlap the window; none if the series is gone."""
        url = self._client.url("users", mailbox, "events", series_id, "instances")
        url += "?" + urlencode(self._parameters(start, end))
        try:
            listing = await self._complete(url, urgent=urgent)
        except ItemGoneError:
            return ()
        return one_per_key(self.bookings(listing.events, zone))

    async def _complete(self, url: str, *, urgent: bool, known: bytes = b"") -> "_Listing":
        """Several pages are several moments: what moves between them may be missed, so read twice."""
        listing = await self._listing(url, urgent=urgent, known=known)
        if listing.digest:
            return listing
        for _ in range(AGREEING_READS - 1):
            before = listing
            listing = await self._listing(url, urgent=urgent)
            if listing == before:
                return listing
        raise RetryableError("the calendar kept changing while it was read")

    async def _listing(self, url: str, *, urgent: bool, known: bytes = b"") -> "_Listing":
        events: list[GraphEvent] = []
        seen = {url}
        for page_number in range(1, self._max_pages + 1):
            answer = await self._client.fetch(url, urgent=urgent)
            digest = _digest(answer) if page_number == 1 else b""
            if known and digest == known:
                return _Listing((), digest, is_known=True)
            page = answer.json()
            events += (parse_event(item) for item in items_of(page))
            link = page.get("@odata.nextLink")
            if link is None:
                return _Listing(tuple(events), digest)
            if not isinstance(link, str) or link in seen:
                raise MalformedError("a nextLink that leads nowhere new")
            seen.add(link)
            url = link  # a nextLink carries every parameter itself
        raise MalformedError(f"a calendar of more than {self._max_pages} pages")

    def _parameters(self, start: Instant, end: Instant) -> dict[str, str]:
        return {
            "startDateTime": graph_moment(start),
            "endDateTime": graph_moment(end),
            "$select": self.exemptions.select,
            "$top": str(self._page_size),
        }


class _Listing(NamedTuple):
    """A complete listing."""

    events: tuple[GraphEvent, ...]
    digest: bytes
    """Of its only page; empty where it had several."""
    is_known: bool = False
    """Its only page has the digest that was known: `events` is empty, and nothing was read."""


class _Kept(NamedTuple):
    """The last read of one page, and what it came to."""

    mailbox: str
    zone: tzinfo
    digest: bytes
    bookings: tuple[Booking, ...]


def _digest(answer: Answer) -> bytes:
    return blake2b(answer.body, digest_size=16).digest()


def no_calendar(error: ItemGoneError) -> MailboxError:
    """What "not found" means when it is said of a whole calendar."""
    return MailboxError(MAILBOX_ADVICE, status=error.status, code=error.code)


def items_of(page: dict[str, Any]) -> list[Any]:
    """The items of a page. MalformedError where it has none."""
    items = page.get("value")
    if not isinstance(items, list):
        raise MalformedError("a page without a list of items")
    return items


def graph_moment(moment: Instant) -> str:
    """An instant as Graph's parameters have it."""
    return as_datetime(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def window(now: Instant, zone: tzinfo) -> tuple[Instant, Instant]:
    """Today and tomorrow in the room's zone; at least 12 h back, so that running meetings count."""
    today = as_datetime(now).astimezone(zone).date()
    back = (now - LOOK_BACK_MS) // HOUR_MS * HOUR_MS  # whole hours, so that the same question comes again
    return min(midnight(today, zone), back), midnight(today + timedelta(days=2), zone)


def one_per_key(bookings: Iterable[Booking]) -> tuple[Booking, ...]:
    """The bookings by key, one each.

    Two items share a key after a declined meeting was accepted again: the one that holds the room
    counts, then the one that at least is not cancelled.
    """
    best: dict[str, Booking] = {}
    for booking in bookings:
        other = best.get(booking.key)
        if other is None or _rank(booking) > _rank(other):
            best[booking.key] = booking
    return tuple(best[key] for key in sorted(best))


def _rank(booking: Booking) -> tuple[bool, bool, str]:
    # The id makes the choice the same in whatever order Exchange lists them.
    return booking.is_decided_on, not booking.cancelled, booking.event_id


def overlaps(booking: Booking, start: Instant, end: Instant) -> bool:
    """Whether Exchange must list the booking when asked for this window (end excluded)."""
    if booking.all_day:
        start, end = start + ZONE_SLACK_MS, end - ZONE_SLACK_MS
    return booking.start < end and (booking.end > start or booking.start == booking.end == start)


def difference(
    known: Iterable[Booking], read: Iterable[Booking], window_start: Instant, window_end: Instant
) -> tuple[tuple[Booking, ...], tuple[str, ...]]:
    """What a complete read of a window changes: bookings that are new or differ, and keys that are gone.

    Only known bookings that overlap the window can be gone. Both results are sorted by key.
    """
    held = {booking.key: booking for booking in known}
    found = one_per_key(read)
    keys = {booking.key for booking in found}
    changed = tuple(booking for booking in found if held.get(booking.key) != booking)
    removed = sorted(
        key
        for key, booking in held.items()
        if key not in keys and overlaps(booking, window_start, window_end)
    )
    return changed, tuple(removed)
