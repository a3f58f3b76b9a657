"""Which dates a recurring meeting falls on: daily and weekly patterns with Graph's three ranges."""

from datetime import date, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

_FAR: Final = date(9999, 12, 31)
_WEEK: Final = timedelta(days=7)


class Recurrence(msgspec.Struct, frozen=True):
    """Every `interval` days, or on some days of every `interval` weeks.

    The range starts at the meeting's own first date; it ends after `count` occurrences, on
    `until`, or never. `days` empty in a weekly pattern: the weekday of the first date.
    """

    kind: Literal["daily", "weekly"] = "daily"
    interval: int = 1
    days: tuple[Weekday, ...] = ()
    week_starts: Weekday = "sunday"
    count: int | None = None
    until: date | None = None


def daily(*, interval: int = 1, count: int | None = None, until: date | None = None) -> Recurrence:
    """Every `interval` days."""
    return Recurrence("daily", interval, count=count, until=until)


def weekly(
    *days: Weekday, interval: int = 1, count: int | None = None, until: date | None = None
) -> Recurrence:
    """On these days of every `interval` weeks."""
    return Recurrence("weekly", interval, days, count=count, until=until)


def first_date(recurrence: Recurrence, start: date) -> date:
    """The first date of the pattern at or after `start`."""
    return next(_all_dates(recurrence, start, start))


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
        last = next(dates)
    return last


@lru_cache(maxsize=16_384)
def dates_between(recurrence: Recurrence, start: date, first: date, last: date) -> tuple[date, ...]:
    """The dates of the series from `first` to `last`, both included."""
    until = min(last, last_date(recurrence, start) or _FAR)
    return tuple(takewhile(lambda day: day <= until, _all_dates(recurrence, start, max(first, start))))


def _all_dates(recurrence: Recurrence, start: date, first: date) -> "Iterator[date]":
    """The dates at or after `first`, without end, counted from the series' `start`."""
    if recurrence.kind == "daily":
        step = timedelta(days=recurrence.interval)
        day = start + step * -((start - first) // step)
        while True:
            yield day
            day += step
    week_starts = WEEKDAYS.index(recurrence.week_starts)
    days = recurrence.days or (WEEKDAYS[start.weekday()],)
    offsets = sorted((WEEKDAYS.index(day) - week_starts) % 7 for day in days)
    week = start - timedelta(days=(start.weekday() - week_starts) % 7)
    step = _WEEK * recurrence.interval
    week += step * max(0, (first - week) // step)
    while True:
        for offset in offsets:
            day = week + timedelta(days=offset)
            if day >= first:
                yield day
        week += step
