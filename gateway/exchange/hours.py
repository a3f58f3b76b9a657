"""Times of the week in which a policy acts, as people write them: ``mon-fri 08:00-18:00``.

They are local times of the room. A booking belongs to them by its start, on the clock on the wall, so a
change to summer time moves nothing. The core never sees them: a booking outside carries the mark `hours`.
"""

import re
from collections.abc import Iterable
from datetime import tzinfo
from typing import Final

import msgspec

from gateway.core.units import Instant
from gateway.exchange.moments import as_datetime

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES

EXPECTED: Final = 'days and times such as "mon-fri 08:00-18:00" or "sat,sun 10:00-14:00"'

_FORM: Final = re.compile(
    r"(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*)"
    r" (?P<from>[0-9]{2}:[0-9]{2})-(?P<to>[0-9]{2}:[0-9]{2})"
)


class Hours(msgspec.Struct, frozen=True):
    """Spans of minutes since the week's Monday 00:00, each up to and without its end. None: always."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Hours":
        """From settings. ValueError says what is expected."""
        return cls(tuple(sorted(span for text in texts for span in _spans(text))))

    def hold(self, moment: Instant, zone: tzinfo) -> bool:
        """Whether the moment lies within them, on the clock of `zone`."""
        if not self.spans:
            return True
        local = as_datetime(moment).astimezone(zone)
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return any(start <= minute < end or minute + WEEK_MINUTES < end for start, end in self.spans)


def _spans(text: str) -> Iterable[tuple[int, int]]:
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(EXPECTED)
    begins, ends = _minute(found["from"]), _minute(found["to"])
    if begins in (ends, DAY_MINUTES):
        raise ValueError(f"{EXPECTED}; a time must begin before it ends")
    if ends < begins:  # through the night
        ends += DAY_MINUTES
    for part in found["days"].split(","):
        for day in _days(part):
            yield day * DAY_MINUTES + begins, day * DAY_MINUTES + ends


def _days(part: str) -> Iterable[int]:
    first, _, last = part.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{EXPECTED}; the days are {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [day % len(DAYS) for day in range(start, end + 1 if end >= start else end + 1 + len(DAYS))]


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute >= 60 or hour * 60 + minute > DAY_MINUTES:  # noqa: PLR2004 - of the clock
        raise ValueError(f"{EXPECTED}; times go from 00:00 to 24:00")
    return hour * 60 + minute
