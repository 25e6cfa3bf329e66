"""Finds experiments, shipped and the user's own, and reads them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from foundation.errors import InputError
from statefall.documents import read_document
from statefall.experiment import Experiment

SHIPPED = Path(__file__).resolve().parent.parent / "experiments"


def shipped() -> list[Path]:
    """The experiments that come with Statefall."""
    return sorted(SHIPPED.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of an experiment: a path, or the name of a shipped one. Raises InputError."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if path.is_file():
            return path
        raise InputError("no such experiment file", where=str(path))
    names = [file.stem for file in shipped()]
    if name in names:
        return SHIPPED / f"{name}.yaml"
    close = difflib.get_close_matches(name, names, n=1)
    hint = (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}, or give a path to a file"
    )
    raise InputError(f"unknown experiment {name!r}", hint=hint)


def read(path: Path, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment of a file, with `KEY=VALUE` overrides applied. Raises InputError."""
    return read_document(path, Experiment, overrides)
