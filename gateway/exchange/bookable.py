"""What of a calendar entry bears on the rules for bookings: how many people, who asks, and at which hour.

Names, numbers of people and local times end here: only which rules are broken leaves with the booking.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

import msgspec

from gateway.core.booking import Breach
from gateway.core.units import Instant
from gateway.exchange.hours import DAY_MINUTES, Hours
from gateway.exchange.moments import as_datetime, instant, midnight

SPAN: Final = "/"
EXPECTED: Final = (
    'hours of the week such as "sat,sun 00:00-24:00", a date such as "2026-12-24", '
    'or a span of dates such as "2026-12-24/2027-01-01"'
)


class Blackouts(msgspec.Struct, frozen=True):
    """Times in which a room cannot be booked, in its own local time: by the week, and on dates."""

    weekly: Hours = Hours()
    dates: tuple[tuple[date, date], ...] = ()
    """First and last day, both included."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Blackouts":
        """From settings. ValueError says what is expected."""
        weekly: list[str] = []
        dates: list[tuple[date, date]] = []
        for text in texts:
            if text.strip()[:1].isdigit():
                dates.append(_dates(text.strip()))
            else:
                weekly.append(text)
        try:
            return cls(Hours.of(weekly), tuple(sorted(dates)))
        except ValueError:
            raise ValueError(EXPECTED) from None

    def overlap(self, start: Instant, end: Instant, zone: tzinfo) -> bool:
        """Whether any of them lies within the booking, on the clock of `zone`."""
        return any(first < end and start < last for first, last in self._around(start, end, zone))

    def _around(self, start: Instant, end: Instant, zone: tzinfo) -> Iterable[tuple[Instant, Instant]]:
        for first, last in self.dates:
            yield midnight(first, zone), midnight(last + timedelta(days=1), zone)
        if not self.weekly.spans:
            return
        day = as_datetime(start).astimezone(zone).date() - timedelta(days=1)  # one may run through midnight
        last_day = as_datetime(end).astimezone(zone).date()
        while day <= last_day:
            for begins, ends in self.weekly.spans:
                if begins // DAY_MINUTES == day.weekday():
                    midnight_of = begins // DAY_MINUTES * DAY_MINUTES
                    yield _local(day, begins - midnight_of, zone), _local(day, ends - midnight_of, zone)
            day += timedelta(days=1)


def _local(day: date, minute: int, zone: tzinfo) -> Instant:
    """The instant of a minute of a day on the clock on the wall; from 24:00 on it is the next day's."""
    days, rest = divmod(minute, DAY_MINUTES)
    hour, minutes = divmod(rest, 60)
    return instant(datetime.combine(day + timedelta(days=days), time(hour, minutes), tzinfo=zone))


def _dates(text: str) -> tuple[date, date]:
    first, _, last = text.partition(SPAN)
    try:
        span = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise ValueError(EXPECTED) from None
    if span[1] < span[0]:
        raise ValueError(f"{EXPECTED}; a span must begin before it ends")
    return span


class Bookable(msgspec.Struct, frozen=True):
    """What a room asks of its bookings, as far as their details tell. Empty: nothing."""

    seats: int | None = None
    fewest_percent: int = 0
    """Share of the seats below which far too few are invited."""
    blackouts: Blackouts = Blackouts()
    organizers: frozenset[str] = frozenset()
    """Casefolded addresses, or domains with their "@", that may book; empty: everybody."""

    @property
    def needs_organizer(self) -> bool:
        """Whether the organizer must be asked for."""
        return bool(self.organizers)

    def breaches(
        self, people: int | None, organizer: str, start: Instant, end: Instant, zone: tzinfo
    ) -> tuple[Breach, ...]:
        """The rules that such a booking breaks. `people`: invited, and the organizer; None: not known."""
        share = None if people is None or self.seats is None else 100 * people / self.seats
        broken: dict[Breach, bool] = {
            "not_allowed": self.needs_organizer and not self._may_book(organizer.casefold()),
            "blackout": self.blackouts.overlap(start, end, zone),
            "too_many": share is not None and share > 100,  # noqa: PLR2004 - percent
            "too_few": share is not None and share < self.fewest_percent,
        }
        return tuple(breach for breach, is_broken in broken.items() if is_broken)

    def _may_book(self, organizer: str) -> bool:
        domain = "@" + organizer.rpartition("@")[2]
        return organizer in self.organizers or domain in self.organizers


NO_DEMANDS: Final = Bookable()
