"""The clock that decisions go by, injected so that tests and the demo can run on their own time.

Only decision time comes from here. Commit linger, socket time-outs and token expiry are matters of
the machine and stay on the event loop's and the operating system's own time.
"""

import ctypes
import time
from typing import Final, Protocol

from gateway.core.units import Instant

TIME_ERROR: Final = 5
"""What adjtimex(2) returns while the clock is not synchronised to a reliable server."""

TIMEX_BYTES: Final = 512
"""More than any `struct timex`; all zero it asks and changes nothing, so it needs no privilege."""


class Clock(Protocol):
    """Decision time and how it relates to the event loop's time."""

    def now(self) -> Instant:
        """The present, in ms since 1970 UTC. May step when somebody sets the machine's clock."""
        ...

    def monotonic_ms(self) -> int:
        """Decision time that never steps, from an arbitrary origin; `now` is compared with it."""
        ...

    def seconds_until(self, instant: Instant) -> float:
        """How many seconds of the event loop's time until `instant` (0.0 if it has passed)."""
        ...

    def is_synchronised(self) -> bool:
        """Whether something keeps `now` right (NTP, PTP, a radio clock). Nothing is released while not."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        """See `Clock.now`."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """See `Clock.monotonic_ms`."""
        return time.monotonic_ns() // 1_000_000

    def seconds_until(self, instant: Instant) -> float:
        """See `Clock.seconds_until`."""
        return max(0.0, (instant - self.now()) / 1_000)

    def is_synchronised(self) -> bool:
        """What the kernel says of its clock; True where it does not tell (no Linux, or not allowed)."""
        adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
        return adjtimex is None or adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)) != TIME_ERROR
