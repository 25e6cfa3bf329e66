"""How likely it is that a session expires because its user pauses for longer than its time to live.

Pauses are drawn from the exponential law, and which of a user's steps use the session is drawn on its
own, so the uses of a session are a Poisson process with some mean interval z, and each renews the time
to live T. A session that is there at the mark is there t seconds later when no
stretch of length T between T before the mark and the end was without a use. In units of z, the Poisson
process has no such gap in a time w with

    F(w) = 1 + sum over k = 1 ... w/T of (-1)^k exp(-kT) ((w - kT)^k / k! + (w - kT)^(k - 1) / (k - 1)!)

and w = t + T. The service's own times, a thousandth of the pauses', are left out.
"""

from __future__ import annotations

import math
from typing import Final

from statefall.results.run_head import CellPlan

_NEGLIGIBLE: Final = 1e-3
"""Fewer expected expiries than this in a cell are none."""
_CERTAIN: Final = 25.0
"""With so many pauses expected to be too long, no session is left (and the sum loses its digits)."""
_TERMS: Final = 200
"""More add nothing: the terms fall like those of exp(25)."""


def share_expired(plan: CellPlan) -> float:
    """The expected share of the sessions alive at the mark that expire before the audit."""
    life, seconds = plan.session_ttl_s / plan.between_uses_s, plan.after_fault_s / plan.between_uses_s
    window = seconds + life
    needed = math.floor(window / life)
    if window * math.exp(-life) > _CERTAIN or (needed > _TERMS and life < 1.0):
        return 1.0  # in the second case far more uses would be needed than there are
    gapped = math.fsum(_term(k, life, window - k * life) for k in range(1, min(needed, _TERMS) + 1))
    return min(1.0, max(0.0, -gapped))


def _term(k: int, life: float, left: float) -> float:
    sign = -1.0 if k % 2 else 1.0
    return sign * (_part(k, k, life, left) + _part(k, k - 1, life, left))


def _part(k: int, power: int, life: float, left: float) -> float:
    """exp(-k life) left^power / power!, by its logarithm: the factors alone can be too large."""
    if left <= 0.0:
        return math.exp(-k * life) if power == 0 else 0.0
    return math.exp(-k * life + power * math.log(left) - math.lgamma(power + 1))


def matters(plan: CellPlan, sessions: int) -> bool:
    """Whether any of so many sessions is likely to expire."""
    return sessions * share_expired(plan) > _NEGLIGIBLE
