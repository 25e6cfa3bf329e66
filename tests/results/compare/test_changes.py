"""What a comparison calls a change: nothing between runs of the same, and what was planted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from statefall.records.errors import RunInvalid
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import RequestCounts
from statefall.results.compare import text
from statefall.results.compare.changes import LEVEL, Comparison, Direction, compare
from statefall.results.model import Outcome, Prediction, SessionCounts
from statefall.results.run_head import CellPlan
from tests.results.compare.runs import plan, side, simulated, slower, with_cell
from tests.results.simulation import cell_plan, simulate

PAIRS = 20


def sticky(service: Service, number: int = 1, **more: object) -> CellPlan:
    name = f"c{number}-{service.value}-sticky"
    return cell_plan(name, service, Balancer.STICKY, repeat=number, gates=(), **more)


def repeated(count: int, **more: object) -> tuple[CellPlan, ...]:
    return tuple(sticky(Service.STATELESS, number, **more) for number in range(1, count + 1))


def named(comparison: Comparison) -> set[str]:
    return {finding.key for _, _, finding in comparison.regressions}


def test_runs_of_the_same_show_no_regression() -> None:
    head = plan(sticky(Service.STATEFUL), sticky(Service.STATELESS))
    pairs = [
        compare([simulated(head, 2 * seed, shoppers=24), simulated(head, 2 * seed + 1, shoppers=24)])
        for seed in range(PAIRS)
    ]
    assert all(pair.tests >= 6 for pair in pairs)
    clean = [pair for pair in pairs if not pair.regressions]
    assert len(clean) >= 19, [text.headline(pair) for pair in pairs]


def test_repeats_of_the_same_show_no_regression() -> None:
    head = plan(*repeated(3, think_time_s=3.0))
    pairs = [
        compare([simulated(head, 100 + seed, shoppers=12), simulated(head, 200 + seed, shoppers=12)])
        for seed in range(PAIRS)
    ]
    assert len([pair for pair in pairs if not pair.regressions]) >= 19


def test_a_slowdown_of_a_fifth_is_named() -> None:
    head = plan(*repeated(5))
    before, after = (simulate(head, seed=seed, shoppers=30) for seed in (1, 2))
    found = compare([side(before), side(slower(after, 1.2))])
    assert "p50" in named(found)
    (slow,) = [f for _, _, f in found.regressions if f.key == "p50"]
    assert slow.low is not None
    assert slow.high is not None
    assert 1.0 < slow.low < 1.3
    assert "median service time" in text.plain(found)


def test_a_loss_of_one_session_in_a_hundred_is_named() -> None:
    head = plan(*repeated(8, think_time_s=6.0))
    before = simulated(head, 1, shoppers=180)
    after = simulated(head, 2, shoppers=180, forget=0.01)
    found = compare([before, after])
    assert named(found) == {"lost"}
    ((_, cell, finding),) = found.regressions
    assert finding.before.trials == 1440
    assert cell.repeats == (8, 8)
    assert finding.low is not None
    assert 0.0 < finding.low < 0.01
    assert compare([after, before]).regressions == ()
    assert [f.key for _, _, f in compare([after, before]).with_change(Direction.BETTER)] == ["lost"]


@pytest.fixture(scope="module")
def few() -> Comparison:
    head = plan(sticky(Service.STATEFUL), sticky(Service.STATELESS))
    return compare([simulated(head, 1, shoppers=12), simulated(head, 2, shoppers=12)])


@pytest.mark.parametrize("verdict", [Outcome.INVALID, Outcome.INCONCLUSIVE])
def test_an_unsound_cell_is_not_compared_and_says_why(few: Comparison, verdict: Outcome) -> None:
    pair = few.pairs[0]
    reason = {"invalid_because": ("the load was lost",)} if verdict is Outcome.INVALID else {}
    found = compare([pair.before, with_cell(pair.after, 0, verdict=verdict, **reason)])
    ((_, cell),) = found.refused
    assert cell.refused.startswith(f"after: {verdict.value}: ")
    assert cell.findings == ()
    assert f"not compared: {cell.title}: {cell.refused}" in text.plain(found)


def test_a_cell_that_ran_on_one_side_only_is_not_compared(few: Comparison) -> None:
    pair = few.pairs[0]
    alone = replace(pair.after, summary=replace(pair.after.summary, cells=pair.after.summary.cells[:1]))
    assert [cell.refused for _, cell in compare([pair.before, alone]).refused] == ["after: it did not run"]
    empty = replace(pair.after, summary=replace(pair.after.summary, cells=()))
    with pytest.raises(RunInvalid, match="nothing to compare"):
        compare([empty, empty])


def test_a_single_run_does_not_tell_the_noise_of_a_recovery(few: Comparison) -> None:
    changes = {f.key: f.change for cell in few.pairs[0].cells for f in cell.findings}
    assert changes["recovery"] is Direction.NOISE_UNKNOWN
    assert changes["lost"] is Direction.INDISTINGUISHABLE


def test_what_a_design_leaves_open_is_no_regression(few: Comparison) -> None:
    """Two laws bound the losses of sessions in memory behind plain balancing: 8 to 55 of 55 are all fine."""
    pair = few.pairs[0]
    open_law = {"predicted_lost": Prediction(8, 42.0, 55)}
    before, after = (
        with_cell(s, 0, sessions=SessionCounts(at_fault=55, lost=lost, kept=55 - lost), **open_law)
        for s, lost in ((pair.before, 39), (pair.after, 55))
    )
    assert compare([before, after]).regressions == ()
    beyond = with_cell(before, 0, sessions=SessionCounts(at_fault=55, lost=0, kept=55), **open_law)
    assert named(compare([beyond, after])) == {"lost"}


def test_failed_requests_count_by_the_clump(few: Comparison) -> None:
    pair = few.pairs[0]

    def failing(number: int) -> Comparison:
        requests = RequestCounts(scheduled=3000, completed=3000 - number, failed=number)
        none = RequestCounts(scheduled=3000, completed=3000)
        return compare(
            [with_cell(pair.before, 0, requests=none), with_cell(pair.after, 0, requests=requests)]
        )

    assert named(failing(24)) == set()
    assert named(failing(300)) == {"failed"}


def test_an_address_shared_by_all_is_one_trial(few: Comparison) -> None:
    pair = few.pairs[0]
    before, after = (
        with_cell(
            s,
            0,
            balancer=Balancer.CLIENT_IP,
            sessions=SessionCounts(at_fault=90, lost=lost, kept=90 - lost),
        )
        for s, lost in ((pair.before, 0), (pair.after, 90))
    )
    assert compare([before, after]).regressions == ()


def test_every_later_run_is_held_against_the_first_in_one_family(few: Comparison) -> None:
    pair = few.pairs[0]
    three = compare([pair.before, pair.after, pair.after])
    assert len(three.pairs) == 2
    assert three.tests == 2 * few.tests
    assert f"below {LEVEL:.0%}" in text.rule(three)
