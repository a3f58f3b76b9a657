"""What simpler rules would do with the same bookings, people and sensors.

A rule looks at one booking and says when it gives the room back, or that it never does. To add one: its
function and its row in `BASELINES`.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.core.units import MINUTE_MS, NEVER, Duration, Instant
from simulators.people import PlannedBooking, Visit
from simulators.quality.scene import Shows

QUICK_MS: Final[Duration] = 5 * MINUTE_MS
GRACE_MS: Final[Duration] = 10 * MINUTE_MS
CHECK_IN_RATE: Final = 0.60
"""Of attended bookings: somebody thinks of tapping "check in"."""
TIMEOUT_MS: Final[Duration] = 10 * MINUTE_MS
"""After the last motion a room counts as empty. Home automation uses 5 to 15 min."""
MIN_REMAINING_MS: Final[Duration] = 10 * MINUTE_MS


class Situation(NamedTuple):
    """What a rule may look at."""

    booking: PlannedBooking
    shows: Shows
    """What the sensors showed, as it was heard."""
    visits: Sequence[Visit]
    """Who really came; only for what people themselves do."""
    rng: random.Random
    """The booking's own chance."""


Rule = Callable[[Situation], Instant | None]


class Baseline(NamedTuple):
    """A rule, in words."""

    name: str
    words: str
    rule: Rule
    needs_sensors: bool = True


def fixed_five(case: Situation) -> Instant | None:
    """Five minutes after the start: given back if no sensor has shown anything for five minutes."""
    at = case.booking.start + QUICK_MS
    last = case.shows.last(at)
    return at if last == NEVER or last < at - QUICK_MS else None


def check_in_only(case: Situation) -> Instant | None:
    """Ten minutes after the start: given back if nobody has tapped "check in". Of those in time 60 % do."""
    at = case.booking.start + GRACE_MS
    own = (visit for visit in case.visits if visit.booking == case.booking.key)
    in_time = any(visit.enter < at and visit.leave > case.booking.start for visit in own)
    return None if in_time and case.rng.random() < CHECK_IN_RATE else at


def motion_timeout(case: Situation) -> Instant | None:
    """Ten minutes after the start, or later: given back once nothing has been shown for ten minutes."""
    at = case.booking.start + GRACE_MS
    while at <= case.booking.end - MIN_REMAINING_MS:
        last = case.shows.last(at)
        if last == NEVER or last + TIMEOUT_MS <= at:
            return at
        at = last + TIMEOUT_MS
    return None


BASELINES: Final = {
    baseline.name: baseline
    for baseline in (
        Baseline("fixed-5-min", "no motion for 5 min, 5 min after the start", fixed_five),
        Baseline("motion-timeout", "off 10 min after the last motion, from 10 min after the start on",
                 motion_timeout),
        Baseline("check-in-only", "no sensor: released at 10 min unless somebody taps (60 % do)",
                 check_in_only, needs_sensors=False),
    )
}  # fmt: skip
