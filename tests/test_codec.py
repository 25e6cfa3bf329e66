"""Records as JSON: the same form as ever on disk, strict about what is missing, open to what comes later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from statefall.codec import Codec, event_fields, event_line, read_event
from statefall.load.messages import REPORTED, ProcessTick, Report
from statefall.load.recorder import Recorder
from statefall.records.clock import Instant
from statefall.records.errors import InputError
from statefall.records.events import KINDS, Event, Home, Replica, RunStarted, SessionLost
from statefall.records.verdicts import LoadResult, RequestCounts, Verdict

PUBLISHED = Path(__file__).resolve().parents[1] / "results" / "published"
LOST = SessionLost(
    at=Instant(12.5, 1_780_000_012.5),
    cell="c1",
    session="4.1",
    shopper=4,
    user_id=104,
    verdict=Verdict.LOST,
    evidence="answered 401 session_lost, 2 times",
    phase="fault",
    home=Home("pod-a", "a1", 3.25),
    answered_by=(Replica("pod-b", "b1"),),
    acknowledged_version=7,
    seen_version=None,
)


def a_line_of_each_kind() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(PUBLISHED.glob("*/events.jsonl")):
        for line in file.read_text().splitlines():
            fields = json.loads(line)
            found.setdefault(fields["kind"], fields)
    return found


LINES = a_line_of_each_kind()


def test_an_event_is_a_flat_object() -> None:
    assert event_fields(LOST) == {
        "kind": "session_lost",
        "monotonic_s": 12.5,
        "wall_s": 1_780_000_012.5,
        "cell": "c1",
        "session": "4.1",
        "shopper": 4,
        "user_id": 104,
        "verdict": "lost",
        "evidence": "answered 401 session_lost, 2 times",
        "phase": "fault",
        "home": {"pod": "pod-a", "boot": "a1", "since_s": 3.25},
        "answered_by": [{"pod": "pod-b", "boot": "b1"}],
        "acknowledged_version": 7,
        "seen_version": None,
        "idle_s": None,
    }
    assert list(event_fields(LOST))[:4] == ["kind", "monotonic_s", "wall_s", "cell"]
    assert read_event(event_line(LOST)) == LOST


def test_no_published_kind_is_unknown() -> None:
    assert set(LINES) <= set(KINDS)
    assert len(LINES) >= 17


@pytest.mark.parametrize("kind", LINES)
def test_a_published_event_is_written_again_as_it_was(kind: str) -> None:
    event = read_event(json.dumps(LINES[kind]))
    assert event is not None
    came_later: dict[str, dict[str, Any]] = {
        "pod_metrics": {"counted": {}},
        "session_lost": {"idle_s": None},
        "tick": {"cpu_pressure": None},
    }
    later = came_later.get(kind, {})
    again = event_fields(event)
    for moment in ("monotonic_s", "wall_s"):
        assert again.pop(moment) == pytest.approx(LINES[kind][moment], abs=1e-6)
    assert again == later | {k: v for k, v in LINES[kind].items() if k not in ("monotonic_s", "wall_s")}


def test_fields_and_kinds_of_a_later_version_are_passed_over() -> None:
    assert read_event(event_line(LOST, later="more")) == LOST
    assert read_event('{"kind":"asteroid","size":3}') is None


@pytest.mark.parametrize("kind", ["tick", "session_lost", "fault_intent"])
def test_what_is_missing_is_named(kind: str) -> None:
    optional = {"count"}
    for name in LINES[kind].keys() - optional:
        with pytest.raises(ValueError, match=f"`{name}` is missing"):
            read_event(json.dumps({k: v for k, v in LINES[kind].items() if k != name}))


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "1e999", '"soon"', "null"])
@pytest.mark.parametrize("name", ["monotonic_s", "wall_s", "interval_s"])
def test_a_figure_that_is_none_does_not_get_in(name: str, figure: str) -> None:
    fields = {**LINES["tick"], name: "HERE"}
    with pytest.raises(ValueError, match=name):
        read_event(json.dumps(fields).replace('"HERE"', figure))


def test_a_figure_that_is_not_finite_does_not_get_out() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        event_line(RunStarted(at=Instant(float("nan"), 1.0), run="r", seed=1))


def test_another_clock_moves_moments_and_nothing_else() -> None:
    moved = LOST.shifted(100.0)
    assert (moved.at, moved.home) == (Instant(112.5, 1_780_000_012.5), Home("pod-a", "a1", 103.25))
    assert moved.shifted(-100.0) == LOST


def test_a_report_of_a_load_process_survives_the_way() -> None:
    tick = ProcessTick(3, Instant(1.0, 2.0), 4, 5, Recorder().tick(1.0))
    report = Report(events=(LOST,), tick=tick)
    assert REPORTED.decode(REPORTED.encode(report), where="here") == report


RESULT = Codec[LoadResult](LoadResult)
EMPTY = LoadResult(RequestCounts(), {}, 0, (), {}, {}, ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"operations": True}, "operations: unexpected bool True"),
        ({"operations": 1.5}, "operations: unexpected float 1.5"),
        ({"requests": {"scheduled": "1"}}, "requests.scheduled: unexpected str '1'"),
        ({"generator_faults": ["a", 2]}, r"generator_faults\[1\]: unexpected int 2"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(change: dict[str, Any], words: str) -> None:
    document = json.loads(RESULT.encode(EMPTY)) | change
    with pytest.raises(InputError, match=f"^c1.json: {words}"):
        RESULT.decode(json.dumps(document), where="c1.json")


@pytest.mark.parametrize("document", ["", "{", "[]", "null", "7", "{}"])
def test_other_text_is_refused_in_one_line(document: str) -> None:
    with pytest.raises(InputError, match=r"^c1\.json: ") as refused:
        RESULT.decode(document, where="c1.json")
    assert "\n" not in str(refused.value)


def test_all_kinds_have_a_name_of_their_own() -> None:
    kinds: set[type[Event]] = set(KINDS.values())
    assert len(kinds) == len(KINDS) == 19
