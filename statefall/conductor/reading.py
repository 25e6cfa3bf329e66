"""Finds experiments, shipped and the user's own, and reads them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from statefall.conductor.documents import read_document
from statefall.conductor.experiment import Experiment
from statefall.content import EXPERIMENTS
from statefall.records.errors import InputError


def shipped() -> list[Path]:
    """The experiments that come with Statefall."""
    return sorted(EXPERIMENTS.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of an experiment: a path, or the name of a shipped one. Raises InputError."""
    path = Path(name)
    try:
        there, is_file = path.exists(), path.is_file()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=name[:200]) from error
    if path.suffix in {".yaml", ".yml"} or is_file:
        if there:
            return path
        raise InputError("no such experiment file", where=str(path))
    names = [file.stem for file in shipped()]
    if name in names:
        return EXPERIMENTS / f"{name}.yaml"
    close = difflib.get_close_matches(name, names, n=1)
    hint = (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}, or give a path to a file"
    )
    raise InputError(f"unknown experiment {name!r}", hint=hint)


def read(path: Path, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment of a file, with `KEY=VALUE` overrides applied. Raises InputError."""
    return read_document(path, Experiment, overrides)
