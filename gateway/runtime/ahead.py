"""Bookings far ahead that break a rule for bookings: all of the months to come that ever reaches the core.

Pure functions. Whoever books a time in Outlook that can never be should read so soon, and not the day before.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gateway.core.booking import Booking
from gateway.core.booking_rules import BookingRules, breaches
from gateway.core.units import DAY_MS, Duration, Instant

FURTHEST_MS: Final[Duration] = 1080 * DAY_MS
"""No room can be booked further ahead (Set-CalendarProcessing, `BookingWindowInDays`)."""

AT_MOST: Final = 100
"""So many of one room are told at a time, the earliest: the others follow as these go."""


def reads_beyond(rules: BookingRules) -> bool:
    """Whether bookings count that lie beyond of what is read otherwise."""
    return rules.consequence("too_early") is not None


def to_tell(
    found: Iterable[Booking],
    known: Mapping[str, Booking],
    rules: BookingRules,
    now: Instant,
    near_end: Instant,
) -> tuple[Booking, ...]:
    """Of the bookings from `near_end` on those that the core shall know of. `known`: the ones it knows.

    Of a series one date stands for all, since a person decides about it. What was told stays told for as
    long as it is there, also when it is near enough or its rule is off: else it would pass for cancelled.
    """
    far = sorted((one for one in found if one.start >= near_end), key=lambda one: (one.start, one.key))
    told = {one.key: known[one.key] for one in far if one.key in known and known[one.key].start >= near_end}
    series = {one.series_id for one in far if one.key in told} - {""}
    chosen: list[Booking] = []
    left = AT_MOST - len(told)
    for booking in far:
        before = told.get(booking.key)
        marked = _marked(booking, before, rules, now)
        if before is not None:
            chosen.append(marked)
        elif (
            left > 0
            and booking.is_decided_on
            and booking.series_id not in series
            and breaches(marked, now, rules)
        ):
            chosen.append(marked)
            left -= 1
            series |= {booking.series_id} - {""}
    return tuple(chosen)


def _marked(booking: Booking, before: Booking | None, rules: BookingRules, now: Instant) -> Booking:
    """With `too_early` where it was: it was made before now, so further ahead than it is now."""
    is_early = booking.start - now > rules.ahead_ms or (before is not None and "too_early" in before.breaches)
    if not is_early or not reads_beyond(rules):
        return booking
    return msgspec.structs.replace(booking, breaches=(*booking.breaches, "too_early"))


Difference = tuple[tuple[Booking, ...], tuple[str, ...]]


def joined(
    near: Difference,
    read: Iterable[Booking],
    known: Mapping[str, Booking],
    far: Iterable[Booking] | None,
    near_end: Instant,
) -> Difference:
    """What a read up to `near_end` changes, and what is to be told from there on (None: not known yet)."""
    if far is None:
        return near
    changed, removed = near
    here = {one.key for one in read}
    wanted = {one.key: one for one in far if one.start >= near_end and one.key not in here}
    held = {key: one for key, one in known.items() if one.start >= near_end and key not in here}
    news = tuple(one for key, one in sorted(wanted.items()) if held.get(key) != one)
    gone = tuple(sorted(held.keys() - wanted.keys()))
    return (*changed, *news), (*(key for key in removed if key not in wanted), *gone)
