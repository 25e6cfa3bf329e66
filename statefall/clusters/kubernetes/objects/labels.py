"""The labels that objects carry: whose they are, what they are part of, which run made them."""

from __future__ import annotations

import re
from typing import Final

PART_OF: Final = "app.kubernetes.io/part-of"
OURS: Final = f"{PART_OF}=statefall"
"""Selects what is Statefall's: by hand, by this run or by another."""
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = "app.kubernetes.io/component"
REPLICA: Final = "replica"
"""The component that is under test; the others serve it, or load it."""
RUN_LABEL: Final = "statefall/run"
DEPLOYMENT_LABEL: Final = "statefall/deployment"
_LIMIT: Final = 63


def label_value(text: str) -> str:
    """The text as a label value: letters, digits, `-`, `_`, `.`, at most 63, alphanumeric at both ends."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[-_LIMIT:].strip("-_.") or "run"
