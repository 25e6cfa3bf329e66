"""What changed from one run to another: per cell and figure, with intervals, and a word for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from statefall.records.errors import RunInvalid
from statefall.results import wording
from statefall.results.compare.measures import COUNTED, MEASURED, Counted, Measured
from statefall.results.compare.sides import ArmKey, Exactness, Side
from statefall.results.compare.statistics import (
    Share,
    adjusted,
    difference,
    exact_interval,
    mid_p,
    student_limit,
    student_p,
)
from statefall.results.model import Cell, Outcome
from statefall.results.predict import binomial_interval
from statefall.results.table import in_order

LEVEL: Final = 0.05
"""The chance that runs of the same are said to differ anywhere, at most."""
REPEATS: Final = 3
"""So many repeats on both sides tell the noise between runs themselves."""


class Direction(StrEnum):
    """What became of a figure."""

    WORSE = "worse"
    BETTER = "better"
    INDISTINGUISHABLE = "not distinguishable"
    NOISE_UNKNOWN = "noise not known"


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure on one side with its interval (95%), in the measure's unit; shares from 0 to 1."""

    value: float
    low: float | None = None
    high: float | None = None
    hits: float | None = None
    """Of a share: the count, and below what it is of."""
    trials: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one cell, before and after."""

    key: str
    title: str
    unit: str
    """Empty for shares."""
    before: Reading
    after: Reading
    low: float | None
    """Interval (95%) of the change: of shares their difference, else the ratio after / before."""
    high: float | None
    p: float | None
    """Two-sided, of this figure alone; null where the noise is not known."""
    adjusted_p: float | None
    """By Holm, among all figures of the comparison."""
    change: Direction
    note: str = ""

    @property
    def is_share(self) -> bool:
        """Whether it is counted, not measured."""
        return self.before.trials is not None

    @property
    def tested(self) -> bool:
        """Whether it could have been found to differ: with no hit on either side nothing could."""
        return self.p is not None and not (self.is_share and not self.before.hits and not self.after.hits)


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One combination of the matrix, all repeats together."""

    title: str
    repeats: tuple[int, int]
    refused: str
    """Why it cannot be compared; empty where it was."""
    findings: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A run and the one it is held against."""

    before: Side
    after: Side
    surroundings: tuple[str, ...]
    """What differs in where they ran, a line each."""
    cells: tuple[ComparedCell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every later run against the first."""

    pairs: tuple[Pair, ...]
    tests: int
    """Figures that could be tested: what the correction is for."""

    def with_change(self, change: Direction) -> tuple[tuple[Pair, ComparedCell, Difference], ...]:
        """All findings of this kind."""
        return tuple(
            (pair, cell, finding)
            for pair in self.pairs
            for cell in pair.cells
            for finding in cell.findings
            if finding.change is change
        )

    @property
    def regressions(self) -> tuple[tuple[Pair, ComparedCell, Difference], ...]:
        """What got worse beyond the noise."""
        return self.with_change(Direction.WORSE)

    @property
    def refused(self) -> tuple[tuple[Pair, ComparedCell], ...]:
        """What could not be compared."""
        return tuple((pair, cell) for pair in self.pairs for cell in pair.cells if cell.refused)


def compare(sides: Sequence[Side]) -> Comparison:
    """Hold every later side against the first. Raises RunInvalid when there is no cell to hold."""
    pairs = [_pair(sides[0], after) for after in sides[1:]]
    if not any(pair.cells for pair in pairs):
        raise RunInvalid("no cell ran on any side: there is nothing to compare")
    findings = [finding for pair in pairs for cell in pair.cells for finding in cell.findings]
    ps = [finding.p for finding in findings if finding.tested and finding.p is not None]
    corrected = iter(adjusted(ps))
    judged = tuple(
        replace(
            pair,
            cells=tuple(
                replace(
                    cell,
                    findings=tuple(
                        _judged(finding, next(corrected)) if finding.tested else finding
                        for finding in cell.findings
                    ),
                )
                for cell in pair.cells
            ),
        )
        for pair in pairs
    )
    return Comparison(judged, len(ps))


def _judged(finding: Difference, corrected: float) -> Difference:
    change = finding.change if corrected <= LEVEL else Direction.INDISTINGUISHABLE
    return replace(finding, adjusted_p=corrected, change=change)


