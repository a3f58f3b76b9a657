"""How often a sensor seems to speak by itself: a guess from the gaps between its messages.

A device with a timer is never silent for longer than it, so its longest gaps are equal. A device that speaks
only when something happens has gaps of every length. It is a guess for people: whoever gives the sensor to a
room says what its heartbeat is. A heartbeat that is too short only makes the sensor overdue.
"""

from typing import Final

import msgspec

from gateway.core.units import MINUTE_MS, NEVER, SECOND_MS, Duration, Instant

KEPT: Final = 32
"""Gaps that are remembered, the newest."""
EQUAL: Final = 3
"""So many of the longest gaps must be equal ..."""
NEARLY: Final = 0.9
"""... within a tenth: timers of small devices are not exact."""
STEPS: Final = tuple(SECOND_MS * step for step in (5, 10, 15, 20, 30, 45)) + tuple(
    MINUTE_MS * step for step in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 240, 360, 720, 1_440)
)
"""What people set timers to."""


class Beats(msgspec.Struct):
    """The gaps between the messages that a device made itself."""

    last: Instant = NEVER
    gaps: list[Duration] = []

    def note(self, now: Instant) -> None:
        """It spoke."""
        if self.last != NEVER and now > self.last:
            self.gaps.append(now - self.last)
            del self.gaps[:-KEPT]
        self.last = now

    @property
    def heartbeat(self) -> Duration | None:
        """The timer that it seems to have, in ms; None: none is to be seen so far."""
        longest = max(self.gaps, default=0)
        if sum(gap >= NEARLY * longest for gap in self.gaps) < EQUAL:
            return None
        # A timer of a minute is seen as 59 to 61 s.
        return next((step for step in STEPS if longest <= 1.1 * step), None)
