"""No kind accuses an honest service: tabs, answers lost on either way, late writes, refusals."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.generated import examples
from tests.ledger.kinds.reference import KINDS, Kind, Service


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.5]),
    refusals=st.sampled_from([0.0, 0.2]),
    tabs=st.sampled_from([1, 2, 4]),
    steps=st.integers(1, 120),
)
def test_an_honest_service_is_never_accused(
    kind: Kind, seed: int, loss: float, refusals: float, tabs: int, steps: int
) -> None:
    service = Service(kind, seed, loss=loss, refusals=refusals, tabs=tabs)
    service.run(steps)
    service.found += service.read()
    assert service.found == []