def _pair(before: Side, after: Side) -> Pair:
    old, new = before.arms(), after.arms()
    firsts = {key: cells[0] for key, cells in (*new.items(), *old.items())}
    order = in_order(list(firsts.values()))
    place = {id(cell): number for number, cell in enumerate(order)}
    keys = sorted(firsts, key=lambda key: place[id(firsts[key])])
    return Pair(
        before,
        after,
        _surroundings(before, after),
        tuple(_cell(key, old.get(key, ()), new.get(key, ()), before, after) for key in keys),
    )


def _surroundings(before: Side, after: Side) -> tuple[str, ...]:
    old = {"cluster": before.summary.cluster, **before.summary.fingerprint}
    new = {"cluster": after.summary.cluster, **after.summary.fingerprint}
    return tuple(
        f"{name}: {old.get(name, 'not recorded')} before, {new.get(name, 'not recorded')} after"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def _cell(
    key: ArmKey, old: tuple[Cell, ...], new: tuple[Cell, ...], before: Side, after: Side
) -> ComparedCell:
    some = (old or new)[0]
    title = f"{wording.arm(some)}, {wording.kinds(some) if some.faults else 'no fault'}"
    repeats = (len(old), len(new))
    refused = _refused("before", old) or _refused("after", new)
    if refused:
        return ComparedCell(title, repeats, refused)
    counted = [_counted(measure, old, new) for measure in COUNTED]
    measured = [_measured(measure, old, new, before.exactness, after.exactness) for measure in MEASURED]
    return ComparedCell(title, repeats, "", tuple(f for f in (*counted, *measured) if f is not None))


def _refused(when: str, cells: tuple[Cell, ...]) -> str:
    if not cells:
        return f"{when}: it did not run"
    for cell in cells:
        if cell.verdict in {Outcome.INVALID, Outcome.INCONCLUSIVE}:
            reasons = cell.invalid_because or cell.inconclusive_because or ("no reason is on record",)
            return f"{when}: {cell.verdict.value}: {reasons[0]}"
    return ""


# -- shares -----------------------------------------------------------------------------------------


def _counted(measure: Counted, old: tuple[Cell, ...], new: tuple[Cell, ...]) -> Difference | None:
    parts = [[measure.of(cell) for cell in cells] for cells in (old, new)]
    before, after = (Share(sum(s.hits for s in p), sum(s.trials for s in p)) for p in parts)
    if not before.trials or not after.trials:
        return None
    effect = max(measure.effect, _design_effect(parts))
    thin = before.thinned(effect), after.thinned(effect)
    low, high = difference(*thin)
    change = Direction.INDISTINGUISHABLE
    if after.value != before.value:
        change = Direction.WORSE if after.value > before.value else Direction.BETTER
    p, note = mid_p(*thin), ""
    if measure.key == "lost" and _all_allowed((*old, *new)):
        p, note = 1.0, "each repeat lies within what its design leaves open"
    return Difference(
        measure.key, measure.title, "",
        _share(before, thin[0]), _share(after, thin[1]), low, high, p, None, change, note,
    )  # fmt: skip


def _share(share: Share, thin: Share) -> Reading:
    low, high = exact_interval(thin)
    return Reading(share.value, low, high, share.hits, share.trials)


def _design_effect(sides: Sequence[Sequence[Share]]) -> float:
    """By how much repeats of a side differ more than trials on their own would: Pearson's chi-square over
    its degrees of freedom; 1 where there are fewer than `REPEATS` on either side."""
    if any(len(parts) < REPEATS for parts in sides):
        return 1.0
    squares, freedom = 0.0, 0
    for parts in sides:
        pooled = sum(s.hits for s in parts) / max(sum(s.trials for s in parts), 1.0)
        if not 0.0 < pooled < 1.0:
            continue
        squares += sum(
            (s.hits - s.trials * pooled) ** 2 / (s.trials * pooled * (1.0 - pooled))
            for s in parts
            if s.trials
        )
        freedom += len(parts) - 1
    return max(1.0, squares / freedom) if freedom else 1.0


def _all_allowed(cells: Sequence[Cell]) -> bool:
    """Whether the design leaves the losses more open than the drawing of homes does, and allows them all.

    Then two runs of the same can differ by more than chance draws, and Fisher's test does not apply.
    """
    return all(_is_open(cell) and _is_within(cell) for cell in cells)


def _is_open(cell: Cell) -> bool:
    low, high, expected = cell.predicted_lost.low, cell.predicted_lost.high, cell.predicted_lost.expected
    if low is None or high is None:
        return False
    if expected is None:
        return True
    whole = cell.sessions.at_fault
    drawn = binomial_interval(whole, expected / whole) if whole else (0, 0)
    return high - low > drawn[1] - drawn[0] + 1


def _is_within(cell: Cell) -> bool:
    low, high = cell.predicted_lost.low, cell.predicted_lost.high
    return low is not None and high is not None and low <= cell.sessions.lost <= high


# -- figures ----------------------------------------------------------------------------------------


def _measured(
    measure: Measured,
    old: tuple[Cell, ...],
    new: tuple[Cell, ...],
    old_exact: dict[str, Exactness],
    new_exact: dict[str, Exactness],
) -> Difference | None:
    before = [(value, old_exact.get(c.name)) for c in old if (value := measure.of(c)) is not None]
    after = [(value, new_exact.get(c.name)) for c in new if (value := measure.of(c)) is not None]
    if not before or not after or min(value for value, _ in (*before, *after)) <= 0.0:
        return None
    readings = _logs(measure, before), _logs(measure, after)
    gap = readings[1].mean - readings[0].mean
    worse = (gap > 0.0) is measure.more_is_worse
    low = high = p = None
    change, note = Direction.WORSE if worse else Direction.BETTER, ""
    if measure.noise is None and not all(r.tells_noise for r in readings):
        change, note = Direction.NOISE_UNKNOWN, f"{REPEATS} repeats on each side would tell it"
    else:
        error, freedom = _welch(*readings)
        reach = student_limit(freedom) * error
        low, high = math.exp(gap - reach), math.exp(gap + reach)
        p = student_p(gap / error, freedom) if error > 0.0 else float(gap == 0.0)
    return Difference(
        measure.key, measure.title, measure.unit,
        readings[0].reading(), readings[1].reading(), low, high, p, None, change, note,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Logs:
    """The logarithms of a figure over the repeats of a side."""

    mean: float
    error: float | None
    """Standard error of the mean; null where nothing tells it."""
    freedom: float
    tells_noise: bool

    def reading(self) -> Reading:
        """Back in the measure's unit, with its interval."""
        if self.error is None:
            return Reading(math.exp(self.mean))
        reach = student_limit(self.freedom) * self.error
        return Reading(math.exp(self.mean), math.exp(self.mean - reach), math.exp(self.mean + reach))


def _logs(measure: Measured, values: Sequence[tuple[float, Exactness | None]]) -> _Logs:
    """From `REPEATS` on the repeats tell their noise, if no less than each cell's own record does; else it is
    the noise between runs that was measured on published records, and that of each cell's record besides."""
    logs = [math.log(value) for value, _ in values]
    mean, count = sum(logs) / len(logs), len(logs)
    within = [(measure.within(exact) if exact else None) or 0.0 for _, exact in values]
    if count >= REPEATS:
        variance = sum((each - mean) ** 2 for each in logs) / (count - 1)
        variance = max(variance, sum(each**2 for each in within) / count)
        return _Logs(mean, math.sqrt(variance / count), count - 1, tells_noise=True)
    if measure.noise is None:
        return _Logs(mean, None, math.inf, tells_noise=False)
    variance = sum(measure.noise**2 + each**2 for each in within) / count**2
    return _Logs(mean, math.sqrt(variance), math.inf, tells_noise=False)


def _welch(before: _Logs, after: _Logs) -> tuple[float, float]:
    """Standard error of the difference, and Welch and Satterthwaite's degrees of freedom."""
    parts = [(each.error or 0.0) ** 2 for each in (before, after)]
    whole = sum(parts)
    if not whole:
        return 0.0, math.inf
    spent = sum(part**2 / side.freedom for part, side in zip(parts, (before, after), strict=True))
    return math.sqrt(whole), whole**2 / spent if spent else math.inf
