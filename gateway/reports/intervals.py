"""How far a counted share can be trusted: intervals for a proportion.

Two well-known ways. `clopper_pearson` is exact and never promises too much: use it where none or few of
many were counted. `wilson` is shorter and right on average: use it for shares in tables.

Sources: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; C. J. Clopper and E. S. Pearson, Biometrika 26
(1934) 404; R. G. Newcombe, Statistics in Medicine 17 (1998) 857, whose table the tests hold both to.
"""

import math

_STEPS = 200
"""Halvings of the interval [0, 1] and terms of the fraction. Doubles are exhausted far earlier."""
_TINY = 1e-300
_CLOSE = 1e-15


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Lower and upper bound of a share, by Wilson's score; `z` is the normal quantile (1.959964 for 95 %).

    Without trials nothing is known: (0, 1). Raises ValueError where the counts cannot be.
    """
    _check(successes, trials)
    if z < 0:
        raise ValueError(f"z is {z}; a normal quantile of a two-sided interval is 0 or more")
    if not trials:
        return 0.0, 1.0
    share = successes / trials
    weight = z * z / trials
    middle = share + weight / 2
    reach = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    lower = 0.0 if successes == 0 else max(0.0, (middle - reach) / (1 + weight))
    upper = 1.0 if successes == trials else min(1.0, (middle + reach) / (1 + weight))
    return lower, upper


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a share, exact: each binomial tail beyond them is at most (1 - level) / 2.

    Without trials nothing is known: (0, 1). Raises ValueError where counts or level cannot be.
    """
    _check(successes, trials)
    if not 0 < level < 1:
        raise ValueError(f"the level is {level}; it must lie between 0 and 1, such as 0.95")
    if not trials:
        return 0.0, 1.0
    tail = (1 - level) / 2
    failures = trials - successes
    # P(X >= k | p) is the incomplete beta I_p(k, n - k + 1); both bounds are its roots.
    lower = 0.0 if successes == 0 else _beta_quantile(tail, successes, failures + 1)
    upper = 1.0 if failures == 0 else _beta_quantile(1 - tail, successes + 1, failures)
    return lower, upper


def _check(successes: int, trials: int) -> None:
    if trials < 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials}: successes must lie between 0 and the number of trials")


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Where the regularized incomplete beta function reaches a probability. It rises, so halving finds it."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if _incomplete_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b) for 0 < x < 1."""
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - _incomplete_beta(1 - x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    c = 1.0
    d = 1 / _kept_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS * 50):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _kept_from_zero(1 + even * d)
        c = _kept_from_zero(1 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _kept_from_zero(1 + odd * d)
        c = _kept_from_zero(1 + odd / c)
        value *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return value


def _kept_from_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
