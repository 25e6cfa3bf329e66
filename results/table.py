"""The closing table: what each cell lost, with the prediction beside the measurement."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import StrEnum
from typing import IO, Final

from rich.console import Console
from rich.table import Table

from results import words
from results.headline import headline
from results.model import Cell, Outcome, Summary

COLUMNS: Final = (
    "service",
    "state",
    "balancer",
    "fault",
    "at fault",
    "lost before",
    "kept",
    "lost",
    "cause",
    "predicted",
    "failed req.",
    "recovery",
    "verdict",
)
NUMERIC: Final = frozenset(
    {"at fault", "lost before", "kept", "lost", "predicted", "failed req.", "recovery"}
)
STYLES: Final = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.INVALID: "bold magenta",
}


def rows(summary: Summary) -> list[tuple[str, ...]]:
    """The cells of the table as text, a row for each cell of the run, in the order of `COLUMNS`."""
    return [_row(cell) for cell in in_order(summary.cells)]


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """By service, state, balancer and faults, whatever order they ran in; repeats stand together."""
    return sorted(cells, key=_place)


def _place(cell: Cell) -> tuple[int, int, int, str, int]:
    return (
        _rank(cell.service),
        _rank(cell.state),
        _rank(cell.balancer),
        "+".join(fault.kind for fault in cell.faults),
        cell.repeat,
    )


def _rank(member: StrEnum) -> int:
    """The order in which the terms are defined."""
    return list(type(member)).index(member)


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        cell.service.value,
        cell.state.value,
        cell.balancer.value,
        words.kinds(cell),
        str(cell.sessions.at_fault),
        str(cell.lost_before_fault),
        str(cell.sessions.kept),
        str(cell.sessions.lost),
        words.causes(cell),
        words.predicted(cell.predicted_lost),
        str(cell.requests.failed),
        words.seconds(cell.recovery_s),
        cell.verdict.value,
    )


def plain_table(summary: Summary) -> str:
    """The table as aligned text without colour or lines, for a pipe, a log or a file."""
    lines = [COLUMNS, *rows(summary)]
    widths = [max(len(row[i]) for row in lines) for i in range(len(COLUMNS))]
    text = []
    for row in lines:
        cells = [
            value.rjust(width) if name in NUMERIC else value.ljust(width)
            for name, value, width in zip(COLUMNS, row, widths, strict=True)
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text) + "\n"


def print_table(summary: Summary, *, stream: IO[str]) -> None:
    """Print headline, table and verdict: drawn on a terminal, plain text elsewhere."""
    if not stream.isatty():
        stream.write(f"\n{headline(summary)}\n\n{plain_table(summary)}\n{words.verdict(summary)}\n")
        return
    console = Console(file=stream, width=max(shutil.get_terminal_size().columns, 60), highlight=False)
    table = Table(header_style="bold", pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in NUMERIC else "left")
    for cell, row in zip(in_order(summary.cells), rows(summary), strict=True):
        lost = "bold red" if cell.sessions.lost else ""
        styled = [
            f"[{lost}]{value}[/]" if lost and name == "lost" else value
            for name, value in zip(COLUMNS, row, strict=True)
        ]
        table.add_row(*styled[:-1], f"[{STYLES[cell.verdict]}]{row[-1]}[/]")
    console.print()
    console.print(headline(summary), markup=False)
    console.print()
    console.print(table)
    console.print(words.verdict(summary), style=STYLES[summary.verdict], markup=False)
