"""Units of time. Everything in the core is whole milliseconds, so arithmetic is exact."""

from typing import Final

Instant = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

Duration = int
"""Milliseconds."""

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

NEVER: Final[Instant] = -1
"""An instant before all others: "this has not happened"."""

FOREVER: Final[Instant] = 2**62
"""An instant after all others."""
