"""The dates of a series: Graph's patterns and ranges, in its own zone, across summer time."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.units import DAY_MS, HOUR_MS
from gateway.exchange.errors import MalformedError
from gateway.exchange.models import parse_event
from gateway.exchange.moments import as_datetime, instant
from gateway.exchange.recurrence import DAYS, Recurrence, Series, series_of
from gateway.exchange.zones import WINDOWS, zone_of

BERLIN = ZoneInfo("Europe/Berlin")


def master(pattern: dict[str, Any], bounds: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A series master as Graph sends it: from nine to ten in Berlin, told in UTC."""
    start = datetime(2026, 9, 1, 9, tzinfo=BERLIN).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    return {
        "id": "series-1",
        "type": "seriesMaster",
        "isAllDay": False,
        "originalStartTimeZone": "W. Europe Standard Time",
        "start": {"dateTime": f"{start.isoformat()}.0000000", "timeZone": "UTC"},
        "end": {"dateTime": f"{(start + timedelta(hours=1)).isoformat()}.0000000", "timeZone": "UTC"},
        "recurrence": {
            "pattern": {
                "interval": 1,
                "month": 0,
                "dayOfMonth": 0,
                "firstDayOfWeek": "sunday",
                "index": "first",
                **pattern,
            },
            "range": {
                "startDate": "2026-09-01",
                "endDate": "0001-01-01",
                "recurrenceTimeZone": "W. Europe Standard Time",
                "numberOfOccurrences": 0,
                **bounds,
            },
        },
        **more,
    }


def dates(pattern: dict[str, Any], bounds: dict[str, Any], until: date = date(2027, 2, 28)) -> list[str]:
    """The dates of such a series, as text."""
    series = series_of(parse_event(master(pattern, bounds)))
    return [day.isoformat() for day in series.recurrence.dates(date(2026, 9, 1), until)]


NO_END = {"type": "noEnd"}


@pytest.mark.parametrize(
    ("pattern", "bounds", "expected"),
    [
        (
            {"type": "daily", "interval": 2},
            {"type": "numbered", "numberOfOccurrences": 3},
            "09-01 09-03 09-05",
        ),
        (
            {"type": "weekly", "daysOfWeek": ["tuesday", "thursday"]},
            {"type": "endDate", "endDate": "2026-09-10"},
            "09-01 09-03 09-08 09-10",
        ),
        # Every second week; where weeks begin on Monday, the Sunday belongs to the week before.
        (
            {
                "type": "weekly",
                "interval": 2,
                "daysOfWeek": ["sunday", "tuesday"],
                "firstDayOfWeek": "monday",
            },
            {"type": "numbered", "numberOfOccurrences": 4},
            "09-01 09-06 09-15 09-20",
        ),
        (
            {
                "type": "weekly",
                "interval": 2,
                "daysOfWeek": ["sunday", "tuesday"],
                "firstDayOfWeek": "sunday",
            },
            {"type": "numbered", "numberOfOccurrences": 4},
            "09-01 09-13 09-15 09-27",
        ),
        (
            {"type": "absoluteMonthly", "dayOfMonth": 31},
            {"type": "numbered", "numberOfOccurrences": 4},
            "09-30 10-31 11-30 12-31",
        ),
        (
            {"type": "relativeMonthly", "daysOfWeek": ["friday"], "index": "last"},
            {"type": "numbered", "numberOfOccurrences": 3},
            "09-25 10-30 11-27",
        ),
        (
            {
                "type": "relativeMonthly",
                "interval": 2,
                "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                "index": "first",
            },
            {"type": "numbered", "numberOfOccurrences": 2},
            "09-01 11-02",
        ),
        (
            {"type": "absoluteYearly", "dayOfMonth": 12, "month": 10},
            {"type": "numbered", "numberOfOccurrences": 1},
            "10-12",
        ),
        (
            {"type": "relativeYearly", "daysOfWeek": ["thursday"], "index": "fourth", "month": 11},
            {"type": "numbered", "numberOfOccurrences": 1},
            "11-26",
        ),
    ],
)
def test_each_pattern_has_its_dates(pattern: dict[str, Any], bounds: dict[str, Any], expected: str) -> None:
    """All six patterns, by hand."""
    assert dates(pattern, bounds) == [f"2026-{day}" for day in expected.split()]


def test_a_yearly_meeting_of_a_leap_day_is_on_the_last_of_february_otherwise() -> None:
    """As Outlook does where a month is too short."""
    found = dates({"type": "absoluteYearly", "dayOfMonth": 29, "month": 2}, NO_END, date(2029, 12, 31))
    assert found == ["2027-02-28", "2028-02-29", "2029-02-28"]


