"""From the words, numbers and times that devices write to the few values that the core knows."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.core.events import Reading
from gateway.core.units import DAY_MS, Instant
from gateway.sensors.errors import OptionError, PayloadError, shown

# What may stand around a word or number. Python's own strip takes more for blank (the control characters
# U+001C to U+001F among them), and noise must not become a word.
BLANKS: Final = " \t\r\n"

ON_WORDS: Final = (
    "on",
    "true",
    "1",
    "yes",
    "occupied",
    "present",
    "presence",
    "detected",
    "motion",
    "active",
)
OFF_WORDS: Final = (
    "off",
    "false",
    "0",
    "no",
    "vacant",
    "unoccupied",
    "absent",
    "clear",
    "cleared",
    "not_detected",
    "inactive",
)

MAX_PEOPLE: Final = 10_000
"""No room holds more; a larger count is a broken message."""
MAX_LINK: Final = 65_535
"""Signal figures are within a byte or a few hundred dB; this only keeps nonsense out."""
MAX_NUMBER_CHARACTERS: Final = 32
"""A number written as text is not longer than this."""

SHORT: Final = 64
"""A word for on or off is not longer than this."""
SMALL: Final = 1_000_000
"""A number that stands for on or off is within this."""

MAX_AHEAD_MS: Final = DAY_MS
"""A message that claims to be made later than this from now is refused: its clock is broken."""
EARLIEST: Final[Instant] = 978_307_200_000
"""2001-01-01. Devices that have lost their clock start at 1970 or 2000: such times are no times."""
LATEST: Final[Instant] = 4_102_444_800_000
"""2100-01-01."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
MAX_TIME_CHARACTERS: Final = 40

Words = Mapping[str, int]
"""From a casefolded word to 1 or 0."""


def words(
    options: Mapping[str, str],
    on_option: str = "on",
    off_option: str = "off",
    default_on: tuple[str, ...] = ON_WORDS,
    default_off: tuple[str, ...] = OFF_WORDS,
) -> Words:
    """The words for 1 and 0. Each option holds words separated by commas and replaces its defaults.

    A word that one option names is taken from the other side's defaults. Raises OptionError when both
    options name it, or when an option names none.
    """
    given_on, given_off = _listed(options, on_option), _listed(options, off_option)
    both = sorted(set(given_on) & set(given_off))
    if both:
        raise OptionError(f"the word {both[0]!r} is in both {on_option} and {off_option}")
    table = dict.fromkeys(given_on or default_on, 1) | dict.fromkeys(given_off or default_off, 0)
    return table | dict.fromkeys(given_on, 1)


def _listed(options: Mapping[str, str], name: str) -> tuple[str, ...]:
    if name not in options:
        return ()
    listed = tuple(word.strip().casefold() for word in options[name].split(",") if word.strip())
    if not listed:
        raise OptionError(f"the option {name} names no word")
    return listed


def utf8(payload: bytes) -> str:
    """The payload as text. Raises PayloadError."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise PayloadError(f"expected UTF-8 text, got {shown(payload)}") from None


def word_of(value: object) -> str | None:
    """A JSON scalar in the form in which `words` lists it; None for anything else."""
    if isinstance(value, str):
        return value.strip(BLANKS).casefold() if len(value) <= SHORT else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -SMALL < value < SMALL else None
    if isinstance(value, float) and value.is_integer() and -SMALL < value < SMALL:
        return str(int(value))
    return None


def as_flag(value: object, table: Words) -> int:
    """1 or 0. Raises PayloadError for a value that is no listed word."""
    word = word_of(value)
    flag = None if word is None else table.get(word)
    if flag is None:
        raise PayloadError(f"expected a word for on or off, got {shown(value)}")
    return flag


def as_people(value: object) -> int:
    """A whole number of people, 0 to MAX_PEOPLE. Raises PayloadError."""
    number = as_number(value)
    if number is None or not 0 <= number <= MAX_PEOPLE or number != int(number):
        raise PayloadError(f"expected a number of people, got {shown(value)}")
    return int(number)


def as_number(value: object) -> int | float | None:
    """A finite number, also one written as text; None for anything else (booleans are no numbers)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= MAX_NUMBER_CHARACTERS and "_" not in value:
        return _number_in(value.strip(BLANKS))
    return None


def _number_in(digits: str) -> float | None:
    """The finite number that the text is; `float` alone would take other scripts' digits and odd blanks."""
    if not (digits.isascii() and digits.isprintable()):
        return None
    try:
        number = float(digits)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def as_main(value: object, senses: str, table: Words) -> int:
    """The main value of a sensor, in the form that `Reading.value` has. Raises PayloadError."""
    if senses == "count":
        return as_people(value)
    return as_flag(value, table)


def as_percent(value: object) -> int | None:
    """A battery level in percent, 0 to 100; None for anything else, which says nothing."""
    number = as_number(value)
    return round(number) if number is not None and 0 <= number <= 100 else None  # noqa: PLR2004 - percent


def as_instant(value: object) -> Instant | None:
    """A time in ms since 1970: ISO 8601 with its offset from UTC, or a count of seconds or milliseconds.

    None for what is not a time, has no offset (whose noon?) or cannot be right (before 2001, after 2099):
    an odd clock does not make the rest of a message untrue.
    """
    if isinstance(value, str):
        if len(value) <= MAX_TIME_CHARACTERS:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return _plausible(as_number(value))
            if moment.tzinfo is not None:
                return _plausible((moment - EPOCH) // MILLISECOND)
        return None
    return _plausible(as_number(value))


def _plausible(number: float | None) -> Instant | None:
    if number is None:
        return None
    for instant in (number, number * 1_000):  # milliseconds until 2100 and seconds from 2001 do not overlap
        if EARLIEST <= instant < LATEST:
            return int(instant)
    return None


_decode_json = msgspec.json.Decoder(Any).decode


def as_json(payload: bytes) -> Any:
    """The decoded JSON. Raises PayloadError; depth, size of numbers and encoding are all bounded."""
    try:
        return _decode_json(utf8(payload))
    except msgspec.DecodeError as error:
        raise PayloadError(f"expected JSON, got {shown(payload)}: {error}") from None
    except RecursionError:
        raise PayloadError("expected JSON of a sensible depth") from None


def alive(sensor: str, *, device_made: bool = True, made_at: Instant | None = None) -> Reading:
    """The device said something that bears on nothing else."""
    return Reading(sensor, "alive", 1, device_made, made_at)
