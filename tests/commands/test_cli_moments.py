"""Times are understood as people type them, on the site's clock."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.commands.base import WrongUsage
from gateway.commands.moments import midnight, parse_day, parse_moment, parse_start
from gateway.core.units import DAY_MS, HOUR_MS

BERLIN = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2026, 9, 21, 16, 5, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("now", "2026-09-21T16:05:00+00:00"),
        ("2h", "2026-09-21T14:05:00+00:00"),
        ("7d", "2026-09-14T16:05:00+00:00"),
        ("today", "2026-09-20T22:00:00+00:00"),
        ("yesterday", "2026-09-19T22:00:00+00:00"),
        ("09:30", "2026-09-21T07:30:00+00:00"),
        ("2026-09-01", "2026-08-31T22:00:00+00:00"),
        ("2026-09-01T08:00", "2026-09-01T06:00:00+00:00"),
        ("2026-09-01T08:00+00:00", "2026-09-01T08:00:00+00:00"),
        ("2026-12-01", "2026-11-30T23:00:00+00:00"),
    ],
)
def test_a_time_is_taken_as_it_is_meant(given: str, meant: str) -> None:
    """Ago, a day, a time of today, or a full time with or without its offset."""
    instant = parse_moment("--since", given, NOW, BERLIN)
    assert datetime.fromtimestamp(instant / 1000, UTC).isoformat() == meant


@pytest.mark.parametrize("given", ["", "soon", "25:00", "2026-13-01", "7", "-2h", "09:30:99"])
def test_what_is_no_time_is_refused_with_what_was_expected(given: str) -> None:
    """The option is named, and the forms that there are."""
    with pytest.raises(WrongUsage, match=r"--since .*expected a time such as"):
        parse_moment("--since", given, NOW, BERLIN)


def test_more_time_than_there_was_means_since_ever() -> None:
    """A very long time ago is no error."""
    assert parse_moment("--since", "3650d", 9 * DAY_MS, BERLIN) == 0


def test_a_day_of_summer_times_end_has_twenty_five_hours() -> None:
    """Days are the site's days, not 24 hours."""
    last_of_summer = parse_day("--day", "2026-10-25", NOW, BERLIN)
    length = midnight(date(2026, 10, 26), BERLIN) - midnight(last_of_summer, BERLIN)
    assert length == 25 * HOUR_MS


@pytest.mark.parametrize(("given", "day"), [("today", 21), ("yesterday", 20), ("tomorrow", 22)])
def test_a_day_can_be_named(given: str, day: int) -> None:
    """By the site's clock."""
    assert parse_day("--day", given, NOW, BERLIN) == date(2026, 9, day)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("15m", "2026-09-21T16:20:00+00:00"),
        ("+1h30m", "2026-09-21T17:35:00+00:00"),
        ("19:00", "2026-09-21T17:00:00+00:00"),
        ("today 19:00", "2026-09-21T17:00:00+00:00"),
        ("tomorrow 09:00", "2026-09-22T07:00:00+00:00"),
        ("2026-09-22T09:30", "2026-09-22T07:30:00+00:00"),
        ("2026-09-22 09:30", "2026-09-22T07:30:00+00:00"),
        ("2026-09-22T09:30+00:00", "2026-09-22T09:30:00+00:00"),
    ],
)
def test_a_start_is_meant_from_now_on(given: str, meant: str) -> None:
    """Not ago, as where one looks back."""
    start = parse_start("--from", given, NOW, BERLIN)
    assert start is not None
    assert datetime.fromtimestamp(start / 1000, UTC).isoformat() == meant


def test_now_is_the_gateways_own_now() -> None:
    """It is not worked out here."""
    assert parse_start("--from", "now", NOW, BERLIN) is None


@pytest.mark.parametrize(
    "given", ["", "soon", "tomorrow", "today", "2026-09-22", "25:00", "14.30", "9 o'clock"]
)
def test_a_start_that_is_none_is_told_with_what_is_expected(given: str) -> None:
    """A day alone is no start."""
    with pytest.raises(WrongUsage, match='expected "now", a time such as "14:00"'):
        parse_start("--from", given, NOW, BERLIN)
