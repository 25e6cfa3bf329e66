"""How many generated examples tests try, which files of tests begin first, and which keep off each other."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("thorough", max_examples=100, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None)
settings.load_profile("quick")
"""`--hypothesis-profile thorough` tries four times as many; see `tests/generated.py`."""

LONG = (
    "tests/load/test_process.py",
    "tests/loadtests/test_with_twins.py",
    "tests/loadtests/test_live.py",
    "tests/clusters/local/",
    "tests/main_job/",
    "tests/services/sessions/",
    "tests/services/",
    *(f"tests/kubernetes/test_{name}.py" for name in ("attached", "recovery", "conductor", "drain", "load")),
    "tests/shipped/test_documented.py",
    "tests/kubernetes/",
)
"""Files whose tests start processes, in this order: a process that takes one of them up last would be the
only one at work in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    places = (place for place, path in enumerate(LONG) if item.nodeid.startswith(path))
    return next(places, len(LONG))


@pytest.fixture
def whole_cluster() -> Iterator[None]:
    """For a test that reaches beyond its namespace (cordons a node, recovers what lies anywhere).

    Of the processes that run side by side on a Kubernetes cluster, one at a time.
    """
    with (Path(tempfile.gettempdir()) / "statefall-tests-whole-cluster").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
