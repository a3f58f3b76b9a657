"""Which dates a series falls on, and what a change to summer time does to it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange import ExchangeSimulator, Recurrence, daily, monthly, weekly, yearly
from simulators.exchange.recurrence import dates_between, first_date, last_date
from simulators.exchange.times import graph_datetime, to_instant
from simulators.exchange.zones import WINDOWS_ZONES

MONDAY = date(2026, 11, 23)
FAR = date(2030, 1, 1)


def days(recurrence: Recurrence, start: date = MONDAY, first: date = MONDAY, last: date = FAR) -> list[int]:
    """Days after that Monday."""
    return [(day - MONDAY).days for day in dates_between(recurrence, start, first, last)]


def test_daily_series_ends_after_its_number_of_occurrences() -> None:
    """A numbered range counts from the first date, wherever the window lies."""
    rule = daily(interval=2, count=4)
    assert days(rule) == [0, 2, 4, 6]
    assert days(rule, first=MONDAY + timedelta(days=3)) == [4, 6]
    assert last_date(rule, MONDAY) == MONDAY + timedelta(days=6)


def test_weekly_series_falls_on_its_days_of_every_second_week() -> None:
    """The weeks that count start on the pattern's first day of the week, not on the first date."""
    rule = weekly("tuesday", "friday", interval=2, count=5)
    start = first_date(rule, MONDAY)
    assert start == MONDAY + timedelta(days=1)
    assert days(rule, start=start) == [1, 4, 15, 18, 29]


def test_weekly_series_without_days_repeats_its_first_weekday_until_its_end_date() -> None:
    """An end date is included."""
    assert days(weekly(until=MONDAY + timedelta(days=14))) == [0, 7, 14]


def test_endless_series_is_reached_years_later_without_walking_there() -> None:
    """A window far from the start gives the same days as counting would."""
    far = MONDAY + timedelta(days=7 * 5_000)
    rule = weekly("monday", "wednesday")
    assert last_date(rule, MONDAY) is None
    found = dates_between(rule, MONDAY, far, far + timedelta(days=6))
    assert found == (far, far + timedelta(days=2))


@pytest.mark.parametrize("first_offset", range(10))
def test_every_window_shows_a_part_of_the_whole(first_offset: int) -> None:
    """Expanding from any date gives exactly the rest of the series (the arithmetic jump is exact)."""
    first = MONDAY + timedelta(days=first_offset)
    for rule in (daily(interval=3, count=9), weekly("sunday", "thursday", interval=3, count=9)):
        start = first_date(rule, MONDAY)
        whole = dates_between(rule, start, start, FAR)
        assert len(whole) == 9
        assert dates_between(rule, start, first, FAR) == tuple(day for day in whole if day >= first)


def test_series_keeps_its_wall_time_over_a_change_to_summer_time(exchange: ExchangeSimulator) -> None:
    """9:00 in Berlin is 8:00 UTC in winter and 7:00 UTC in summer."""
    winter = 1_774_508_400_000  # Thursday 2026-03-26T07:00:00Z, 8:00 in Berlin; summer time from the 29th
    exchange.book(
        "ada@contoso.com",
        "orion@contoso.com",
        winter,
        winter + 1_800_000,
        recurrence=weekly(count=2),
        time_zone="Europe/Berlin",
    )
    first, second = exchange.calendar("orion@contoso.com", winter, winter + 10 * 86_400_000)
    assert second.start_ms - first.start_ms == 7 * 86_400_000 - 3_600_000
    assert second.end_ms - second.start_ms == 1_800_000


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        (monthly(day_of_month=31, count=4), date(2026, 1, 31), ["01-31", "02-28", "03-31", "04-30"]),
        (monthly(interval=5, count=3), date(2026, 1, 15), ["01-15", "06-15", "11-15"]),
        (monthly("tuesday", index="second", count=3), date(2026, 1, 1), ["01-13", "02-10", "03-10"]),
        (monthly("friday", index="last", count=3), date(2026, 1, 1), ["01-30", "02-27", "03-27"]),
        (
            monthly("monday", "tuesday", "wednesday", "thursday", "friday", index="first", count=2),
            date(2026, 8, 1),
            ["08-03", "09-01"],
        ),
        (yearly(month=2, day_of_month=29, count=3), date(2024, 2, 29), ["02-29", "02-28", "02-28"]),
        (yearly("sunday", month=3, index="last", count=2), date(2026, 1, 1), ["03-29", "03-28"]),
        (yearly(month=1, day_of_month=5, interval=2, count=2), date(2026, 6, 1), ["01-05", "01-05"]),
    ],
)
def test_months_and_years_fall_on_their_days(rule: Recurrence, start: date, expected: list[str]) -> None:
    """A day that a month lacks is its last; weekdays are counted within the month, or from its end."""
    first = first_date(rule, start)
    found = dates_between(rule, first, first, date(2040, 1, 1))
    assert [f"{day:%m-%d}" for day in found] == expected
    assert last_date(rule, first) == found[-1]


