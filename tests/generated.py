"""How many examples a test that generates them tries."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = 100
"""Examples of a test that names no number, in the profile `thorough` (`tests/conftest.py`)."""
FEWEST = 10


def examples(number: int) -> int:
    """All of them with `--hypothesis-profile thorough`, a share of them as a rule."""
    profile = settings.default
    assert profile is not None
    return min(number, max(FEWEST, number * profile.max_examples // THOROUGH))
