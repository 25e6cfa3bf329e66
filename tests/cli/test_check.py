"""`statefall check`: the verdicts of a history without its run, and one line for what is no history."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statefall.cli.main import invoke
from statefall.ledger.history.reading import HISTORY, PACKED
from statefall.ledger.history.values import Opaque, pack, step, stepped, unpack
from statefall.results.record import LARGE_BYTES, RunRecorder
from tests.corpus import defects
from tests.corpus.world import lived_through

Lines = list[str]


@pytest.fixture(scope="module")
def lines() -> tuple[str, ...]:
    return lived_through(defects.drops_an_add, 1).history


def written(folder: Path, lines: Lines) -> Path:
    file = folder / HISTORY
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def place(lines: Lines, word: str) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(f'{{"{word}"'))


def test_a_runs_folder_is_judged_and_handed_to_another_checker(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, list(lines))
    export = tmp_path / "operations.jsonl"
    assert invoke(["check", str(tmp_path), "--export", str(export)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "every verdict is that of the run"
    objects = [json.loads(line) for line in export.read_text().splitlines()]
    assert {(each["promise"], each["model"]) for each in objects} == {
        ("cart", "counter"), ("title", "register"), ("settings", "register"),
    }  # fmt: skip
    made = [operation["f"] for each in objects for operation in each["operations"]]
    assert made.count("read") > made.count("add") > 0
    assert all(each["call"] < each["return"] for one in objects for each in one["operations"])


def test_a_verdict_that_is_not_that_of_the_run_is_named(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    told = [line.replace('"rolled_back"', '"kept"') for line in lines]
    assert invoke(["check", str(written(tmp_path, told))]) == 3
    out = capsys.readouterr().out
    assert "corpus, session 0.1: rolled back here, kept in the run (cart: " in out


def test_an_answer_that_was_changed_afterwards_is_another_verdict(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    at = next(at for at, line in enumerate(lines) if '"me","seen"' in line)
    changed = json.loads(lines[at]) | {"seen": "somebody else"}
    told = [*lines[:at], json.dumps(changed), *lines[at + 1 :]]
    assert invoke(["check", str(written(tmp_path, told))]) == 3
    assert "foreign here" in capsys.readouterr().out


def test_a_record_beside_it_that_says_otherwise_is_named(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, list(lines))
    result = lived_through(defects.healthy, 1).result
    with_record = RunRecorder.create(tmp_path, "run")
    with_record.load_result("corpus", result)
    with_record.history(lines)
    with_record.close()
    assert invoke(["check", str(tmp_path / "run")]) == 3
    assert "rolled back here, kept in the record" in capsys.readouterr().out


def test_a_history_that_was_cut_off_is_compared_with_nothing(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, list(lines[: len(lines) // 2]))
    file.write_text(file.read_text() + '{"ask":1,"s":')
    assert invoke(["check", str(file)]) == 5
    assert "not compared" in capsys.readouterr().out


def without(word: str) -> Callable[[Lines], Lines]:
    def changed(lines: Lines) -> Lines:
        at = place(lines, word)
        return [*lines[:at], *lines[at + 1 :]]

    return changed


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: [], "no history is in it"),
        (lambda lines: ["garbage", *lines], "line 1: it is no JSON"),
        (lambda lines: [*lines[:5], "[" * 100_000, *lines[5:]], "line 6: it is no JSON"),
        (lambda lines: ['{"kind":"run_started"}', *lines], "line 1: it is no line of a history"),
        (lambda lines: [lines[0].replace('"history":1', '"history":9')], "version 9"),
        (without("shows"), "are here"),
        (without("begin"), "nothing is known of"),
        (without("session"), ""),
        (lambda lines: [*lines, *lines], "has begun already"),
        (lambda lines: [*lines[:9], '{"ask":1}', *lines[9:]], "nothing is known of 's'"),
        (lambda lines: [*lines[:9], '{"sing":1,"s":"0/1"}', *lines[9:]], "nothing is said with 'sing'"),
        (lambda lines: [*lines, json.dumps({"mark": "nobody"})], "nothing is known of 'nobody'"),
    ],
)
def test_what_is_damaged_or_foreign_is_one_line_and_exit_code_2(
    tmp_path: Path,
    lines: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Lines], Lines],
    what: str,
) -> None:
    assert invoke(["check", str(written(tmp_path, change(list(lines))))]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(tmp_path / HISTORY) in line
    assert what in line


def test_any_damage_is_told_in_one_line(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(7)
    for _ in range(25):
        told = list(lines)
        fields: dict[str, Any] = json.loads(told[at := source.randrange(len(told))])
        key = source.choice(list(fields))
        fields[key] = source.choice([None, -1, "x", [], {}, {"$tuple": 3}, [[]], 1e300, True])
        told[at] = json.dumps(fields)
        assert invoke(["check", str(written(tmp_path, told))]) in (0, 2, 3), told[at]
        assert len(capsys.readouterr().err.splitlines()) <= 1


def test_there_is_nothing_to_check_where_nothing_was_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["check", str(tmp_path)]) == 2
    assert invoke(["check", str(tmp_path / "nowhere.jsonl")]) == 2
    broken = tmp_path / PACKED
    broken.write_bytes(gzip.compress(b'{"history":1}\n' * 100)[:-9])
    assert invoke(["check", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_large_history_is_compressed_when_the_run_ends(
    tmp_path: Path, lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = RunRecorder.create(tmp_path, "large")
    recorder.history(lines)
    assert (recorder.path / HISTORY).read_text().splitlines() == list(lines), "on disk at once"
    recorder.close()
    assert not (recorder.path / PACKED).exists()
    larger = RunRecorder.create(tmp_path, "larger")
    spread = "x" * (LARGE_BYTES // len(lines) + 1)
    larger.history([json.dumps({**json.loads(line), "note": spread}) for line in lines])
    larger.close()
    assert [path.name for path in larger.path.iterdir() if "history" in path.name] == [PACKED]
    assert invoke(["check", str(larger.path)]) == 0
    assert "every verdict is that of the run" in capsys.readouterr().out


@pytest.mark.parametrize(
    "value",
    [None, True, 1, -2.5, "a", [], [1, [2]], (1, ("x",)), {"a": {"b": 1}}, {None: 3}, {("a", 1): 2},
     {"$x": 1}, {}, float("inf"), Opaque("<thing>")],
)  # fmt: skip
def test_values_come_back_as_they_were(value: object) -> None:
    assert unpack(json.loads(json.dumps(pack(value)))) == value


@pytest.mark.parametrize(
    ("before", "now"),
    [({"a": 1, "b": 2}, {"a": 1, "c": 3}), ({"a": 1}, {}), ([1, 2, 3], [2, 3, 4]), ([1, 2], []), ([], [1]),
     ([1, 2, 3], [1, 3]), (None, {"a": 1}), ("x", "y"), ({"a": 1}, {"a": 1}), ([1, 1, 2], [1, 2])],
)  # fmt: skip
def test_what_is_shown_comes_back_from_what_was_shown_before(before: object, now: object) -> None:
    given = step(pack(before), pack(now))
    assert stepped(pack(before), json.loads(json.dumps(given))) == pack(now)
