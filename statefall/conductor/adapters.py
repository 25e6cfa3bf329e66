"""Services under test that other packages bring along: an entry point each, which gives a service file."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from statefall.records.errors import EnvironmentUnfit, InputError

ENTRY_POINTS: Final = "statefall.services"
"""The group: a name, and the path of a service file, or a function without arguments that returns one."""


def file_of(given: str, folder: Path) -> Path:
    """The service file that an experiment in this folder names: a path, or the name of an adapter.

    Raises InputError where neither is there, EnvironmentUnfit for an adapter that cannot be used.
    """
    path = folder / given
    if path.is_file():
        return path
    found = _adapted(given)
    if found is None:
        raise InputError(
            f"{given!r} is neither a service file nor a service that an installed package brings along",
            where="service",
            hint=", ".join(names()) or f"looked for {path}",
        )
    return found


def names() -> list[str]:
    """The services that installed packages bring along."""
    return sorted(point.name for point in entry_points(group=ENTRY_POINTS))


def _adapted(name: str) -> Path | None:
    for point in entry_points(group=ENTRY_POINTS, name=name):
        where = f"entry point {ENTRY_POINTS}: {point.name} = {point.value}"
        try:
            offered = point.load()
            file = Path(os.fspath(offered() if callable(offered) else offered))
        except Exception as error:
            raise EnvironmentUnfit(f"cannot be loaded: {error}", where=where) from error
        if not file.is_file():
            raise EnvironmentUnfit(f"there is no file {file}", where=where)
        return file
    return None
