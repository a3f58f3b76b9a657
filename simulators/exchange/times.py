"""Times as Graph writes and reads them.

An event's `start` is `{"dateTime": "2026-11-23T09:00:00.0000000", "timeZone": "UTC"}`: seven
fraction digits and no offset (published examples). Inside the simulator all times are ms since
1970 UTC, and all-day events are UTC midnights, as Exchange matches them.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.core.units import DAY_MS, Duration, Instant
from simulators.exchange.errors import InvalidRequest
from simulators.exchange.zones import WINDOWS_ZONES

UNSET_STAMP: Final = "0001-01-01T00:00:00Z"
"""What Graph writes where somebody has not responded yet."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_FIRST_MS: Final[Instant] = (datetime(1601, 1, 1, tzinfo=UTC) - _EPOCH) // _MS
_LAST_MS: Final[Instant] = (datetime(4500, 9, 1, tzinfo=UTC) - _EPOCH) // _MS
"""MAPI's calendars go from 1601 to August 4500 (Microsoft's MS-OXOCAL)."""


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The zone of a Windows or IANA name. Raises `InvalidRequest` for others, as Graph does."""
    try:
        return ZoneInfo(WINDOWS_ZONES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a name that is a folder
        raise InvalidRequest(
            f"The following TimeZone value is not supported: '{name}'.", "TimeZoneNotSupportedException"
        ) from error


def to_instant(moment: datetime) -> Instant:
    """An aware datetime as ms since 1970 UTC."""
    return (moment - _EPOCH) // _MS


def to_utc(instant: Instant) -> datetime:
    """Ms since 1970 as an aware UTC datetime, exactly."""
    return _EPOCH + timedelta(milliseconds=instant)


@lru_cache(maxsize=65_536)
def graph_datetime(instant: Instant, zone_name: str = "UTC") -> str:
    """`2026-11-23T09:00:00.0000000` in the given zone."""
    moment = to_utc(instant)
    if zone_name != "UTC":
        moment = moment.astimezone(zone(zone_name))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0"


@lru_cache(maxsize=65_536)
def graph_stamp(instant: Instant) -> str:
    """`2026-11-23T09:00:00Z`: a DateTimeOffset, the form of `originalStart` and response times."""
    return f"{to_utc(instant):%Y-%m-%dT%H:%M:%SZ}"


def graph_stamp_ms(instant: Instant) -> str:
    """`2026-11-23T09:00:00.000Z`, with milliseconds."""
    return to_utc(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_date(instant: Instant) -> str:
    """`2026-11-23T09:00:00`: the date in an error, which carries no zone."""
    return f"{to_utc(instant):%Y-%m-%dT%H:%M:%S}"


def window_instant(text: str, parameter: str) -> Instant:
    """A `startDateTime` or `endDateTime`: read with the offset in the value, UTC if there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"The value '{text}' of parameter '{parameter}' is invalid.", "ErrorInvalidParameter"
        ) from error
    return _within(to_instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC)), text)


def wall_instant(text: str, zone_name: str) -> Instant:
    """A `dateTime` without offset in the named zone; an offset in the value wins."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"The dateTime '{text}' is invalid.", "ErrorInvalidParameter") from error
    return _within(to_instant(moment if moment.tzinfo else moment.replace(tzinfo=zone(zone_name))), text)


def _within(instant: Instant, text: str) -> Instant:
    if not _FIRST_MS <= instant < _LAST_MS:
        raise InvalidRequest(
            f"The time '{text}' lies outside of what a calendar can hold.", "ErrorInvalidParameter"
        )
    return instant


@lru_cache(maxsize=65_536)
def local_date(instant: Instant, zone_name: str) -> date:
    """The calendar date at that instant in the named zone."""
    return to_utc(instant).astimezone(zone(zone_name)).date()


def local_minute(instant: Instant, zone_name: str) -> int:
    """Minutes since midnight on the zone's clocks."""
    local = to_utc(instant).astimezone(zone(zone_name))
    return local.hour * 60 + local.minute


@lru_cache(maxsize=65_536)
def same_wall_time(instant: Instant, day: date, zone_name: str) -> Instant:
    """The instant on `day` at which the zone's clocks show what they show at `instant`.

    A series keeps its wall time over a change to summer time; its UTC time moves.
    """
    if zone_name == "UTC":
        return instant + (day - local_date(instant, "UTC")).days * DAY_MS
    wall = to_utc(instant).astimezone(zone(zone_name)).timetz()
    return to_instant(datetime.combine(day, wall))


def floor_to_day(instant: Instant) -> Instant:
    """The UTC midnight at or before."""
    return instant - instant % DAY_MS


def days_of(duration: Duration) -> int:
    """Whole days that a duration touches at most, beyond its first."""
    return -(-duration // DAY_MS)
