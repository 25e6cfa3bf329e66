"""Reads a run folder back: everything that judging and drawing need, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from foundation.errors import InputError
from foundation.events import Event
from foundation.verdicts import LoadResult
from results import codec
from results.model import Summary
from results.plan import RunPlan
from results.record import EVENTS, HEAD, LOADS, SUMMARY


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run folder."""

    path: Path

    def head(self) -> RunPlan:
        """What was planned. Raises InputError when it is missing or damaged."""
        return RunPlan.from_json(self._text(HEAD), where=str(self.path / HEAD))

    def finished(self) -> bool:
        """Whether it was judged; one that was not was left by a harness that died."""
        return (self.path / SUMMARY).is_file()

    def summary(self) -> Summary:
        """What was found. Raises InputError when it is missing or damaged."""
        return Summary.from_json(self._text(SUMMARY), where=str(self.path / SUMMARY))

    def events(self) -> tuple[Event, ...]:
        """All events, in the order of the file. Raises InputError when a whole line is damaged."""
        return parse_events(self._text(EVENTS), where=str(self.path / EVENTS))

    def loads(self) -> dict[str, LoadResult]:
        """The load's result of each cell that was finished, by the cell's name."""
        found = {}
        for file in sorted((self.path / LOADS).glob("*.json")):
            found[file.stem] = codec.decode(LoadResult, file.read_bytes(), where=str(file))
        return found

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise InputError(
                f"no {name} in it",
                where=str(self.path),
                hint="give the folder of a run, results/runs/<run-id>",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name} cannot be read: {error}", where=str(self.path)) from error


def parse_events(text: str, *, where: str) -> tuple[Event, ...]:
    """The events of an `events.jsonl`.

    A last line that was torn off when the harness died is left out; a damaged line anywhere else
    raises InputError naming it.
    """
    whole, _, _torn = text.rpartition("\n")
    events = []
    for number, line in enumerate(whole.split("\n") if whole else [], start=1):
        try:
            events.append(_event(line))
        except ValueError as error:
            raise InputError(
                f"line {number} is not an event: {error}", where=where, hint="the file is damaged"
            ) from error
    return tuple(events)


def _event(line: str) -> Event:
    record = json.loads(line)
    if not isinstance(record, dict) or not {"kind", "monotonic_s", "wall_s"} <= record.keys():
        raise ValueError("kind, monotonic_s or wall_s is missing")
    return cast("Event", record)
