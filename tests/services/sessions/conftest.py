"""Replicas of a design, ended after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from services.settings import SessionDesign
from tests.services.backing import Valkey
from tests.services.sessions.designs import EVERY, SHARED, Household, household


class MakeHousehold(Protocol):
    """Replicas of a design; settings can be changed by name."""

    def __call__(self, design: SessionDesign, **changes: object) -> Household: ...


@pytest.fixture
def make_household(valkey: Valkey) -> Iterator[MakeHousehold]:
    with ExitStack() as houses:

        def make(design: SessionDesign, **changes: object) -> Household:
            return houses.enter_context(household(design, valkey.url, **changes))

        yield make


@pytest.fixture(params=EVERY)
def design(request: pytest.FixtureRequest) -> SessionDesign:
    """Runs a test once for each design."""
    return SessionDesign(request.param)


@pytest.fixture(params=SHARED)
def shared_design(request: pytest.FixtureRequest) -> SessionDesign:
    """Runs a test once for each design in which any replica finds any session."""
    return SessionDesign(request.param)
