"""The statistics of a comparison: exact shares, Student's t, Holm's correction. No run is known here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

COVERAGE: Final = 0.95
"""Of every interval that is shown."""
_STEPS: Final = 60
"""Halvings of a bisection: more than doubles can tell apart."""
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `trials`. With a design effect both are divided by it, so neither need be whole."""

    hits: float
    trials: float

    @property
    def value(self) -> float:
        """0 to 1; 0 of nothing is 0."""
        return self.hits / self.trials if self.trials else 0.0

    def thinned(self, effect: float) -> Share:
        """As if only one in `effect` of the trials told something of its own."""
        return Share(self.hits / effect, self.trials / effect)


def beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_share(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / _kept_off_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _kept_off_zero(1.0 + term * d)
            c = _kept_off_zero(1.0 + term / c)
            fraction *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return min(1.0, math.exp(log_front) * fraction / a)


def exact_interval(share: Share, coverage: float = COVERAGE) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share: (0, 1) of nothing."""
    if share.trials <= 0:
        return 0.0, 1.0
    tail, misses = (1.0 - coverage) / 2.0, share.trials - share.hits
    low = high = 0.0
    if share.hits > 0:
        low = _root(lambda x: beta_share(share.hits, misses + 1.0, x) - tail)
    high = _root(lambda x: beta_share(share.hits + 1.0, misses, x) - (1.0 - tail)) if misses > 0 else 1.0
    return low, high


def difference(before: Share, after: Share) -> tuple[float, float]:
    """The interval of `after - before`: Newcombe's square-and-add of the two exact intervals."""
    (low_b, high_b), (low_a, high_a) = exact_interval(before), exact_interval(after)
    gap = after.value - before.value
    down = math.hypot(after.value - low_a, high_b - before.value)
    up = math.hypot(high_a - after.value, before.value - low_b)
    return max(-1.0, gap - down), min(1.0, gap + up)


def mid_p(before: Share, after: Share) -> float:
    """Fisher's test of two shares: twice the smaller tail, of which the observed table counts half (mid-p).

    Counts are rounded to whole ones. Without trials on a side, or without any hit, nothing differs: 1.
    """
    n1, n2 = round(before.trials), round(after.trials)
    k1, k2 = min(round(before.hits), n1), min(round(after.hits), n2)
    hits = k1 + k2
    if not n1 or not n2 or hits in (0, n1 + n2):
        return 1.0
    observed = math.exp(_log_hypergeometric(k2, hits, n1, n2))
    more = _tail(range(k2 + 1, min(hits, n2) + 1), hits, n1, n2)
    fewer = _tail(range(k2 - 1, max(0, hits - n1) - 1, -1), hits, n1, n2)
    return min(1.0, 2.0 * (min(more, fewer) + observed / 2.0))


def _tail(ks: range, hits: int, n1: int, n2: int) -> float:
    """The sum over `ks`, which lead away from what was observed: it stops where nothing more is added."""
    whole = 0.0
    for k in ks:
        term = math.exp(_log_hypergeometric(k, hits, n1, n2))
        whole += term
        if term < whole * 1e-17:
            break
    return whole


def _log_hypergeometric(k: int, hits: int, n1: int, n2: int) -> float:
    """That k of `hits` fall on the n2, if they fall on all alike."""
    return _log_choose(n1, hits - k) + _log_choose(n2, k) - _log_choose(n1 + n2, hits)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def student_p(t: float, freedom: float) -> float:
    """Two-sided p of Student's t; with infinite freedom that of the normal law."""
    if math.isinf(freedom):
        return math.erfc(abs(t) / math.sqrt(2.0))
    return beta_share(freedom / 2.0, 0.5, freedom / (freedom + t * t))


def student_limit(freedom: float, coverage: float = COVERAGE) -> float:
    """The t beyond which lies 1 - coverage, on both sides together."""
    high = 1.0
    while student_p(high, freedom) > 1.0 - coverage:
        high *= 2.0
    return high * _root(lambda x: (1.0 - coverage) - student_p(high * x, freedom))


def adjusted(ps: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down: each p so that `p <= level` keeps the chance of any false finding below the level."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    out, worst = [0.0] * len(ps), 0.0
    for place, i in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - place) * ps[i]))
        out[i] = worst
    return tuple(out)


def sessions_needed(share: float, *, tests: int, power: float = 0.95, level: float = 0.05) -> int:
    """How many sessions a side must have so that a loss of `share`, where none was, is named with `power`.

    Among `tests` comparisons, by `mid_p` with the hardest step of Holm's correction.
    """
    size = 16
    while not _is_named(share, size, tests, power, level):
        size *= 2
    low = size // 2
    while size - low > 1:
        middle = (low + size) // 2
        low, size = (low, middle) if _is_named(share, middle, tests, power, level) else (middle, size)
    return size


def _is_named(share: float, size: int, tests: int, power: float, level: float) -> bool:
    least = next(
        (k for k in range(1, size + 1) if mid_p(Share(0, size), Share(k, size)) * tests <= level), size + 1
    )
    # P(Binomial(size, share) >= least)
    return least <= size and beta_share(least, size - least + 1, share) >= power


def _kept_off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0 to 1 crosses zero."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if rising(middle) > 0.0 else (middle, high)
    return (low + high) / 2.0
