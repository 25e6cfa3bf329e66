"""Where the content lies that the tool brings along: services, experiments, manifests, published records.

In an installed package it is data under `statefall/_content`; in a checkout it stands beside the package.
Content is never imported by the tool: it is read, applied, or run in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def _content() -> Path:
    installed = _PACKAGE / "_content"
    return installed if installed.is_dir() else _PACKAGE.parent


CONTENT: Final = _content()
SERVICES: Final = CONTENT / "services"
EXPERIMENTS: Final = CONTENT / "chaos" / "experiments"
MANIFESTS: Final = CONTENT / "k8s"
FIRST: Final = CONTENT / "examples" / "first"
PUBLISHED: Final = CONTENT / "results" / "published"


_HERE: Final = "{content}/"


def is_content(file: str) -> bool:
    """Whether a path says `{content}`: it lies in what the tool brings along, wherever that is installed."""
    return file.startswith(_HERE)


def file_of(file: str) -> Path:
    """The path on this machine."""
    return CONTENT / file.removeprefix(_HERE) if is_content(file) else Path(file)


def with_content(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a Python process in which the content's packages can be imported, and those first.

    The folder that it runs in is left out of its path: a `services` of somebody else may lie there.
    """
    path = os.pathsep.join(part for part in (str(CONTENT), environment.get("PYTHONPATH", "")) if part)
    return {**environment, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
