"""The plan: the seed decides everything, and only the seed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from statefall.conductor.plan import USERS, derive, make_plan
from statefall.conductor.reading import find, read

DEFAULT = read(find("default"))


def test_equal_seeds_give_equal_plans_byte_for_byte() -> None:
    assert make_plan(DEFAULT, seed=7, repeats=2).to_json() == make_plan(DEFAULT, seed=7, repeats=2).to_json()


def test_another_process_with_another_hash_seed_draws_the_same_plan() -> None:
    code = (
        "from statefall.conductor.plan import make_plan; from statefall.conductor.reading import find, read;"
        "print(make_plan(read(find('default')), seed=7, repeats=1).sha256())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {make_plan(DEFAULT, seed=7, repeats=1).sha256() + "\n"}


def test_another_seed_gives_another_plan() -> None:
    one, other = make_plan(DEFAULT, seed=1, repeats=1), make_plan(DEFAULT, seed=2, repeats=1)
    assert one.cells[0].shoppers != other.cells[0].shoppers
    assert len({make_plan(DEFAULT, seed=s, repeats=1).sha256() for s in range(20)}) == 20


def test_seeds_move_the_order_of_the_cells_and_the_victims() -> None:
    plans = [make_plan(DEFAULT, seed=seed, repeats=1) for seed in range(30)]
    assert len({tuple((c.service, c.balancer) for c in plan.cells) for plan in plans}) > 5
    assert {plan.cells[0].faults[0].ordinals for plan in plans} == {(0,), (1,), (2,)}


def test_variants_of_a_cell_have_the_same_shoppers_and_differ_in_nothing_but_their_settings() -> None:
    cells = make_plan(read(find("recomputation")), seed=3, repeats=1).cells
    assert len(cells) == 6
    assert len({cell.name for cell in cells}) == 6
    for state in ("client", "memory"):
        group = [cell for cell in cells if cell.state == state]
        assert {cell.variant for cell in group} == {"kept", "recomputed", "recomputed-4x"}
        assert len({cell.shoppers for cell in group}) == 1


def test_the_matrix_may_take_some_of_the_variants() -> None:
    some = read(find("recomputation"), overrides=["matrix.variant=[kept]"])
    assert {cell.variant for cell in make_plan(some, seed=3, repeats=1).cells} == {"kept"}


def test_every_repeat_is_a_block_with_every_cell_once() -> None:
    cells = make_plan(DEFAULT, seed=3, repeats=4).cells
    assert len(cells) == 16
    assert len({cell.name for cell in cells}) == 16
    for repeat in range(1, 5):
        block = [(c.service, c.state, c.balancer) for c in cells if c.repeat == repeat]
        assert Counter(block).most_common(1)[0][1] == 1
        assert len(block) == 4


def test_a_cell_does_not_depend_on_the_cells_beside_it() -> None:
    alone = read(find("default"), ["matrix.service=[stateful]", "matrix.balancer=[sticky]"])
    single = make_plan(alone, seed=5, repeats=1).cells[0]
    among = next(
        c
        for c in make_plan(DEFAULT, seed=5, repeats=1).cells
        if (c.service, c.balancer) == ("stateful", "sticky")
    )
    assert (single.seed, single.shoppers, single.faults) == (among.seed, among.shoppers, among.faults)


def test_shoppers_are_distinct_users_who_arrive_in_the_window() -> None:
    for cell in make_plan(DEFAULT, seed=11, repeats=1).cells:
        assert len({shopper.user_id for shopper in cell.shoppers}) == DEFAULT.load.shoppers
        assert all(1 <= shopper.user_id <= USERS for shopper in cell.shoppers)
        arrivals = [shopper.arrival_s for shopper in cell.shoppers]
        assert arrivals == sorted(arrivals)
        assert 0 <= arrivals[0] <= arrivals[-1] <= DEFAULT.load.arrivals_s


@pytest.mark.parametrize("label", ["a", "order/1", ""])
def test_derived_seeds_are_stable_and_distinct(label: str) -> None:
    assert derive(1, label) == derive(1, label)
    assert derive(1, label) != derive(2, label)
    assert 0 <= derive(1, label) < 2**63


def test_the_derivation_is_what_it_was() -> None:
    # A published plan must be drawn again from its seed: this number must never change.
    assert derive(1, "order/1") == 4959920001976601321
