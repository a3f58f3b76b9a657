"""Intervals of a share, held to published tables and to what an interval must be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reports.intervals import clopper_pearson, wilson

NEWCOMBE = [  # Statistics in Medicine 17 (1998) 857, table I: methods 3 (score) and 5 (exact)
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("successes", "trials", "score", "exact"), NEWCOMBE)
def test_published_intervals(
    successes: int, trials: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    """Both ways give the published bounds, to the digits that were published."""
    assert wilson(successes, trials) == pytest.approx(score, abs=5.1e-5)
    assert clopper_pearson(successes, trials) == pytest.approx(exact, abs=5.1e-5)


@pytest.mark.parametrize("trials", [1, 20, 10_000, 1_000_000])
def test_none_of_many_has_a_closed_form(trials: int) -> None:
    """None of n: the exact upper bound is 1 - 0.025 ** (1 / n), Wilson's z² / (n + z²)."""
    upper = -math.expm1(math.log(0.025) / trials)
    assert clopper_pearson(0, trials) == pytest.approx((0, upper), rel=1e-9)
    assert clopper_pearson(trials, trials) == pytest.approx((1 - upper, 1), rel=1e-9)
    assert wilson(0, trials) == pytest.approx((0, 1.959964**2 / (trials + 1.959964**2)), rel=1e-9)


def _at_most(count: int, trials: int, share: float) -> float:
    return math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(count + 1))


@given(st.data(), st.integers(1, 300), st.sampled_from([0.8, 0.95, 0.99]))
def test_exact_bounds_cut_off_the_tails(data: st.DataObject, trials: int, level: float) -> None:
    """At each exact bound the tail beyond the count holds just (1 - level) / 2, summed term by term."""
    successes = data.draw(st.integers(0, trials))
    lower, upper = clopper_pearson(successes, trials, level)
    assert 0 <= lower <= successes / trials <= upper <= 1
    if successes:
        assert 1 - _at_most(successes - 1, trials, lower) == pytest.approx((1 - level) / 2, abs=1e-9)
    if successes < trials:
        assert _at_most(successes, trials, upper) == pytest.approx((1 - level) / 2, abs=1e-9)


@given(st.data(), st.integers(1, 100_000))
def test_wilson_bounds_hold_the_share_and_mirror(data: st.DataObject, trials: int) -> None:
    """The share lies between its bounds, and counting failures instead gives the mirror image."""
    successes = data.draw(st.integers(0, trials))
    lower, upper = wilson(successes, trials)
    assert 0 <= lower <= successes / trials <= upper <= 1
    assert wilson(trials - successes, trials) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


def test_nothing_counted_is_nothing_known() -> None:
    """Without trials the share may be anything."""
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
def test_counts_that_cannot_be(successes: int, trials: int) -> None:
    """Counts that cannot be are named."""
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match=f"{successes} of {trials}"):
            interval(successes, trials)
    with pytest.raises(ValueError, match="between 0 and 1"):
        clopper_pearson(1, 2, 95)
    with pytest.raises(ValueError, match="normal quantile"):
        wilson(1, 2, -1)
