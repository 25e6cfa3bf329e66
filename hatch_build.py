"""Puts the content into the wheel as data, where `statefall.content` finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTENT = ("services", "loadtests", "chaos", "examples", "k8s", "results/published")
# Helm takes the chart from a checkout: it links to the files beside it, and a wheel has no links.
LEFT_OUT = {"k8s/chart"}


class ContentHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install reads the content in the checkout and copies none of it."""
        if version == "standard":
            names = [name for content in CONTENT for name in _parts(Path(self.root), content)]
            build_data["force_include"].update({name: f"statefall/_content/{name}" for name in names})


def _parts(root: Path, content: str) -> list[str]:
    """The folder itself, or what lies in it where some of that is left out."""
    if not any(Path(name).parent == Path(content) for name in LEFT_OUT):
        return [content]
    found = {str(path.relative_to(root)) for path in (root / content).iterdir()}
    return sorted(found - LEFT_OUT)
