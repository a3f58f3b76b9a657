"""Durations in little memory lose nothing on the unsafe side; lines are not bent by rubbish."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.units import HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.reports.spread import Spread, edge_of, joined, level, quiet_in, slope

DURATIONS = st.lists(st.integers(0, 6 * HOUR_MS), max_size=60)


def spread(durations: list[int]) -> Spread:
    """All of them."""
    result = Spread()
    for duration in durations:
        result.add(duration)
    return result


@given(st.integers(0, 90 * 24 * HOUR_MS))
def test_a_bucket_is_never_below_its_duration_and_within_a_percent(duration: int) -> None:
    """Rounding goes up, by less than a second or one percent: the safe side."""
    edge = edge_of(duration) * SECOND_MS
    assert duration <= edge < max(duration + SECOND_MS, duration * 1.011)


@given(DURATIONS, st.integers(0, 2 * HOUR_MS))
def test_the_limit_for_an_allowance_never_lets_more_through(durations: list[int], allowance: int) -> None:
    """Whatever the gaps: by the limit at most the allowance lies beyond it, and a shorter one fails."""
    all_of = spread(durations)
    limit = all_of.limit_for(allowance)
    assert sum(max(0, d - limit) for d in durations) <= allowance
    assert all_of.excess_ms(limit) <= allowance
    if limit:
        assert all_of.excess_ms(limit - SECOND_MS) > allowance


@given(DURATIONS, DURATIONS)
def test_spreads_add_up(one: list[int], other: list[int]) -> None:
    """Two periods together are as if they had been one; also after they were kept as JSON."""
    whole = spread(one)
    whole.take(msgspec.json.decode(msgspec.json.encode(spread(other)), type=Spread))
    assert (whole.buckets, whole.longest_ms) == (spread(one + other).buckets, spread(one + other).longest_ms)


@given(st.lists(st.integers(0, HOUR_MS), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_is_one_of_the_durations_as_far_as_buckets_tell(
    durations: list[int], share: float
) -> None:
    """At least the share asked for lies at or below it, and it never exceeds the longest."""
    found = spread(durations).quantile(share)
    assert found is not None
    assert sum(d <= found for d in durations) >= share * len(durations) - 1e-9
    assert found <= max(durations)


def test_nothing_has_no_quantile() -> None:
    """None, not zero: there is no measurement."""
    assert Spread().quantile(0.5) is None
    assert Spread().limit_for(0) == 0


def test_a_line_is_not_bent_by_a_third_of_rubbish() -> None:
    """Theil and Sen: a battery that loses a percent in two days, with some readings of 0 and 100."""
    points = {day: 90 - day / 2 for day in range(40)} | {5: 0.0, 6: 100.0, 17: 0.0, 30: 100.0}
    rise = slope(points)
    assert rise is not None
    assert rise == pytest.approx(-0.5, abs=0.05)
    assert level(points, rise, 40) == pytest.approx(70, abs=1.5)
    assert slope({3: 1.0}) is None


def test_pauses_are_counted_only_while_people_were_known_to_be_there() -> None:
    """Between signs, before the first and after the last one of each span; not between the spans."""
    minute = MINUTE_MS
    known = [(0, 10 * minute), (60 * minute, 70 * minute)]
    signs = [(2 * minute, 3 * minute), (7 * minute, 7 * minute), (40 * minute, 50 * minute)]
    assert [length // minute for _, length in quiet_in(known, signs)] == [2, 4, 3, 10]
    assert joined([(0, 1), (3, 4), (10, 11)], 2) == [(0, 4), (10, 11)]