def test_a_series_keeps_its_wall_time_across_summer_time() -> None:
    """At nine in Berlin on both sides of 25 October 2026, which is another hour in UTC."""
    series = series_of(parse_event(master({"type": "weekly", "daysOfWeek": ["sunday"]}, NO_END)))
    start = instant(datetime(2026, 10, 17, tzinfo=BERLIN))
    starts = series.starts(start, start + 10 * DAY_MS)
    assert [as_datetime(at).hour for at in starts.values()] == [7, 8]
    assert [as_datetime(at).astimezone(BERLIN).hour for at in starts.values()] == [9, 9]
    assert series.length_ms == HOUR_MS


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "singleInstance"}, "without its recurrence"),
        ({"recurrence": None}, "without its recurrence"),
        ({"isAllDay": True}, "all-day"),
        ({"recurrence": {"pattern": {"type": "hourly"}, "range": NO_END}}, "unknown pattern"),
        ({"recurrence": {"pattern": {"type": "daily", "interval": 0}, "range": NO_END}}, "unknown pattern"),
        ({"recurrence": {"pattern": {"type": "daily"}, "range": {"type": "numbered"}}}, "unknown range"),
        ({"recurrence": {"pattern": {"type": "relativeMonthly"}, "range": NO_END}}, "unknown pattern"),
        (
            {"recurrence": {"pattern": {"type": "weekly", "daysOfWeek": ["someday"]}, "range": NO_END}},
            "unknown pattern",
        ),
        ({"originalStartTimeZone": "tzone://Microsoft/Custom"}, "not known here"),
    ],
)
def test_a_series_that_cannot_be_followed_says_why(change: dict[str, Any], why: str) -> None:
    """Nothing is guessed: what is not understood is not told of."""
    told = master({"type": "daily"}, NO_END) | change
    if "originalStartTimeZone" in change:
        told["recurrence"]["range"]["recurrenceTimeZone"] = None
    with pytest.raises(MalformedError, match=why):
        series_of(parse_event(told))


def test_nulls_in_a_recurrence_are_as_good_as_nothing() -> None:
    """Graph writes null where a pattern has no use for a field."""
    nothing = {"daysOfWeek": None, "index": None, "firstDayOfWeek": None}
    assert len(dates({"type": "daily", **nothing}, NO_END, date(2026, 9, 3))) == 3


def test_every_windows_zone_is_one_that_python_knows() -> None:
    """Names in any case; what is neither Windows' nor IANA's is None, and never UTC."""
    known = available_timezones()
    assert {zone for zone in WINDOWS.values() if zone not in known} == set()
    assert zone_of("w. europe standard time") == BERLIN
    assert zone_of("America/New_York") == ZoneInfo("America/New_York")
    assert zone_of("tzone://Microsoft/Custom") is None
    assert zone_of("") is None


PATTERNS = st.builds(
    Recurrence,
    st.sampled_from(
        ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
    ),
    first=st.dates(date(2020, 1, 1), date(2026, 12, 31)),
    interval=st.integers(1, 6),
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    week_starts=st.integers(0, 6),
    day_of_month=st.integers(1, 31),
    month=st.integers(1, 12),
    index=st.sampled_from([-1, 0, 1, 2, 3]),
    until=st.none() | st.dates(date(2026, 1, 1), date(2028, 12, 31)),
    occurrences=st.none() | st.integers(1, 400),
)


@settings(max_examples=150)
@given(pattern=PATTERNS, start=st.dates(date(2025, 6, 1), date(2027, 6, 1)), days=st.integers(0, 200))
def test_a_part_of_the_dates_is_that_part_of_all(pattern: Recurrence, start: date, days: int) -> None:
    """Whatever window is asked for, its dates are those of the whole series that lie in it, in order."""
    end = start + timedelta(days=days)
    whole = list(pattern.dates(date(2019, 1, 1), date(2029, 1, 1)))
    assert list(pattern.dates(start, end)) == [day for day in whole if start <= day <= end]
    assert whole == sorted(set(whole))
    assert all(day >= pattern.first for day in whole)
    assert pattern.occurrences is None or len(whole) <= pattern.occurrences
    if pattern.frequency in ("weekly", "relativeMonthly", "relativeYearly"):
        assert all(day.weekday() in pattern.days for day in whole)


@settings(max_examples=100)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"]),
    at=st.times().map(lambda moment: moment.replace(second=0, microsecond=0, tzinfo=None)),
    offset=st.integers(0, 400),
)
def test_a_start_belongs_to_its_date(zone: str, at: time, offset: int) -> None:
    """Every day of a year, at any time of the day: the date of a start is the date it was made for."""
    series = Series(Recurrence("daily", date(2026, 1, 1)), zone, at, HOUR_MS)
    day = date(2026, 1, 1) + timedelta(days=offset)
    begins = series.start_on(day)
    assert series.day_of(begins) == day
    assert series.starts(begins, begins + 1) == {day: begins}


def test_days_are_numbered_from_monday() -> None:
    """As Python does it."""
    assert DAYS[date(2026, 9, 28).weekday()] == "monday"
