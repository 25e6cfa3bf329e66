"""Each fault is one entry, and what its traits say fits together."""

from __future__ import annotations

import pytest

from statefall.records.causes import Cause
from statefall.records.faults import Ends, FaultKind, Hits, Shows, Verb, traits_of


@pytest.mark.parametrize("kind", list(FaultKind))
def test_the_traits_of_a_fault_fit_together(kind: FaultKind) -> None:
    traits = kind.traits
    assert traits_of(kind.value) is traits
    ends_homes = traits.ends is not Ends.NOTHING
    assert (traits.cause is not None) == (ends_homes or traits.hits is Hits.STORE)
    assert traits.cause not in {Cause.REROUTED, Cause.EXPIRED, Cause.POD_CRASHED, Cause.UNEXPLAINED}
    if traits.lasts and ends_homes:
        assert traits.verb is Verb.SCALE_TO_ZERO, "what ended cannot be put back, but for their number"
    assert traits.takes_all == (traits.verb is Verb.SCALE_TO_ZERO)
    assert traits.shows is not Shows.UNREADY or traits.lasts
    assert not traits.forgets or traits.hits is Hits.STORE
    assert (traits.grows != 0) == (traits.verb is Verb.SCALE)
    assert traits.done
    assert traits.noun


def test_a_fault_that_this_version_does_not_know_has_no_traits() -> None:
    assert traits_of("earthquake") is None


def test_a_name_is_what_files_and_records_hold() -> None:
    assert [str(kind) for kind in FaultKind] == [kind.value for kind in FaultKind]
    assert f"{FaultKind.DELETE_NOW}" == "delete-now"
