"""Which dates a series falls on, and what a change to summer time does to it."""

from datetime import date, timedelta

import pytest

from simulators.exchange import ExchangeSimulator, Recurrence, daily, weekly
from simulators.exchange.recurrence import dates_between, first_date, last_date

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