@given(
    st.sampled_from(
        ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
    ),
    st.integers(1, 5),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, 800),
    st.integers(0, 400),
    st.integers(0, 31),
    st.sampled_from(["first", "second", "third", "fourth", "last"]),
)
def test_any_window_shows_what_the_whole_shows(
    kind: Any, interval: int, start: date, skip: int, length: int, day: int, index: Any
) -> None:
    """Jumping into a series gives the same dates as walking there, each once and in order."""
    rule = Recurrence(kind, interval, ("monday", "thursday"), day_of_month=day, index=index, count=200)
    first = first_date(rule, start)
    low = first + timedelta(days=skip)
    high = low + timedelta(days=length)
    whole = [one for one in dates_between(rule, first, first, high) if one >= low]
    assert list(dates_between(rule, first, low, high)) == whole == sorted(set(whole))


@pytest.mark.parametrize("zone", ["W. Europe Standard Time", "Europe/Berlin"])
async def test_series_over_http_keeps_its_wall_time_through_summer_time(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, zone: str
) -> None:
    """Ten o'clock in Berlin before and after March; the range's zone and first date are the series' own."""
    exchange.mailboxes.add_person("ada@contoso.com")
    body = {
        "start": {"dateTime": "2027-03-01T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2027-03-01T10:00:00", "timeZone": "UTC"},
        "recurrence": {
            "pattern": {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["Monday"], "index": "last"},
            "range": {"type": "numbered", "startDate": "2027-03-02", "numberOfOccurrences": 2,
                      "recurrenceTimeZone": zone},
        },
    }  # fmt: skip
    made = await graph.post("/users/ada@contoso.com/events", json=body)
    assert made.status_code == 201, made.text
    shown = made.json()["recurrence"]
    assert (shown["range"]["startDate"], shown["range"]["recurrenceTimeZone"]) == ("2027-03-29", zone)
    assert (shown["pattern"]["index"], shown["pattern"]["daysOfWeek"]) == ("last", ["monday"])
    window = {"startDateTime": "2027-01-01", "endDateTime": "2028-01-01"}
    found = (
        await graph.get(f"/users/ada@contoso.com/events/{made.json()['id']}/instances", params=window)
    ).json()
    assert [one["start"]["dateTime"][:13] for one in found["value"]] == ["2027-03-29T08", "2027-04-26T08"]


@pytest.mark.parametrize(
    ("pattern", "bounds"),
    [
        ({"type": "hourly"}, {}),
        ({"interval": 0}, {}),
        ({"type": "absoluteMonthly"}, {}),
        ({"type": "absoluteMonthly", "dayOfMonth": 32}, {}),
        ({"type": "relativeMonthly"}, {}),
        ({"type": "relativeMonthly", "daysOfWeek": ["monday"], "index": "fifth"}, {}),
        ({"type": "absoluteYearly", "dayOfMonth": 1}, {}),
        ({"daysOfWeek": ["funday"]}, {}),
        ({}, {"type": "numbered", "numberOfOccurrences": 0}),
        ({}, {"type": "numbered", "numberOfOccurrences": 1_000}),
        ({}, {"type": "endDate", "endDate": "2026-11-01", "startDate": "2026-11-23"}),
        ({}, {"type": "endDate", "endDate": "soon"}),
        ({}, {"type": "sometime"}),
        ({}, {"recurrenceTimeZone": "Nowhere"}),
    ],
)
async def test_wrong_recurrences_are_refused(
    graph: httpx.AsyncClient, exchange: ExchangeSimulator, pattern: dict[str, Any], bounds: dict[str, Any]
) -> None:
    """400, and nothing is created."""
    exchange.mailboxes.add_person("ada@contoso.com")
    when = {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"}
    body = {
        "start": when,
        "end": when,
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1} | pattern,
            "range": {"type": "noEnd", "startDate": "2026-11-23"} | bounds,
        },
    }
    answer = await graph.post("/users/ada@contoso.com/events", json=body)
    assert answer.status_code == 400, answer.text
    assert exchange.mailboxes.mailbox("ada@contoso.com").calendar.items() == []


@pytest.mark.parametrize("name", sorted(WINDOWS_ZONES))
def test_every_windows_zone_is_an_iana_zone(name: str) -> None:
    """By its name, and with the same clock as its IANA zone."""
    noon = to_instant(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert graph_datetime(noon, name) == graph_datetime(noon, WINDOWS_ZONES[name])
