"""Reads a run folder back: everything that judging and drawing need, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from statefall.codec import read_event
from statefall.records.errors import InputError
from statefall.records.events import Event
from statefall.records.verdicts import LoadResult
from statefall.results.model import Summary
from statefall.results.record import EVENTS, HEAD, LOAD, LOADS, SUMMARY
from statefall.results.run_head import RunHead


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run folder."""

    path: Path

    def head(self) -> RunHead:
        """What was planned. Raises InputError when it is missing or damaged."""
        return RunHead.from_json(self._text(HEAD), where=str(self.path / HEAD))

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
            found[file.stem] = LOAD.decode(file.read_bytes(), where=str(file))
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
    raises InputError naming it. Events of a kind that a later version records are left out.
    """
    whole, _, _torn = text.rpartition("\n")
    events = []
    for number, line in enumerate(whole.split("\n") if whole else [], start=1):
        try:
            event = read_event(line)
        except ValueError as error:
            raise InputError(
                f"line {number} is not an event: {error}", where=where, hint="the file is damaged"
            ) from error
        if event is not None:
            events.append(event)
    return tuple(events)
