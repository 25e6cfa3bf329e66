"""Latency from encoded HdrHistograms: figures for the summary, and the log file of the run."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram as _HdrHistogram

from statefall.records.errors import InputError
from statefall.results.model import Latency

DAMAGED = (
    TypeError,
    ValueError,
    zlib.error,
    HdrCookieException,
    HdrLengthException,
    HdrHistogramSettingsException,
)

HdrHistogram: Any = _HdrHistogram
"""The package carries no types."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One histogram of the log: whose it is and which seconds (since the start of the run) it covers."""

    tag: str
    start_s: float
    length_s: float
    encoded: str


def decode(encoded: str, *, where: str) -> Any:
    """The histogram of microseconds. Raises InputError naming `where` when it is damaged."""
    try:
        return HdrHistogram.decode(encoded.encode())
    except DAMAGED as error:
        raise InputError(
            f"a histogram cannot be read: {error}", where=where, hint="the file is damaged"
        ) from error


def count(encoded: str, *, where: str) -> int:
    """How many values it holds."""
    return int(decode(encoded, where=where).get_total_count())


def figures(encoded: str, *, where: str) -> Latency | None:
    """Percentiles in milliseconds; None when it holds nothing."""
    histogram = decode(encoded, where=where)
    if not histogram.get_total_count():
        return None
    values = histogram.get_percentile_to_value_dict([50.0, 90.0, 99.0])
    p50, p90, p99 = (round(values[p] / 1000.0, 3) for p in (50.0, 90.0, 99.0))
    return Latency(p50, p90, p99, round(histogram.get_max_value() / 1000.0, 3))


def log_text(started_s: float, intervals: Iterable[Interval]) -> str:
    """The text of `latency.hlog`, format 1.3 (tags) of the HdrHistogram log writers.

    `started_s` is Unix time. The interval's maximum is written in milliseconds, as those writers do.
    """
    out = io.StringIO()
    when = datetime.fromtimestamp(started_s, UTC).isoformat()
    out.write("#[Service time in microseconds; a tag is <cell>/<phase>]\n")
    out.write("#[Histogram log format version 1.3]\n")
    out.write(f"#[StartTime: {started_s:.3f} (seconds since epoch), {when}]\n")
    out.write(f"#[BaseTime: {started_s:.3f} (seconds since epoch)]\n")
    out.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')
    for interval in intervals:
        maximum_ms = decode(interval.encoded, where=interval.tag).get_max_value() / 1000.0
        out.write(
            f"Tag={interval.tag},{interval.start_s:.3f},{interval.length_s:.3f},{maximum_ms:.3f},{interval.encoded}\n"
        )
    return out.getvalue()
