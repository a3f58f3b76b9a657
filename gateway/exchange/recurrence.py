"""On which dates a series meets: Graph's six patterns with their three ranges, in the series' own zone.

https://learn.microsoft.com/graph/api/resources/recurrencepattern and recurrencerange. A series keeps its
time on the wall of its own zone, so its instants move with summer time there. A day of the month that a
month does not have is its last day, as in Outlook.

The pattern is only ever compared with what a calendar shows; nothing is written by it.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import count, islice, takewhile
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.units import Duration, Instant
from gateway.exchange.errors import MalformedError
from gateway.exchange.models import GraphEvent, RecurrencePattern, RecurrenceRange
from gateway.exchange.moments import as_datetime, instant
from gateway.exchange.zones import zone_of

Frequency = Literal[
    "daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"
]

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INDEXES: Final = ("first", "second", "third", "fourth", "last")

MAX_INTERVAL: Final = 999
MAX_OCCURRENCES: Final = 9_999
"""More than any calendar offers; with the interval's bound it keeps every loop short."""

MAX_PERIODS: Final = 20_000
"""Periods that are looked through at most: a daily meeting of fifty years."""

_MONTHS: Final = 12
_DAY: Final = timedelta(days=1)


class Recurrence(msgspec.Struct, frozen=True, gc=False):
    """Every `interval` days, weeks, months or years from `first` on; to `until`, or so many times.

    `days` are numbers from Monday's 0 on. `index`: which of the `days` in the month, from 0; -1: the last.
    """

    frequency: Frequency
    first: date
    interval: int = 1
    days: tuple[int, ...] = ()
    week_starts: int = 6
    day_of_month: int = 1
    month: int = 1
    index: int = 0
    until: date | None = None
    occurrences: int | None = None

    def dates(self, start: date, end: date) -> Iterator[date]:
        """The dates from `start` to `end`, both included, in order."""
        last = end if self.until is None else min(end, self.until)
        if self.occurrences is None:
            found = self._from(self._period_of(start))
        else:  # to count them, they are gone through from the first on
            found = islice(self._from(0), self.occurrences)
        return (day for day in takewhile(lambda day: day <= last, found) if day >= start)

    def _from(self, period: int) -> Iterator[date]:
        for number in islice(count(period), MAX_PERIODS):
            try:
                yield from (day for day in self._in_period(number) if day >= self.first)
            except OverflowError:  # beyond the year 9999
                return

    def _period_of(self, day: date) -> int:
        """A period that begins at or before the day; the first where the day is before all."""
        days = (day - self.first).days
        months = (day.year - self.first.year) * _MONTHS + day.month - self.first.month
        passed = {"daily": days, "weekly": days // 7, "absoluteMonthly": months, "relativeMonthly": months}
        whole = passed.get(self.frequency, day.year - self.first.year)
        return max(0, whole // self.interval - 1)

    def _in_period(self, number: int) -> Iterator[date]:
        step = number * self.interval
        match self.frequency:
            case "daily":
                yield self.first + step * _DAY
            case "weekly":
                week = self.first - (self.first.weekday() - self.week_starts) % 7 * _DAY + 7 * step * _DAY
                yield from (
                    week + offset * _DAY for offset in sorted((d - self.week_starts) % 7 for d in self.days)
                )
            case "absoluteMonthly" | "relativeMonthly":
                year, month = divmod(self.first.year * _MONTHS + self.first.month - 1 + step, _MONTHS)
                yield self._in_month(year, month + 1)
            case "absoluteYearly" | "relativeYearly":
                yield self._in_month(self.first.year + step, self.month)

    def _in_month(self, year: int, month: int) -> date:
        if year > date.max.year:
            raise OverflowError
        length = monthrange(year, month)[1]
        if self.frequency.startswith("absolute"):
            return date(year, month, min(self.day_of_month, length))
        days = [
            day
            for number in range(1, length + 1)
            if (day := date(year, month, number)).weekday() in self.days
        ]
        return days[self.index]


class Series(msgspec.Struct, frozen=True, gc=False):
    """A series as its master tells it: when it meets, for how long, in which zone."""

    recurrence: Recurrence
    zone: str
    """An IANA name."""
    at: time
    """On the wall of `zone`."""
    length_ms: Duration

    def day_of(self, original_start: Instant) -> date:
        """The date that an occurrence belongs to, by its original start."""
        return as_datetime(original_start).astimezone(ZoneInfo(self.zone)).date()

    def start_on(self, day: date) -> Instant:
        """When it begins on a date; where the clocks jump over that time, as much later as they jump."""
        return instant(datetime.combine(day, self.at, ZoneInfo(self.zone)))

    def starts(self, start: Instant, end: Instant) -> dict[date, Instant]:
        """Its dates with a start from `start` to before `end`, and those starts."""
        first, last = self.day_of(start), self.day_of(end)
        meets = {day: self.start_on(day) for day in self.recurrence.dates(first - _DAY, last + _DAY)}
        return {day: at for day, at in meets.items() if start <= at < end}


def series_of(master: GraphEvent) -> Series:
    """The series that a master tells of. MalformedError where it cannot be followed, saying why.

    All-day series are refused: their dates have no zone, and the gateway leaves such bookings alone.
    """
    told = master.recurrence
    if master.type != "seriesMaster" or told is None or told.pattern is None or told.range is None:
        raise MalformedError("a series without its recurrence")
    if master.all_day:
        raise MalformedError("a series of all-day entries")
    name = told.range.zone or master.original_zone
    zone = zone_of(name)
    if zone is None:
        raise MalformedError(f"a series in the zone {name[:80]!r}, which is not known here")
    start, end = master.start.instant, master.end.instant
    if end <= start:
        raise MalformedError("a series whose meetings have no length")
    local = as_datetime(start).astimezone(zone)
    recurrence = _recurrence(told.pattern, told.range, local.date())
    return Series(recurrence, zone.key, local.time(), end - start)


def _recurrence(pattern: RecurrencePattern, bounds: RecurrenceRange, starts_on: date) -> Recurrence:
    frequency: Frequency | None = next((one for one in get_args(Frequency) if one == pattern.type), None)
    if frequency is None or not 1 <= pattern.interval <= MAX_INTERVAL:
        raise MalformedError("a series with an unknown pattern")
    first = _date(bounds.start) or starts_on
    days = tuple(sorted({_place(day, DAYS) for day in pattern.days}))
    if frequency == "weekly" and not days:
        days = (first.weekday(),)
    if frequency.startswith("relative") and not days:
        raise MalformedError("a series with an unknown pattern")
    index = _place(pattern.index, INDEXES) if frequency.startswith("relative") else 0
    monthly = frequency.startswith("absolute")
    yearly = frequency.endswith("Yearly")
    day_of_month = (pattern.day_of_month or first.day) if monthly else 1
    month = (pattern.month or first.month) if yearly else 1
    if not (1 <= day_of_month <= 31 and 1 <= month <= _MONTHS):  # noqa: PLR2004 - of a calendar
        raise MalformedError("a series with an unknown pattern")
    return Recurrence(
        frequency,
        first,
        pattern.interval,
        days,
        _place(pattern.week_starts, DAYS),
        day_of_month,
        month,
        -1 if index == len(INDEXES) - 1 else index,
        *_bounds(bounds),
    )


def _bounds(bounds: RecurrenceRange) -> tuple[date | None, int | None]:
    match bounds.type:
        case "noEnd":
            return None, None
        case "endDate" if (until := _date(bounds.end)) is not None:
            return until, None
        case "numbered" if 1 <= (bounds.occurrences or 0) <= MAX_OCCURRENCES:
            return None, bounds.occurrences
    raise MalformedError("a series with an unknown range")


def _place(word: str, words: tuple[str, ...]) -> int:
    try:
        return words.index(word.casefold())
    except ValueError:
        raise MalformedError("a series with an unknown pattern") from None


def _date(text: str | None) -> date | None:
    """Graph writes 0001-01-01 where there is no date."""
    try:
        day = date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
    return None if day.year == 1 else day
