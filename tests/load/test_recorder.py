"""The counts and the histograms of one load process, and of several as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.merge import MAX_LAG_TICKS, TickMerger, merge_marks, merge_results
from statefall.load.messages import Mark, ProcessTick
from statefall.load.recorder import HIGHEST_US, HdrHistogram, Recorder, encoded, merged, new_histogram, total
from statefall.records.clock import Instant
from statefall.records.events import ServiceTimes
from statefall.records.verdicts import (
    Answers,
    LoadResult,
    RequestCounts,
    RequestFailure,
    SessionRecord,
    Verdict,
)

times_us = st.lists(st.integers(1, HIGHEST_US), max_size=60)


def recorder_of(times: list[int], phase: str = "baseline") -> Recorder:
    recorder = Recorder(phase=phase)
    for microseconds in times:
        recorder.completed(recorder.scheduled(), microseconds / 1e6)
    return recorder


def buckets(text: str) -> list[int]:
    histogram = HdrHistogram.decode(text)
    return [histogram.get_count_at_index(index) for index in range(histogram.counts_len)]


def balances(counts: RequestCounts) -> bool:
    return counts.scheduled == counts.completed + counts.failed + counts.dropped + counts.in_flight


def test_a_request_belongs_to_the_phase_in_which_it_was_due() -> None:
    recorder = Recorder(phase="baseline")
    phase = recorder.scheduled()
    recorder.phase = "fault"
    recorder.completed(phase, 0.001)
    assert recorder.by_phase() == {"baseline": RequestCounts(scheduled=1, completed=1)}
    assert list(recorder.histograms()) == ["baseline"]


def test_failed_requests_are_counted_apart_and_not_timed() -> None:
    recorder = Recorder()
    recorder.failed(recorder.scheduled(), 0.3, RequestFailure.RESET)
    assert recorder.by_phase()["warmup"] == RequestCounts(
        scheduled=1, failed=1, failed_by={RequestFailure.RESET: 1}
    )
    assert recorder.histograms() == {}


def test_failed_requests_are_counted_by_how_they_failed_and_add_up_over_processes() -> None:
    parts = []
    for kinds in (("502", "502", "timeout"), ("refused", "502")):
        recorder = Recorder()
        for kind in kinds:
            recorder.failed(recorder.scheduled(), 0.1, RequestFailure(kind))
        parts.append(recorder.by_phase()["warmup"])
    whole = RequestCounts.joined(parts)
    assert whole.failed_by == {
        RequestFailure.BAD_GATEWAY: 3,
        RequestFailure.TIMEOUT: 1,
        RequestFailure.REFUSED: 1,
    }
    assert whole.failed == sum(whole.failed_by.values()) == 5


@pytest.mark.parametrize(
    ("status", "kind"), [(502, "502"), (503, "503"), (504, "504"), (500, "5xx"), (507, "5xx")]
)
def test_an_answer_of_500_and_more_is_told_by_its_status(status: int, kind: str) -> None:
    assert RequestFailure.of_status(status) == kind


def test_a_time_beyond_the_histogram_is_kept_at_its_end() -> None:
    recorder = recorder_of([])
    recorder.completed(recorder.scheduled(), 1e6)
    recorder.completed(recorder.scheduled(), 0.0)
    histogram = HdrHistogram.decode(recorder.histograms()["baseline"])
    assert histogram.get_total_count() == 2


@given(
    moves=st.lists(st.sampled_from(["completed", "failed", "dropped", "open"]), max_size=50), ticks=st.data()
)
def test_the_books_balance_whatever_happens_and_ticks_add_up_to_them(
    moves: list[str], ticks: st.DataObject
) -> None:
    recorder, intervals = Recorder(), []
    for move in moves:
        phase = recorder.scheduled()
        if move == "completed":
            recorder.completed(phase, 0.001)
        elif move == "failed":
            recorder.failed(phase, 0.01, RequestFailure.TIMEOUT)
        elif move == "dropped":
            recorder.dropped(phase)
        if ticks.draw(st.booleans()):
            intervals.append(recorder.tick(1.0))
    intervals.append(recorder.tick(1.0))
    counts = total(recorder.by_phase())
    assert balances(counts)
    assert counts.in_flight == moves.count("open") == intervals[-1].in_flight
    for name in ("scheduled", "completed", "failed", "dropped"):
        assert sum(getattr(interval, name) for interval in intervals) == getattr(counts, name)


@given(first=times_us, second=times_us)
def test_the_histograms_of_two_workers_are_that_of_one_bucket_for_bucket(
    first: list[int], second: list[int]
) -> None:
    whole = new_histogram()
    for microseconds in (*first, *second):
        whole.record_value(microseconds)
    parts = [recorder_of(part).histograms().get("baseline") for part in (first, second)]
    joined = merged([part for part in parts if part is not None])
    assert buckets(joined) == buckets(encoded(whole))


def session(name: str, verdict: Verdict = Verdict.KEPT) -> SessionRecord:
    return SessionRecord(name, 1, 0.0, None, "pod-a", "b1", True, verdict, 3)


def result_of(times: list[int], name: str, **told: int) -> LoadResult:
    recorder = recorder_of(times)
    return LoadResult(
        requests=total(recorder.by_phase()),
        requests_by_phase=recorder.by_phase(),
        operations=len(times),
        sessions=(session(name),),
        told_lost={"pod-a/b1": dict(told)},
        histograms=recorder.histograms(),
        generator_faults=(),
        answers_by_phase=recorder.answers(),
    )


def test_the_longest_wait_counts_failures_and_the_degraded_are_counted() -> None:
    recorder = Recorder(phase="fault")
    recorder.completed(recorder.scheduled(), 0.2)
    recorder.completed(recorder.scheduled(), 0.1, degraded=True)
    recorder.failed(recorder.scheduled(), 0.7, RequestFailure.TIMEOUT)
    recorder.phase = "recovery"
    recorder.completed(recorder.scheduled(), 0.4)
    assert recorder.answers() == {"fault": Answers(1, 0.7), "recovery": Answers(0, 0.4)}


def test_results_are_merged_exactly() -> None:
    merged_result = merge_results(
        [result_of([100, 200], "0.1", session_lost=2), result_of([300], "1.1", session_lost=1, expired=4)],
        ["a worker was lost"],
    )
    assert merged_result.requests == RequestCounts(scheduled=3, completed=3)
    assert merged_result.requests_by_phase == {"baseline": RequestCounts(scheduled=3, completed=3)}
    assert merged_result.operations == 3
    assert [record.session for record in merged_result.sessions] == ["0.1", "1.1"]
    assert merged_result.told_lost == {"pod-a/b1": {"session_lost": 3, "expired": 4}}
    assert merged_result.generator_faults == ("a worker was lost",)
    assert merged_result.answers_by_phase == {"baseline": Answers(0, 0.0003)}
    one = recorder_of([100, 200, 300]).histograms()["baseline"]
    assert buckets(merged_result.histograms["baseline"]) == buckets(one)


def test_nothing_merges_to_empty_books() -> None:
    assert merge_results([], []).requests == RequestCounts.joined([]) == RequestCounts()


def test_marks_are_added_by_boot() -> None:
    marks = [Mark(3, {"a/1": 2, "b/1": 1}), Mark(1, {"a/1": 1})]
    assert merge_marks(marks) == Mark(4, {"a/1": 3, "b/1": 1})


def tick(number: int, times: list[int], *, live: int = 1, phase: str = "baseline") -> ProcessTick:
    interval = recorder_of(times, phase).tick(1.0)
    return ProcessTick(number, Instant(10.0 + number, 20.0 + number), live, 0, interval)


def test_the_tick_of_one_process_passes_straight_through() -> None:
    (event,) = TickMerger("c1", ["local"]).add("local", tick(1, [1_000, 3_000], live=5))
    assert (event.cell, event.at, event.phase) == ("c1", Instant(11.0, 21.0), "baseline")
    assert (event.scheduled, event.completed, event.live_sessions) == (2, 2, 5)
    assert event.service_ms == ServiceTimes(1.0, 3.001, 3.001, 3.001)


def test_a_tick_without_completed_requests_has_no_times() -> None:
    (event,) = TickMerger("c1", ["local"]).add("local", tick(1, []))
    assert event.service_ms == ServiceTimes()


def test_ticks_of_the_same_second_are_one_once_every_process_has_told() -> None:
    merger = TickMerger("c1", ["a", "b"])
    assert merger.add("a", tick(1, [1_000], live=2)) == []
    (event,) = merger.add("b", tick(1, [2_000, 3_000], live=3))
    assert (event.completed, event.live_sessions) == (3, 5)


def test_a_process_that_is_gone_is_not_waited_for() -> None:
    merger = TickMerger("c1", ["a", "b"])
    merger.add("a", tick(1, [1_000]))
    assert [event.completed for event in merger.drop("b")] == [1]
    assert len(merger.add("a", tick(2, [1_000]))) == 1


def test_a_process_that_lags_is_not_waited_for_forever() -> None:
    merger = TickMerger("c1", ["a", "b"])
    events = [event for n in range(1, MAX_LAG_TICKS + 2) for event in merger.add("a", tick(n, [1_000]))]
    assert len(events) == 1
    assert merger.add("b", tick(1, [1_000])) == []
    assert len(merger.flush()) == MAX_LAG_TICKS
