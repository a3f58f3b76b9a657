"""Calendar reads: whole or not at all, and what they change."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.booking import Booking
from gateway.core.units import HOUR_MS, MINUTE_MS
from gateway.exchange import errors
from gateway.exchange.calendar import CalendarReader, difference, one_per_key, overlaps, window
from gateway.exchange.client import GraphClient
from gateway.exchange.moments import instant

BASE = "https://graph.example/v1.0"
BERLIN = ZoneInfo("Europe/Berlin")
DAY = instant(datetime(2026, 3, 2, tzinfo=UTC))


class NoTokens:
    async def token(self, *, claims: str | None = None) -> str:
        return claims or "token"


class Pages:
    """A server that answers with these pages in turn; each names the next, the last does not."""

    def __init__(self, *pages: list[Any] | httpx.Response, loop: bool = False, **settings: Any) -> None:
        self.pages = list(pages)
        self.loop = loop
        self.seen: list[httpx.Request] = []
        self.rounds = 0
        client = GraphClient(BASE, NoTokens(), transport=httpx.MockTransport(self._answer), sleep=self._sleep)
        self.reader = CalendarReader(client, **settings)

    async def _sleep(self, _: float) -> None:
        return

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        number = int(parse_qs(request.url.query.decode()).get("$skiptoken", ["0"])[0])
        self.rounds += number == 0
        page = self.pages[number]
        if isinstance(page, httpx.Response):
            return page
        body: dict[str, Any] = {"value": page}
        last = number == len(self.pages) - 1
        if self.loop or not last:
            following = 0 if last else number + 1
            body["@odata.nextLink"] = f"{BASE}/users/orion/calendarView?$skiptoken={following}"
        return httpx.Response(200, json=body)

    async def read(self) -> tuple[Booking, ...]:
        return await self.reader.read("orion@contoso.com", BERLIN, DAY, DAY + 24 * HOUR_MS)


def event(number: int, **changes: Any) -> dict[str, Any]:
    """A one-hour meeting, the number-th hour of the day."""
    return {
        "id": f"id-{number}",
        "iCalUId": f"uid-{number:02}",
        "type": "singleInstance",
        "start": {"dateTime": f"2026-03-02T{number:02}:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": f"2026-03-02T{number:02}:30:00.0000000", "timeZone": "UTC"},
        "isCancelled": False,
        "responseStatus": {"response": "accepted"},
        "showAs": "busy",
        **changes,
    }


def keys(bookings: tuple[Booking, ...]) -> list[str]:
    """Their keys, in their order."""
    return [booking.key for booking in bookings]


async def test_one_page_is_one_request_with_the_window_in_utc() -> None:
    """The usual case: two days of a room, read once."""
    pages = Pages([event(9), event(8)])
    assert keys(await pages.read()) == ["uid-08", "uid-09"]
    (request,) = pages.seen
    assert request.url.path == "/v1.0/users/orion@contoso.com/calendarView"
    query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
    assert query["startDateTime"] == "2026-03-02T00:00:00.000Z"
    assert query["endDateTime"] == "2026-03-03T00:00:00.000Z"
    assert query["$top"] == "200"
    assert "subject" not in query["$select"]


async def test_all_pages_are_followed_even_empty_ones_and_read_twice() -> None:
    """Pages are several moments: the listing counts when two in a row agree."""
    pages = Pages([event(8)], [], [event(9)])
    assert keys(await pages.read()) == ["uid-08", "uid-09"]
    assert pages.rounds == 2
    assert len(pages.seen) == 6


async def test_a_booking_that_slipped_between_two_pages_is_not_lost() -> None:
    """When one entry of the first page goes while paging, a later one moves up and is missed once."""
    pages = Pages([event(7), event(8)], [])  # 9 has slipped to where the first page was
    original = pages._answer

    def settle(request: httpx.Request) -> httpx.Response:
        answer = original(request)
        if len(pages.seen) == 2:
            pages.pages = [[event(8), event(9)], []]
        return answer

    pages.reader._client._transport.handler = settle  # type: ignore[attr-defined]  # a MockTransport
    assert keys(await pages.read()) == ["uid-08", "uid-09"]
    assert pages.rounds == 3


async def test_a_calendar_that_never_stands_still_is_not_read() -> None:
    """After some rounds the read is given up, not guessed."""
    pages = Pages([], [])
    original = pages._answer

    def restless(request: httpx.Request) -> httpx.Response:
        pages.pages = [[event(len(pages.seen) % 24)], []]
        return original(request)

    pages.reader._client._transport.handler = restless  # type: ignore[attr-defined]  # a MockTransport
    with pytest.raises(errors.RetryableError, match="kept changing"):
        await pages.read()


FAILURES: list[tuple[list[Any] | httpx.Response, type[errors.ExchangeError]]] = [
    (httpx.Response(500), errors.RetryableError),
    (httpx.Response(429, headers={"Retry-After": "900"}), errors.RetryableError),
    (httpx.Response(401), errors.AuthError),
    (httpx.Response(403, json={"error": {"code": "ErrorAccessDenied"}}), errors.ForbiddenError),
    (httpx.Response(404), errors.MailboxError),
    (httpx.Response(404, json={"error": {"code": "MailboxNotEnabledForRESTAPI"}}), errors.MailboxError),
    (httpx.Response(404, json={"error": {"code": "ErrorItemNotFound"}}), errors.MailboxError),
    (httpx.Response(400), errors.RefusedError),
    (httpx.Response(200, json={}), errors.MalformedError),
    (httpx.Response(200, json={"value": None}), errors.MalformedError),
    (httpx.Response(200, json={"value": {}}), errors.MalformedError),
    (httpx.Response(200, json={"error": {"code": "x"}}), errors.MalformedError),
    (httpx.Response(200, content=b"<html>"), errors.MalformedError),
    ([event(9), {"id": "half"}], errors.MalformedError),
    ([event(9, type=None)], errors.MalformedError),
    (httpx.Response(200, json={"value": [], "@odata.nextLink": 7}), errors.MalformedError),
    (
        httpx.Response(200, json={"value": [], "@odata.nextLink": "https://evil.test/x"}),
        errors.MalformedError,
    ),
]


@pytest.mark.parametrize(("page", "expected"), FAILURES)
@pytest.mark.parametrize("good_pages", [0, 1, 3])
async def test_no_page_that_fails_leaves_a_part_of_a_calendar(
    page: list[Any] | httpx.Response, expected: type[errors.ExchangeError], good_pages: int
) -> None:
    """Invariant L6: on whichever page it happens, the read raises and no booking can be missed from it."""
    pages = Pages(*([event(number)] for number in range(good_pages)), page)
    with pytest.raises(errors.ExchangeError) as caught:
        await pages.read()
    assert type(caught.value) is expected


async def test_pages_that_go_round_in_circles_end() -> None:
    """A repeated nextLink is an error, not an endless read."""
    pages = Pages([event(1)], [event(2)], loop=True)
    with pytest.raises(errors.MalformedError, match="nowhere new"):
        await pages.read()
    assert len(pages.seen) == 3


async def test_pages_without_end_end() -> None:
    """More pages than any room has bookings are refused."""
    pages = Pages(*([event(number)] for number in range(6)), max_pages=5)
    with pytest.raises(errors.MalformedError, match="more than 5 pages"):
        await pages.read()


async def test_series_masters_are_left_out() -> None:
    """They are no bookings, wherever they turn up."""
    pages = Pages([event(9), event(8, type="seriesMaster")])
    assert keys(await pages.read()) == ["uid-09"]


async def test_instances_of_a_series_that_is_gone_are_none() -> None:
    """404 for the master says exactly that; for other reasons it raises."""
    gone = Pages(httpx.Response(404, json={"error": {"code": "ErrorItemNotFound"}}))
    assert await gone.reader.instances("orion", BERLIN, "M", DAY, DAY + HOUR_MS) == ()
    assert gone.seen[0].url.path == "/v1.0/users/orion/events/M/instances"
    lost = Pages(httpx.Response(404))
    with pytest.raises(errors.MailboxError):
        await lost.reader.instances("orion", BERLIN, "M", DAY, DAY + HOUR_MS)


async def test_instances_are_read_whole_like_a_calendar() -> None:
    """The occurrences of one series, for the guard around its first release."""
    occurrence = {"type": "occurrence", "seriesMasterId": "M"}
    pages = Pages([event(9, **occurrence)], [event(8, **occurrence)])
    found = await pages.reader.instances("orion", BERLIN, "M", DAY, DAY + 24 * HOUR_MS)
    assert [booking.event_id for booking in found] == ["id-8", "id-9"]
    assert {booking.series_id for booking in found} == {"M"}


def local(*parts: int, zone: ZoneInfo = BERLIN) -> int:
    """An instant from local year, month, day, hour, minute."""
    year, month, day, *rest = parts
    hour, minute = (*rest, 0, 0)[:2]
    return instant(datetime(year, month, day, hour, minute, tzinfo=zone))


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ((2026, 3, 2, 15), (2026, 3, 2), (2026, 3, 4)),
        ((2026, 3, 2, 12), (2026, 3, 2), (2026, 3, 4)),
        ((2026, 3, 2, 9), (2026, 3, 1, 21), (2026, 3, 4)),
        ((2026, 3, 2, 0, 1), (2026, 3, 1, 12), (2026, 3, 4)),
        ((2026, 3, 29, 15), (2026, 3, 29), (2026, 3, 31)),
        ((2026, 3, 28, 23, 59), (2026, 3, 28), (2026, 3, 30)),
        ((2026, 10, 24, 23), (2026, 10, 24), (2026, 10, 26)),
        ((2026, 12, 31, 23), (2026, 12, 31), (2027, 1, 2)),
    ],
)
def test_the_window_is_today_and_tomorrow_in_the_rooms_zone(
    now: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    """From midnight, or 12 to 13 hours back, through the end of tomorrow, also when the clocks change."""
    assert window(local(*now), BERLIN) == (local(*start), local(*end))


def test_the_window_spans_47_to_49_hours_over_a_clock_change() -> None:
    """At noon, when it begins at midnight."""
    for day, hours in (((2026, 3, 28), 47), ((2026, 10, 24), 49), ((2026, 6, 1), 48)):
        start, end = window(local(*day, 13), BERLIN)
        assert end - start == hours * HOUR_MS


def test_the_window_of_a_running_meeting_before_midnight_keeps_it() -> None:
    """At 00:30 the meeting that began at 23:00 is still in sight."""
    start, _ = window(local(2026, 3, 2, 0, 30), BERLIN)
    assert start <= local(2026, 3, 1, 23)


def booking(key: str, start: int = 0, length: int = HOUR_MS, **changes: Any) -> Booking:
    """A booking that starts `start` ms into the day."""
    return Booking(
        key=key,
        event_id=changes.pop("event_id", f"id-{key}"),
        start=DAY + start,
        end=DAY + start + length,
        **changes,
    )


def test_a_reaccepted_meeting_counts_once() -> None:
    """Of two items with one key the one that holds the room wins, whatever their order."""
    old = booking("a", event_id="z-old", response="declined")
    cancelled = booking("a", event_id="y", cancelled=True)
    new = booking("a", event_id="b-new")
    for order in ([old, new, cancelled], [new, cancelled, old], [cancelled, old, new]):
        assert one_per_key(order) == (new,)
    assert one_per_key([cancelled, old]) == one_per_key([old, cancelled]) == (old,)


def test_only_bookings_inside_the_window_can_be_gone() -> None:
    """What the read did not cover is not missing."""
    inside = booking("in", 2 * HOUR_MS)
    before = booking("before", -HOUR_MS)
    after = booking("after", 24 * HOUR_MS)
    changed, removed = difference([after, inside, before], [], DAY, DAY + 24 * HOUR_MS)
    assert changed == ()
    assert removed == ("in",)


def test_all_day_entries_are_gone_only_where_every_zone_agrees() -> None:
    """Exchange judges them by their organizer's midnight: at the window's edge, absence proves nothing."""
    yesterday = booking("y", -24 * HOUR_MS, 24 * HOUR_MS, all_day=True)
    today = booking("t", 0, 24 * HOUR_MS, all_day=True)
    tomorrow = booking("m", 24 * HOUR_MS, 24 * HOUR_MS, all_day=True)
    start, end = DAY - 3 * HOUR_MS, DAY + 48 * HOUR_MS
    assert difference([yesterday, today, tomorrow], [], start, end) == ((), ("m", "t"))


def test_a_change_of_anything_is_a_change() -> None:
    """Also of the change key alone (invariant L7); the same again is none."""
    known = booking("a", change_key="1")
    moved = booking("a", change_key="2")
    assert difference([known], [moved], DAY, DAY + HOUR_MS) == ((moved,), ())
    assert difference([known], [known], DAY, DAY + HOUR_MS) == ((), ())


@st.composite
def bookings(draw: st.DrawFn) -> Booking:
    """Any booking around the day, few keys, so that they meet."""
    return Booking(
        key=draw(st.sampled_from("abcdef")),
        event_id=draw(st.sampled_from(["1", "2"])),
        start=(start := DAY + draw(st.integers(-30, 30)) * HOUR_MS),
        end=start + draw(st.sampled_from([0, MINUTE_MS, HOUR_MS, 30 * HOUR_MS])),
        all_day=draw(st.booleans()),
        cancelled=draw(st.booleans()),
        response=draw(st.sampled_from(["accepted", "declined", "none"])),
        change_key=draw(st.sampled_from(["1", "2"])),
    )


def applied(
    known: dict[str, Booking], changed: tuple[Booking, ...], removed: tuple[str, ...]
) -> dict[str, Booking]:
    """What a holder of bookings does with a difference."""
    left = {key: held for key, held in known.items() if key not in removed}
    return left | {fresh.key: fresh for fresh in changed}


@given(
    st.lists(bookings()),
    st.lists(bookings()),
    st.integers(-10, 0).map(lambda hours: DAY + hours * HOUR_MS),
    st.integers(1, 48).map(lambda hours: DAY + hours * HOUR_MS),
)
def test_applying_the_difference_gives_the_picture_that_was_read(
    known: list[Booking], read: list[Booking], start: int, end: int
) -> None:
    """Within the window exactly what was read, outside of it nothing forgotten, and then no difference."""
    before = {held.key: held for held in known}
    found = {fresh.key: fresh for fresh in one_per_key(read)}
    changed, removed = difference(before.values(), read, start, end)
    after = applied(before, changed, removed)
    assert {key: held for key, held in after.items() if key in found} == found
    rest = {key: held for key, held in after.items() if key not in found}
    assert rest == {
        key: held for key, held in before.items() if key not in found and not overlaps(held, start, end)
    }
    assert difference(after.values(), read, start, end) == ((), ())
    assert [fresh.key for fresh in changed] == sorted({fresh.key for fresh in changed})
    assert list(removed) == sorted(set(removed))


@given(st.lists(bookings()), st.randoms())
def test_the_difference_does_not_depend_on_order(read: list[Booking], random: Any) -> None:
    """However Exchange lists them."""
    shuffled = list(read)
    random.shuffle(shuffled)
    window_ = (DAY - HOUR_MS, DAY + 24 * HOUR_MS)
    # Two items with one key, id and rank are one item told twice: the last word of one listing counts.
    distinct = {(b.key, b.event_id): b for b in read}
    shuffled = [distinct[b.key, b.event_id] for b in shuffled]
    assert difference([], distinct.values(), *window_) == difference([], shuffled, *window_)


async def test_an_answer_of_the_same_bytes_is_not_read_again_and_any_other_is() -> None:
    """Nothing new costs next to nothing; a changed entry, a second page or another zone are read in full."""
    pages = Pages([event(8), event(9)])
    first = await pages.read()
    assert await pages.read() is first
    pages.pages = [[event(8), event(9, showAs="free")]]
    changed = await pages.read()
    assert [booking.show_as for booking in changed] == ["busy", "free"]
    pages.pages = [[event(8)], [event(9)]]
    assert keys(await pages.read()) == ["uid-08", "uid-09"]
    assert await pages.read() is not await pages.read()
    pages.pages = [[event(8), event(9)]]
    again = await pages.read()
    assert again == first
    elsewhere = await pages.reader.read("orion@contoso.com", ZoneInfo("UTC"), DAY, DAY + 24 * HOUR_MS)
    assert elsewhere is not again


async def test_another_mailbox_never_gets_the_bookings_of_the_last_one() -> None:
    """Two empty calendars look alike, and are two calendars all the same."""
    pages = Pages([event(8)])
    first = await pages.read()
    other = await pages.reader.read("vega@contoso.com", BERLIN, DAY, DAY + 24 * HOUR_MS)
    assert other == first
    assert other is not first
