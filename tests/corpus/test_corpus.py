"""Every planted defect is named for what it is, with its evidence, on any seed; nothing else is accused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from statefall.ledger.history.export import operations
from statefall.ledger.history.replay import judge
from statefall.ledger.session import SEVERITY
from statefall.records.verdicts import Verdict
from tests.corpus import defects
from tests.corpus.defects import CORPUS
from tests.corpus.world import Defect, Ended, lived_through

ROOT = Path(__file__).parents[2]
CHECKER = Path(__file__).with_name("porcupine")
FEW, MANY = 1, 10
"""Seeds on which each defect is tried; many with `--hypothesis-profile thorough`."""


@pytest.fixture(scope="module")
def seeds(pytestconfig: pytest.Config) -> range:
    thorough = pytestconfig.getoption("--hypothesis-profile") == "thorough"
    return range(MANY if thorough else FEW)


def worst_of(ended: Ended) -> dict[str, Verdict]:
    """The worst that was found of each session."""
    worst: dict[str, Verdict] = {}
    for found in ended.findings:
        worst[found.session] = max(worst.get(found.session, found.verdict), found.verdict, key=SEVERITY.index)
    return worst


@pytest.mark.parametrize("defect", CORPUS, ids=[defect.__name__ for defect in CORPUS])
def test_a_planted_defect_is_named(defect: Defect, seeds: range) -> None:
    row = CORPUS[defect]
    for seed in seeds:
        ended = lived_through(defect, seed)
        named = worst_of(ended)
        assert ended.shop.struck
        assert set(named.values()) == ({row.verdict} - {Verdict.KEPT})
        assert named.keys() <= ended.shop.hit, "nobody else is accused"
        assert row.some or named.keys() == ended.shop.hit
        told = [found.evidence for found in ended.findings if found.verdict is row.verdict]
        assert [evidence for evidence in told if row.evidence not in evidence] == []
        if row.verdict is Verdict.KEPT:
            assert {record.verdict for record in ended.result.sessions} == {Verdict.KEPT}
        refused = sum(answers.refused for answers in ended.result.answers_by_phase.values())
        assert bool(refused) == row.refused
        assert ended.result.generator_faults == ()
        assert_judged_alike(ended)


def assert_judged_alike(ended: Ended) -> None:
    """The history comes to the same verdicts and the same evidence."""
    judged = judge(map(json.loads, ended.history), "history")
    assert judged.whole
    assert {each.session: each.verdict for each in judged.sessions} == {
        record.session: record.verdict for record in ended.result.sessions
    }
    again = [found for each in judged.sessions for found in each.findings]
    assert sorted((found.session, found.evidence) for found in again) == sorted(
        (found.session, found.evidence) for found in ended.findings
    )


def test_a_defect_that_nobody_planted_is_not_in_the_table() -> None:
    here = defects.__name__
    written = {name for name, value in vars(defects).items() if getattr(value, "__module__", "") == here}
    planted = {defect.__name__ for defect in CORPUS}
    assert written - planted == {"Row", "must"}
    assert len(planted) >= 40


def test_the_documentation_has_the_table() -> None:
    page = (ROOT / "docs" / "trust.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", page, re.MULTILINE))
    assert told == {
        defect.__name__: row.verdict.value.replace("_", " ") + (" refused" if row.refused else "")
        for defect, row in CORPUS.items()
    }


CHECKED_BY_ANOTHER = (
    defects.healthy, defects.cut_after, defects.unknown_writes_on_one_key, defects.slow_client_gave_up,
    defects.drops_an_add, defects.adds_twice, defects.stale_cart, defects.swapped_writes,
    defects.anothers_cart, defects.restored_from_a_backup, defects.settings_reset,
)  # fmt: skip


def test_another_checker_finds_the_same_by_the_rules_of_linearisability(tmp_path: Path) -> None:
    checker, found = porcupine(tmp_path), 0
    for defect in CHECKED_BY_ANOTHER:
        ended = lived_through(defect, 5)
        lines = [json.loads(line) for line in ended.history]
        asked = "".join(f"{json.dumps(each)}\n" for each in operations(lines))
        done = subprocess.run([checker], input=asked, capture_output=True, text=True, timeout=60, check=True)
        answers = [line.split("\t") for line in done.stdout.splitlines()]
        assert {answer for *_, answer in answers} <= {"Ok", "Illegal"}
        illegal = {session for session, *_, answer in answers if answer == "Illegal"}
        assert illegal == worst_of(ended).keys(), defect.__name__
        found += len(illegal)
    assert found > len(CHECKED_BY_ANOTHER)


def porcupine(folder: Path) -> Path:
    """The checker, built; skips where Go or its module is not to be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go on this machine")
    source = folder / "porcupine"
    shutil.copytree(CHECKER, source)
    command = [go, "build", "-o", "checker", "."]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=240, check=False)
    if built.returncode and "main.go" not in built.stderr:
        pytest.skip(f"the module of the checker is not to be had: {built.stderr.strip()[:200]}")
    assert built.returncode == 0, built.stderr
    return source / "checker"
