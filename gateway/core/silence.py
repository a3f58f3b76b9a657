"""Which sensor falls silent first: asked of all of them at once.

Theory of operation

* Each message of a well sensor puts off the instant at which its silence would make it ill, and of a hundred
  rooms two speak every second. Nobody follows that instant sensor by sensor: one bound is kept for the site,
  up to which none falls ill unnoticed. It may lie early, never late, and is worked out anew when it is
  reached: with heartbeats of a minute four times a minute, however many sensors there are.
* A room that has concluded since a sensor of its own fell ill knows of it, and is not told again.
* Whatever makes a sensor's time shorter says so (`lower`), or leaves its room dirty, which then concludes.
"""

from collections.abc import Iterable

from gateway.core.room import Room
from gateway.core.units import FOREVER, NEVER, Instant


class Silence:
    """Watches the sensors of some rooms."""

    def __init__(self, rooms: Iterable[Room] = ()) -> None:
        self._heard = [(sensor, room) for room in rooms for sensor in room.heard]
        self._bound: Instant = NEVER
        """Up to here each is well, or its room knows better."""

    def begins(self, by: Instant) -> Instant:
        """The first instant at which a sensor is ill and its room does not know; exact if not after `by`."""
        if self._bound < by:
            self._look(by)
        return self._bound + 1

    def fallen(self, now: Instant) -> list[str]:
        """The rooms that do not know of a sensor that is ill now."""
        if self._bound < now:
            self._look(now)
        if self._bound >= now:
            return []
        return [room.name for sensor, room in self._heard if room.state.settled_at <= sensor.well_until < now]

    def lower(self, room: Room) -> Instant:
        """Sensors of this room may be well for a shorter time than was known; as `begins`, or earlier."""
        for sensor in room.heard:
            if room.state.settled_at <= sensor.well_until < self._bound:
                self._bound = sensor.well_until
        return self._bound + 1

    def _look(self, by: Instant) -> None:
        bound, heard = self._bound, self._heard
        first = min([until for one, _ in heard if (until := one.well_until) >= bound], default=FOREVER)
        # An earlier one than asked for may be of a sensor whose room has concluded since, and knows.
        if first < by:
            unknown = [one for one, room in heard if one.well_until >= max(bound, room.state.settled_at)]
            first = min((one.well_until for one in unknown), default=FOREVER)
        self._bound = first
