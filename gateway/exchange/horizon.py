"""The months to come of a room's calendar: read seldom, looked through once, and never decided on.

Each page becomes bookings before the next is asked for, so a year of a busy room takes little memory. The
pages are several moments: what is found missing here must be looked for once more before anybody is told.
"""

from datetime import timedelta, tzinfo
from typing import Final

from gateway.core.booking import Booking
from gateway.core.units import DAY_MS, Duration, Instant
from gateway.exchange.calendar import CalendarReader, graph_moment, items_of, no_calendar, one_per_key
from gateway.exchange.client import GraphClient
from gateway.exchange.errors import ItemGoneError, MalformedError
from gateway.exchange.models import HORIZON_FIELDS, MASTER_FIELDS, parse_event
from gateway.exchange.moments import as_datetime, midnight
from gateway.exchange.recurrence import Series, series_of

PAGE_SIZE: Final = 200
MAX_PAGES: Final = 50
"""10,000 bookings of one room: more than two years have."""

AROUND_MS: Final[Duration] = 60 * DAY_MS
"""How far outside of the horizon an occurrence is looked for that may have been moved."""


def horizon_window(now: Instant, zone: tzinfo, length_ms: Duration) -> tuple[Instant, Instant]:
    """From the day after tomorrow to the end of the horizon, whole days of the room's zone."""
    today = as_datetime(now).astimezone(zone).date()
    start = midnight(today + timedelta(days=2), zone)
    return start, max(start, midnight(today + timedelta(days=length_ms // DAY_MS), zone))


class HorizonReader:
    """Reads one room's months to come through `client`; `near` knows what the room's bookings mean."""

    def __init__(
        self,
        client: GraphClient,
        near: CalendarReader,
        *,
        page_size: int = PAGE_SIZE,
        max_pages: int = MAX_PAGES,
    ) -> None:
        self._client = client
        self._near = near
        self._page_size = page_size
        self._max_pages = max_pages

    async def read(
        self, mailbox: str, zone: tzinfo, start: Instant, end: Instant, *, whole: bool = False
    ) -> tuple[Booking, ...]:
        """The bookings that overlap the window, by key. Raises RetryableError or UnreadableError.

        `whole`: with all that decisions hang on, as the near calendar is read.
        """
        url = self._client.url("users", mailbox, "calendarView")
        params: dict[str, str] | None = {
            "startDateTime": graph_moment(start),
            "endDateTime": graph_moment(end),
            "$select": self._near.exemptions.select if whole else ",".join(HORIZON_FIELDS),
            "$top": str(self._page_size),
        }
        bookings: list[Booking] = []
        seen = {url}
        for _ in range(self._max_pages):
            try:
                page = await self._client.get(url, params)
            except ItemGoneError as error:
                raise no_calendar(error) from error
            bookings += self._near.bookings((parse_event(item) for item in items_of(page)), zone)
            link = page.get("@odata.nextLink")
            if link is None:
                return one_per_key(bookings)
            if not isinstance(link, str) or link in seen:
                raise MalformedError("a nextLink that leads nowhere new")
            seen.add(link)
            url, params = link, None
        raise MalformedError(f"a calendar of more than {self._max_pages} pages")

    async def series(self, mailbox: str, series_id: str) -> Series:
        """When a series meets, from its master in the room's mailbox.

        Raises ItemGoneError where the mailbox does not have it (a room that was invited to one date only),
        MalformedError where its pattern cannot be followed, and what `read` raises.
        """
        url = self._client.url("users", mailbox, "events", series_id)
        return series_of(parse_event(await self._client.get(url, {"$select": ",".join(MASTER_FIELDS)})))

    async def occurrences(
        self, mailbox: str, zone: tzinfo, series_id: str, start: Instant, end: Instant
    ) -> tuple[Booking, ...]:
        """What the mailbox holds of a series in the window and around it, moved ones included."""
        return await self._near.instances(
            mailbox, zone, series_id, start - AROUND_MS, end + AROUND_MS, urgent=False
        )
