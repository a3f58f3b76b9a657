"""Durations are read exactly or refused with advice, and what is written is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gateway.durations import MAX_DURATION_MS, DurationError, DurationMs, format_duration, parse_duration

EXPECTED = 'a duration in quotes, such as "45s", "10m" or "1h30m" (units d, h, m, s, ms)'


class _Table(BaseModel):
    wait: DurationMs


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("45s", 45_000),
        ("250ms", 250),
        ("2d", 172_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("0s", 0),
        ("90m", 5_400_000),
        ("1m5ms", 60_005),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, duration_ms: int) -> None:
    """Each unit counts what it says, in milliseconds; minutes and milliseconds are told apart."""
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", ""),
        ("soon", ""),
        ("-5m", ""),
        ("30m1h", ""),
        ("5m5m", ""),
        ("\N{ARABIC-INDIC DIGIT FIVE}m", ""),
        ("10m\n", '; without spaces and capitals: "10m"'),
        ("60", '; a number needs its unit: "60s" or "60m"'),
        ("1.5h", '; no fractions: "1h30m" instead of "1.5h"'),
        ("1h 30m", '; without spaces and capitals: "1h30m"'),
        ("10M", '; without spaces and capitals: "10m"'),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str, advice: str) -> None:
    """No guess is made about what somebody may have meant, but near misses get advice."""
    with pytest.raises(DurationError) as refused:
        parse_duration(text)
    assert str(refused.value) == EXPECTED + advice


def test_a_duration_beyond_ten_years_is_refused() -> None:
    """The limit itself is read, one millisecond more is not."""
    assert parse_duration("3650d") == MAX_DURATION_MS
    with pytest.raises(DurationError, match="at most 3650d"):
        parse_duration("3650d1ms")


@given(st.integers(min_value=0, max_value=MAX_DURATION_MS))
def test_what_is_written_is_read_back(duration_ms: int) -> None:
    """Format and parse are each other's inverse over the whole range, and no part is zero."""
    text = format_duration(duration_ms)
    assert parse_duration(text) == duration_ms
    assert duration_ms == 0 or not any(part.startswith("0") for part in _parts(text))


def _parts(text: str) -> list[str]:
    numbers = "".join(each if each.isdigit() else " " for each in text)
    return numbers.split()


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0s"), (60_000, "1m"), (5_400_000, "1h30m"), (34_560_000_000, "400d"), (1_500, "1s500ms")],
)
def test_a_written_duration_begins_with_its_largest_unit(duration_ms: int, text: str) -> None:
    """People read 1h30m, not 90m or 5400s."""
    assert format_duration(duration_ms) == text


def test_a_negative_duration_has_no_text() -> None:
    """There is none to read back, so none is written."""
    with pytest.raises(DurationError, match="not negative"):
        format_duration(-1)


@pytest.mark.parametrize("value", [60, 1.5, True, None, ["10m"]])
def test_a_setting_that_is_no_text_is_refused(value: object) -> None:
    """A bare number has no unit, so a model never takes one for milliseconds or seconds."""
    with pytest.raises(ValidationError, match="a duration in quotes"):
        _Table.model_validate({"wait": value})


def test_a_model_holds_milliseconds_and_writes_text() -> None:
    """A setting survives being read and written."""
    table = _Table.model_validate({"wait": "1h30m"})
    assert table.wait == 5_400_000
    assert table.model_dump() == {"wait": "1h30m"}
