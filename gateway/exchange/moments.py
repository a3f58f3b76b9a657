"""Instants as datetimes and back, and where days begin in a time zone."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from gateway.core.units import Instant

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(moment: datetime) -> Instant:
    """An aware datetime in ms since 1970 UTC, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def as_datetime(moment: Instant) -> datetime:
    """The other way round, in UTC."""
    return EPOCH + timedelta(milliseconds=moment)


def midnight(day: date, zone: tzinfo) -> Instant:
    """When `day` begins in `zone`; where that midnight is skipped, the moment the clocks jump."""
    return instant(datetime.combine(day, time(), tzinfo=zone))
