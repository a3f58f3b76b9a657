"""Hours of a policy: local times of the week, by the clock on the wall."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.exchange.hours import Hours
from gateway.exchange.moments import instant

BERLIN = ZoneInfo("Europe/Berlin")


def holds(text: str, local: str) -> bool:
    """Whether the hours hold at a local time in Berlin."""
    moment = instant(datetime.fromisoformat(local).replace(tzinfo=BERLIN))
    return Hours.of([text]).hold(moment, BERLIN)


@pytest.mark.parametrize(
    ("text", "within", "outside"),
    [
        ("mon-fri 08:00-18:00", "2026-09-28T08:00", "2026-09-28T07:59"),
        ("mon-fri 08:00-18:00", "2026-10-02T17:59", "2026-10-02T18:00"),
        ("mon-fri 08:00-18:00", "2026-09-29T12:00", "2026-10-03T12:00"),
        ("tue,thu 09:00-10:00", "2026-10-01T09:30", "2026-09-30T09:30"),
        ("fri-mon 09:00-10:00", "2026-10-04T09:30", "2026-10-06T09:30"),
        ("sun 22:00-06:00", "2026-10-05T05:59", "2026-10-05T06:00"),
        ("Mon 00:00-24:00", "2026-09-28T23:59", "2026-09-29T00:00"),
    ],
)
def test_hours_hold_from_their_start_up_to_their_end(text: str, within: str, outside: str) -> None:
    """Days alone, spans of days (also over Sunday), nights (also over Sunday), the whole day."""
    assert holds(text, within)
    assert not holds(text, outside)


def test_a_change_to_summer_time_moves_nothing() -> None:
    """Eight o'clock is eight o'clock on both sides of the 25th of October, an hour apart in UTC."""
    for local in ("2026-10-23T08:00", "2026-10-26T08:00"):
        assert holds("mon-fri 08:00-18:00", local)
    for local in ("2026-10-23T07:30", "2026-10-26T07:30"):
        assert not holds("mon-fri 08:00-18:00", local)


def test_the_same_instant_may_lie_within_in_one_zone_and_outside_in_another() -> None:
    """The room's zone decides."""
    moment = instant(datetime(2026, 9, 28, 8, 30, tzinfo=BERLIN))
    hours = Hours.of(["mon-fri 08:00-18:00"])
    assert hours.hold(moment, BERLIN)
    assert not hours.hold(moment, ZoneInfo("Europe/London"))


def test_no_hours_are_all_hours() -> None:
    """Who sets none limits nothing."""
    assert Hours().hold(0, BERLIN)
