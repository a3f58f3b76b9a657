"""Durations as people write them in a configuration: ``10m``, ``1h30m``, ``45s``, ``250ms``, ``2d``.

ValueError
└── DurationError   the text is no duration; its words say what is expected
"""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Duration

MAX_DURATION_MS: Final[Duration] = 3_650 * DAY_MS
"""Ten years: more than any setting means, and far from where integers stop being exact elsewhere."""

_UNITS: Final[tuple[tuple[str, Duration], ...]] = (
    ("d", DAY_MS),
    ("h", HOUR_MS),
    ("m", MINUTE_MS),
    ("s", SECOND_MS),
    ("ms", 1),
)
# Largest unit first, each at most once. ASCII digits only: \d would also take other scripts' digits.
_DURATION: Final = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit, _ in _UNITS))
_EXPECTED: Final = 'a duration in quotes, such as "45s", "10m" or "1h30m" (units d, h, m, s, ms)'


class DurationError(ValueError):
    """What was given is no duration."""


def parse_duration(text: str) -> Duration:
    """Milliseconds in `text`: whole numbers with units d, h, m, s, ms, the largest unit first.

    Raises `DurationError`; its text is what was expected instead.
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise DurationError(f"{_EXPECTED}{_hint(text)}")
    total = sum(int(match[unit] or 0) * in_ms for unit, in_ms in _UNITS)
    if total > MAX_DURATION_MS:
        raise DurationError(f"a duration of at most {format_duration(MAX_DURATION_MS)}")
    return total


def format_duration(duration_ms: Duration) -> str:
    """Shortest text that `parse_duration` reads back as `duration_ms`, largest unit first, no zero parts.

    >>> format_duration(5_400_000)
    '1h30m'
    """
    if duration_ms < 0:
        raise DurationError("a duration that is not negative")
    parts: list[str] = []
    rest = duration_ms
    for unit, in_ms in _UNITS:
        count, rest = divmod(rest, in_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _hint(text: str) -> str:
    """What is probably wrong with a text that looks nearly right; empty if nothing comes to mind."""
    if re.fullmatch(r"[0-9]+", text):
        return f'; a number needs its unit: "{text}s" or "{text}m"'
    if re.search(r"[0-9][.,][0-9]", text):
        return '; no fractions: "1h30m" instead of "1.5h"'
    tidy = re.sub(r"\s", "", text).lower()
    if tidy and _DURATION.fullmatch(tidy):
        return f'; without spaces and capitals: "{tidy}"'
    return ""


def duration_setting(value: object) -> Duration:
    """What a setting holds, as milliseconds. A bare number is refused: nobody can tell its unit.

    Raises `DurationError` as `parse_duration` does.
    """
    if isinstance(value, str):
        return parse_duration(value)
    raise DurationError(f"{_EXPECTED}{_hint(str(value)) if isinstance(value, int) else ''}")


DurationMs = Annotated[int, BeforeValidator(duration_setting), PlainSerializer(format_duration)]
"""A pydantic field that reads ``"10m"``, holds milliseconds and is written as ``"10m"`` again."""
