"""The closing table: what each cell lost, with the prediction beside the measurement."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Final

from rich.console import Console
from rich.table import Table

from statefall.records.terms import Service
from statefall.results import columns, wording
from statefall.results.columns import Column
from statefall.results.headline import headline
from statefall.results.model import Cell, Outcome, Summary

STYLES: Final = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.INVALID: "bold magenta",
}
_QUIET: Final = frozenset({"0", columns.NOTHING})


@dataclass(frozen=True, slots=True)
class Text:
    """A table as text: a row for each cell of the run."""

    shown: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order of each row."""
        return tuple(column.name for column in self.shown)

    def plain(self) -> str:
        """Aligned, without colour or lines."""
        lines = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in lines) for i in range(len(self.shown))]
        text = []
        for row in lines:
            cells = [
                value.rjust(width) if column.right else value.ljust(width)
                for column, value, width in zip(self.shown, row, widths, strict=True)
            ]
            text.append("  ".join(cells).rstrip())
        return "\n".join(text) + "\n"


def losses(summary: Summary) -> Text:
    """Who lost what."""
    return _text(summary, columns.LOSSES)


def costs(summary: Summary) -> Text:
    """What a request cost while nothing had been done to the service yet."""
    return _text(summary, columns.COSTS)


def is_about_costs(summary: Summary) -> bool:
    """Whether nothing was done to any cell, so that its costs are what there is to see."""
    return bool(summary.cells) and not any(cell.faults for cell in summary.cells)


def _text(summary: Summary, known: Sequence[Column]) -> Text:
    """Without the columns that no cell of the run has anything to show in."""
    cells = in_order(summary.cells)
    shown = tuple(c for c in known if c.of is None or any(map(c.is_asked, cells)))
    return Text(shown, tuple(tuple(column.text(cell) for column in shown) for cell in cells))


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """By service, state, balancer and faults, whatever order they ran in; repeats stand together."""
    return sorted(cells, key=_place)


def _place(cell: Cell) -> tuple[tuple[int, str], int, int, str, str, int]:
    return (
        _service(cell.service),
        _rank(cell.state),
        _rank(cell.balancer),
        "+".join(fault.kind for fault in cell.faults),
        cell.variant,
        cell.repeat,
    )


def _service(name: str) -> tuple[int, str]:
    """The twins first, other services by name."""
    twins = list(Service)
    return (twins.index(Service(name)), "") if name in twins else (len(twins), name)


def _rank(value: StrEnum) -> int:
    """The order in which the terms are defined."""
    return list(type(value)).index(value)


def plain_table(summary: Summary) -> str:
    """The tables as aligned text without colour or lines, for a pipe, a log or a file."""
    text = losses(summary).plain()
    return f"{text}\n{costs(summary).plain()}" if is_about_costs(summary) else text


def print_table(summary: Summary, *, stream: IO[str]) -> None:
    """Print headline, table and verdict: drawn on a terminal, plain text elsewhere."""
    if not stream.isatty():
        stream.write(f"\n{headline(summary)}\n\n{plain_table(summary)}\n{wording.verdict(summary)}\n")
        return
    console = Console(file=stream, width=max(shutil.get_terminal_size().columns, 60), highlight=False)
    text = losses(summary)
    table = _drawn(text)
    for cell, row in zip(in_order(summary.cells), text.rows, strict=True):
        styled = [
            f"[bold red]{value}[/]" if column.alarming and value not in _QUIET else value
            for column, value in zip(text.shown, row, strict=True)
        ]
        table.add_row(*styled[:-1], f"[{STYLES[cell.verdict]}]{row[-1]}[/]")
    console.print()
    console.print(headline(summary), markup=False)
    console.print()
    console.print(table)
    if is_about_costs(summary):
        spent = costs(summary)
        cost_table = _drawn(spent)
        for row in spent.rows:
            cost_table.add_row(*row)
        console.print(cost_table)
    console.print(wording.verdict(summary), style=STYLES[summary.verdict], markup=False)


def _drawn(text: Text) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for column in text.shown:
        table.add_column(column.name, justify="right" if column.right else "left")
    return table
