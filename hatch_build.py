"""Puts the content into the wheel as data, where `statefall.content` finds it."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTENT = ("services", "loadtests", "chaos", "examples", "k8s", "results/published")


class ContentHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install reads the content in the checkout and copies none of it."""
        if version == "standard":
            build_data["force_include"].update({name: f"statefall/_content/{name}" for name in CONTENT})
