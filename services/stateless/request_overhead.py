"""StatelessRequestOverhead: what a request pays for the service's having kept nothing.

Each request proves anew who sends it and fetches anew what a session would have at hand. Both
prices are measured where they are paid: waiting time as a histogram, and processor time apart, for a
token costs only the latter and a fetch mostly the former.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import Counter, Histogram

from services.metrics import Metrics

_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class Overhead(StrEnum):
    """What is paid for; the label `part` of the metrics."""

    TOKEN_VALIDATION = "token_validation"  # noqa: S105 - the name of a cost
    TOKEN_ISSUE = "token_issue"  # noqa: S105 - the name of a cost
    PREFERENCE_FETCH = "preference_fetch"
    RECOMPUTATION = "recomputation"


class StatelessRequestOverhead:
    """Measures parts of a request."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = Histogram(
            "statefall_overhead_seconds",
            "Time that a request spent on what a session would have had at hand.",
            ["part"],
            buckets=_BUCKETS,
            registry=metrics.registry,
        )
        self._cpu_seconds = Counter(
            "statefall_overhead_cpu_seconds",
            "Processor time of the same, of the request's own thread.",
            ["part"],
            registry=metrics.registry,
        )
        for part in Overhead:
            self._cpu_seconds.labels(part.value)

    @contextmanager
    def paying_for(self, part: Overhead) -> Iterator[None]:
        """Measure what is inside, whether it succeeds or not."""
        begin, cpu_begin = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._cpu_seconds.labels(part.value).inc(time.thread_time() - cpu_begin)
            self._seconds.labels(part.value).observe(time.perf_counter() - begin)
