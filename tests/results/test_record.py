"""The run folder: made once, appended safely, read back whole even when the end was torn off."""

import json
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from statefall.records.clock import Instant
from statefall.records.errors import InputError
from statefall.records.events import RunStarted
from statefall.results.record import EVENTS, RunRecorder, new_run_id, write_file
from statefall.results.run_head import RunHead
from statefall.results.stored import StoredRun, parse_events
from tests.results.simulation import default_plan, simulate

NOON = Instant(5.0, 1_780_000_000.0)


def tick(number: int) -> RunStarted:
    return RunStarted(at=Instant(float(number), 1e9), run="r", seed=number)


def seeds_in(folder: Path) -> list[int]:
    return [event.seed for event in StoredRun(folder).events() if isinstance(event, RunStarted)]


def test_a_run_id_sorts_by_time_and_two_of_one_second_differ() -> None:
    first = new_run_id("default", lambda: NOON, random.Random(1))
    second = new_run_id("default", lambda: NOON, random.Random(2))
    later = new_run_id("default", lambda: Instant(6.0, NOON.wall_s + 1), random.Random(1))
    assert first.startswith("20260528T202640Z-default-")
    assert first != second
    assert max(first, second) < later


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    run = simulate()
    stored = StoredRun(run.record(tmp_path))
    assert stored.head() == run.plan
    assert list(stored.events()) == run.events
    assert stored.loads() == run.loads


def test_an_event_is_on_disk_when_record_returns(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path, "r")
    recorder.record(tick(1))
    assert len(StoredRun(recorder.path).events()) == 1
    recorder.close()


def test_a_run_is_never_written_into_an_existing_one(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path, "r")
    recorder.record(tick(1))
    recorder.close()
    with pytest.raises(InputError, match="exists already"):
        RunRecorder.create(tmp_path, "r")
    assert len(StoredRun(tmp_path / "r").events()) == 1


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    with pytest.raises(InputError, match="--out") as refused:
        RunRecorder.create(in_the_way, "r")
    assert str(in_the_way) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_many_threads_leave_only_whole_lines(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path, "r")

    def write(thread: int) -> None:
        for number in range(300):
            recorder.record(tick(thread * 1000 + number))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    seeds = set(seeds_in(recorder.path))
    assert seeds == {thread * 1000 + number for thread in range(8) for number in range(300)}


@pytest.mark.parametrize("torn", ['{"kind":"ru', '{"kind": "run_started"', "{", "\x00\x00"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    recorder = RunRecorder.create(tmp_path, "r")
    recorder.record(tick(1))
    recorder.close()
    with (recorder.path / EVENTS).open("a") as file:
        file.write(torn)
    assert seeds_in(recorder.path) == [1]


@pytest.mark.parametrize("damaged", ["{]", "[1]", '{"kind": "tick"}', ""])
def test_a_damaged_line_before_the_last_is_named(damaged: str) -> None:
    good = '{"kind":"cell_ended","monotonic_s":1,"wall_s":1,"cell":"c1"}'
    with pytest.raises(InputError, match=r"events\.jsonl: line 2 is not an event"):
        parse_events(f"{good}\n{damaged}\n{good}\n", where="events.jsonl")


def test_no_events_are_no_events() -> None:
    assert parse_events("", where="x") == ()


def test_a_folder_without_a_run_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run\.json in it"):
        StoredRun(tmp_path).head()
    with pytest.raises(InputError, match=r"no summary\.json in it"):
        StoredRun(tmp_path).summary()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "x", "old")
    write_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_text() == "new"
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_file(tmp_path / "folder", "a folder is in the way")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x"]


def test_the_head_can_be_written_again_when_more_is_known(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path, "r")
    recorder.head(default_plan("r"))
    recorder.head(replace(default_plan("r"), fingerprint={"cores": "2"}))
    recorder.close()
    assert StoredRun(recorder.path).head().fingerprint == {"cores": "2"}


def test_a_run_in_which_nothing_ran_can_be_discarded(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path, "r")
    recorder.head(default_plan("r"))
    recorder.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["max_reloads", "patience"])
def test_a_head_is_read_with_the_name_that_reloads_had_before(name: str) -> None:
    cell = {"name": "c1", "service": "stateful", "state": "memory", "balancer": "plain", "replicas": 3}
    run = {"run": "r", "experiment": "e", "seed": 1, "cluster": "local", "started_at": "", "plan_sha256": ""}
    head = RunHead.from_json(json.dumps({**run, "cells": [{**cell, name: 4}]}))
    assert head.cells[0].max_reloads == 4
