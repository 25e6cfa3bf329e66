"""Latencies: exact figures from encoded histograms, and a log that the format's own reader reads."""

from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram as _HdrHistogram
from hdrh.log import HistogramLogReader as _HistogramLogReader

from statefall.records.errors import InputError
from statefall.results.conclude import conclude
from statefall.results.latency import Interval, count, figures, log_text
from statefall.results.record import HISTOGRAMS
from tests.results.simulation import simulate

HdrHistogram: Any = _HdrHistogram
HistogramLogReader: Any = _HistogramLogReader


def encoded(*values_us: int) -> str:
    histogram = HdrHistogram(1, 60_000_000, 3)
    for value in values_us:
        histogram.record_value(value)
    text: bytes = histogram.encode()
    return text.decode()


def test_percentiles_are_milliseconds_within_the_histogram_s_precision() -> None:
    found = figures(encoded(*range(1000, 101_000, 1000)), where="x")
    assert found is not None
    assert (found.p50, found.p90, found.p99, found.max) == pytest.approx((50, 90, 99, 100), rel=0.002)


def test_nothing_completed_has_no_latency() -> None:
    assert figures(encoded(), where="x") is None


def test_values_are_counted() -> None:
    assert count(encoded(1, 2, 3), where="x") == 3


@pytest.mark.parametrize("damaged", ["", "HISTF", "no histogram", encoded(5)[:-9], "====", "HISTFAAA"])
def test_a_damaged_histogram_is_named(damaged: str) -> None:
    with pytest.raises(InputError, match="c1/fault"):
        figures(damaged, where="c1/fault")


def test_the_log_is_read_by_the_format_s_own_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.hlog"
    intervals = [
        Interval("c1/warmup", 0.0, 8.0, encoded(1000)),
        Interval("c1/fault", 8.0, 5.0, encoded(2, 3)),
    ]
    path.write_text(log_text(1_780_000_000.0, intervals))
    found = read(path)
    assert [(h.get_tag(), h.get_total_count()) for h in found] == [("c1/warmup", 1), ("c1/fault", 2)]
    assert found[1].get_start_time_stamp() == pytest.approx((1_780_000_000.0 + 8.0) * 1000)


def test_a_run_s_log_holds_every_completed_request_by_cell_and_phase(tmp_path: Path) -> None:
    run = simulate()
    folder = run.record(tmp_path)
    conclude(folder)
    found = {h.get_tag(): h.get_total_count() for h in read(folder / HISTOGRAMS)}
    expected = {
        f"{cell}/{phase}": counts.completed
        for cell, load in run.loads.items()
        for phase, counts in load.requests_by_phase.items()
    }
    assert found == expected


def read(path: Path) -> list[Any]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, 60_000_000, 3))
    found = []
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            found.append(histogram)
    finally:
        reader.input_file.close()
    return found
