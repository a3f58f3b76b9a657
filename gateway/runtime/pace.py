"""How old a room's calendar may become: often looked at where something may be decided, seldom at night.

Nothing is ever decided on an old calendar (the core sees to that, and each write reads again). A slow pace
costs time alone: a booking made at night is known some minutes later.
"""

from collections.abc import Callable
from datetime import date, tzinfo
from typing import Final

import msgspec

from gateway.core.room import Room
from gateway.core.units import MINUTE_MS, Duration, Instant
from gateway.exchange.hours import Hours

SOON_MS: Final[Duration] = 30 * MINUTE_MS
"""A booking that begins within this is near; so is one that ended within it."""


class Pace(msgspec.Struct, frozen=True):
    """`often_ms` in working hours and near a decision, `seldom_ms` otherwise."""

    often_ms: Duration
    seldom_ms: Duration
    working: Hours

    def of(self, room: Room, now: Instant, zone: tzinfo, *, is_spent: bool = False) -> Duration:
        """How old the room's calendar may become now, in ms.

        `is_spent`: the day's requests are used up, so working hours alone are no reason any more.
        """
        if near_a_decision(room, now) or (not is_spent and self.working.hold(now, zone)):
            return self.often_ms
        return max(self.often_ms, self.seldom_ms)


def near_a_decision(room: Room, now: Instant) -> bool:
    """Whether a booking of the room is under way or near, or somebody is in it."""
    state = room.state
    return state.occupancy.status == "occupied" or any(
        booking.start - SOON_MS <= now < booking.end + SOON_MS for booking in state.calendar.values()
    )


class Budget:
    """The day's requests: `sent` counts all that were ever sent, `limit` is for one day, `day` names it."""

    def __init__(self, limit: int, sent: Callable[[], int], day: Callable[[], date]) -> None:
        self.limit = limit
        self._sent = sent
        self._day = day
        self._today = day()
        self._before = sent()

    @property
    def used(self) -> int:
        """Requests sent today, by the site's calendar."""
        today = self._day()
        if today != self._today:
            self._today, self._before = today, self._sent()
        return self._sent() - self._before

    @property
    def is_spent(self) -> bool:
        """Whether there is nothing left for mere routine."""
        return self.used >= self.limit
