"""Which dates a recurring meeting falls on: Graph's six patterns with its three ranges.

learn.microsoft.com/graph/api/resources/recurrencepattern. In a month that is too short, a day of the
month is its last one, as in Outlook.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Final, Literal

import msgspec

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Kind = Literal["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
Index = Literal["first", "second", "third", "fourth", "last"]

WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
INDEXES: Final[tuple[Index, ...]] = ("first", "second", "third", "fourth", "last")

_FAR: Final = date(9999, 12, 31)
_WEEK: Final = timedelta(days=7)
_MONTHS: Final = 12


class Recurrence(msgspec.Struct, frozen=True):
    """Every `interval` days, weeks, months or years, by `kind`.

    The range starts at the meeting's own first date; it ends after `count` occurrences, on
    `until`, or never. `days` empty: the weekday of the first date. `day_of_month` and `month`
    0: those of the first date. `index`: which of the `days` in the month.
    """

    kind: Kind = "daily"
    interval: int = 1
    days: tuple[Weekday, ...] = ()
    week_starts: Weekday = "sunday"
    count: int | None = None
    until: date | None = None
    day_of_month: int = 0
    month: int = 0
    index: Index = "first"


def daily(*, interval: int = 1, count: int | None = None, until: date | None = None) -> Recurrence:
    """Every `interval` days."""
    return Recurrence("daily", interval, count=count, until=until)


def weekly(
    *days: Weekday, interval: int = 1, count: int | None = None, until: date | None = None
) -> Recurrence:
    """On these days of every `interval` weeks."""
    return Recurrence("weekly", interval, days, count=count, until=until)


def monthly(
    *days: Weekday,
    day_of_month: int = 0,
    index: Index = "first",
    interval: int = 1,
    count: int | None = None,
    until: date | None = None,
) -> Recurrence:
    """On a day of every `interval` months; with `days` on the first, second ... last such weekday."""
    kind: Kind = "relativeMonthly" if days else "absoluteMonthly"
    return Recurrence(kind, interval, days, count=count, until=until, day_of_month=day_of_month, index=index)


def yearly(
    *days: Weekday,
    month: int = 0,
    day_of_month: int = 0,
    index: Index = "first",
    interval: int = 1,
    count: int | None = None,
    until: date | None = None,
) -> Recurrence:
    """On a day of a month of every `interval` years; `days` as in `monthly`."""
    kind: Kind = "relativeYearly" if days else "absoluteYearly"
    return Recurrence(
        kind, interval, days, count=count, until=until, day_of_month=day_of_month, month=month, index=index
    )


def first_date(recurrence: Recurrence, start: date) -> date:
    """The first date of the pattern at or after `start`."""
    return next(_all_dates(recurrence, start, start), start)


@lru_cache(maxsize=4_096)
def last_date(recurrence: Recurrence, start: date) -> date | None:
    """The last date, or None for a series without end. `start` is the series' first date."""
    if recurrence.until is not None:
        return recurrence.until
    if recurrence.count is None:
        return None
    dates = _all_dates(recurrence, start, start)
    last = start
    for _ in range(recurrence.count):
        last = next(dates, last)
    return last


@lru_cache(maxsize=16_384)
def dates_between(recurrence: Recurrence, start: date, first: date, last: date) -> tuple[date, ...]:
    """The dates of the series from `first` to `last`, both included."""
    until = min(last, last_date(recurrence, start) or _FAR)
    return tuple(takewhile(lambda day: day <= until, _all_dates(recurrence, start, max(first, start))))


def _all_dates(recurrence: Recurrence, start: date, first: date) -> Iterator[date]:
    """The dates at or after `first`, to the end of all calendars, counted from the series' `start`."""
    if recurrence.kind == "daily":
        return _daily(recurrence, start, first)
    if recurrence.kind == "weekly":
        return _weekly(recurrence, start, first)
    return _monthly(recurrence, start, first)


def _daily(recurrence: Recurrence, start: date, first: date) -> Iterator[date]:
    step = timedelta(days=recurrence.interval)
    day = start + step * -((start - first) // step)
    while day <= _FAR - step:
        yield day
        day += step


def _weekly(recurrence: Recurrence, start: date, first: date) -> Iterator[date]:
    week_starts = WEEKDAYS.index(recurrence.week_starts)
    days = recurrence.days or (WEEKDAYS[start.weekday()],)
    offsets = sorted((WEEKDAYS.index(day) - week_starts) % 7 for day in days)
    week = start - timedelta(days=(start.weekday() - week_starts) % 7)
    step = _WEEK * recurrence.interval
    week += step * max(0, (first - week) // step)
    while week <= _FAR - step:
        for offset in offsets:
            day = week + timedelta(days=offset)
            if day >= first:
                yield day
        week += step


def _monthly(recurrence: Recurrence, start: date, first: date) -> Iterator[date]:
    """Months counted from year 0; a year is twelve of them."""
    yearly = recurrence.kind in ("absoluteYearly", "relativeYearly")
    step = recurrence.interval * (_MONTHS if yearly else 1)
    month = start.year * _MONTHS + start.month - 1
    if yearly and recurrence.month:
        month = start.year * _MONTHS + recurrence.month - 1
    month += step * max(0, (first.year * _MONTHS + first.month - 1 - month) // step)
    while month // _MONTHS <= _FAR.year:
        day = _day_in(recurrence, start, month // _MONTHS, month % _MONTHS + 1)
        if day >= first:
            yield day
        month += step


def _day_in(recurrence: Recurrence, start: date, year: int, month: int) -> date:
    length = monthrange(year, month)[1]
    if recurrence.kind in ("absoluteMonthly", "absoluteYearly"):
        return date(year, month, min(recurrence.day_of_month or start.day, length))
    wanted = {WEEKDAYS.index(day) for day in recurrence.days or (WEEKDAYS[start.weekday()],)}
    fitting = [day for n in range(1, length + 1) if (day := date(year, month, n)).weekday() in wanted]
    return fitting[-1] if recurrence.index == "last" else fitting[INDEXES.index(recurrence.index)]
