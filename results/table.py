"""The closing table: what each cell lost, with the prediction beside the measurement."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Final

from rich.console import Console
from rich.table import Table

from results import words
from results.attribute import STORE_FAULTS
from results.headline import headline
from results.model import Cell, Outcome, Summary

COLUMNS: Final = (
    "service",
    "state",
    "balancer",
    "variant",
    "fault",
    "at fault",
    "lost before",
    "kept",
    "lost",
    "cause",
    "predicted",
    "failed req.",
    "degraded",
    "longest wait",
    "broken WebSockets",
    "lost messages",
    "new pods' share",
    "recovery",
    "verdict",
)
NUMERIC: Final = frozenset(
    {
        "at fault",
        "lost before",
        "kept",
        "lost",
        "predicted",
        "failed req.",
        "degraded",
        "longest wait",
        "broken WebSockets",
        "lost messages",
        "new pods' share",
        "recovery",
        "requests/s",
        "p50",
        "p99",
        "CPU/request",
    }
)
STYLES: Final = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.INVALID: "bold magenta",
}


COST_COLUMNS: Final = (
    "service",
    "state",
    "balancer",
    "variant",
    "requests/s",
    "p50",
    "p99",
    "CPU/request",
    "of it for statelessness",
    "cache hits",
)


@dataclass(frozen=True, slots=True)
class Text:
    """A table as text: a row for each cell of the run, in the order of `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def plain(self) -> str:
        """Aligned, without colour or lines."""
        lines = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in lines) for i in range(len(self.columns))]
        text = []
        for row in lines:
            cells = [
                value.rjust(width) if name in NUMERIC else value.ljust(width)
                for name, value, width in zip(self.columns, row, widths, strict=True)
            ]
            text.append("  ".join(cells).rstrip())
        return "\n".join(text) + "\n"


def losses(summary: Summary) -> Text:
    """Who lost what."""
    return _text(summary, COLUMNS, _row)


def costs(summary: Summary) -> Text:
    """What a request cost while nothing had been done to the service yet."""
    return _text(summary, COST_COLUMNS, _cost_row)


def is_about_costs(summary: Summary) -> bool:
    """Whether nothing was done to any cell, so that its costs are what there is to see."""
    return bool(summary.cells) and not any(cell.faults for cell in summary.cells)


def _text(summary: Summary, columns: tuple[str, ...], row: Callable[[Cell], tuple[str, ...]]) -> Text:
    """Without the columns about what the experiment has nothing of: variants, the store, WebSockets."""
    cells = in_order(summary.cells)
    unasked = set() if any(cell.variant for cell in cells) else {"variant"}
    if not any(is_about_store(cell) for cell in cells):
        unasked |= {"degraded", "longest wait"}
    if not any(cell.realtime.connections_opened for cell in cells):
        unasked |= {"broken WebSockets", "lost messages"}
    if not any(is_about_size(cell) for cell in cells):
        unasked |= {"new pods' share"}
    kept = [at for at, name in enumerate(columns) if name not in unasked]
    rows = [row(cell) for cell in cells]
    return Text(tuple(columns[at] for at in kept), tuple(tuple(r[at] for at in kept) for r in rows))


def is_about_store(cell: Cell) -> bool:
    """Whether something was done to the session store, and it is on record how requests were answered."""
    return bool(cell.answers_by_phase) and any(fault.kind in STORE_FAULTS for fault in cell.faults)


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """By service, state, balancer and faults, whatever order they ran in; repeats stand together."""
    return sorted(cells, key=_place)


def _place(cell: Cell) -> tuple[int, int, int, str, str, int]:
    return (
        _rank(cell.service),
        _rank(cell.state),
        _rank(cell.balancer),
        "+".join(fault.kind for fault in cell.faults),
        cell.variant,
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
        cell.variant or "-",
        words.kinds(cell),
        str(cell.sessions.at_fault),
        str(cell.lost_before_fault),
        str(cell.sessions.kept),
        str(cell.sessions.lost),
        words.causes(cell),
        words.predicted(cell.predicted_lost),
        str(cell.requests.failed),
        *_without_store(cell),
        *_live(cell),
        _newcomers(cell),
        words.seconds(cell.recovery_s),
        cell.verdict.value,
    )


def is_about_size(cell: Cell) -> bool:
    """Whether replicas were added, so that it is of interest how much the new ones took over."""
    return cell.newcomers_share is not None and any(fault.kind == "scale-out" for fault in cell.faults)


def _live(cell: Cell) -> tuple[str, str]:
    counts = cell.realtime
    if not counts.connections_opened:
        return "-", "-"
    return str(counts.connections_broken), str(counts.lost)


def _newcomers(cell: Cell) -> str:
    share = cell.newcomers_share
    return "-" if share is None else f"{100 * share:.0f}%"


def _without_store(cell: Cell) -> tuple[str, str]:
    if not is_about_store(cell):
        return "-", "-"
    answers = cell.answers_since_fault
    return str(answers.degraded), words.seconds(answers.slowest_s, digits=2)


def _cost_row(cell: Cell) -> tuple[str, ...]:
    latency, rate = cell.latency_ms.get("baseline"), cell.throughput_per_s.get("baseline")
    return (
        cell.service.value,
        cell.state.value,
        cell.balancer.value,
        cell.variant or "-",
        "-" if rate is None else f"{rate:.0f}",
        words.milliseconds(latency.p50 if latency else None),
        words.milliseconds(latency.p99 if latency else None),
        words.milliseconds(cell.costs.cpu_ms_per_request),
        words.overheads(cell.costs),
        words.hit_ratios(cell.costs),
    )


def plain_table(summary: Summary) -> str:
    """The tables as aligned text without colour or lines, for a pipe, a log or a file."""
    text = losses(summary).plain()
    return f"{text}\n{costs(summary).plain()}" if is_about_costs(summary) else text


def print_table(summary: Summary, *, stream: IO[str]) -> None:
    """Print headline, table and verdict: drawn on a terminal, plain text elsewhere."""
    if not stream.isatty():
        stream.write(f"\n{headline(summary)}\n\n{plain_table(summary)}\n{words.verdict(summary)}\n")
        return
    console = Console(file=stream, width=max(shutil.get_terminal_size().columns, 60), highlight=False)
    text = losses(summary)
    table = _drawn(text.columns)
    for cell, row in zip(in_order(summary.cells), text.rows, strict=True):
        lost = "bold red" if cell.sessions.lost else ""
        styled = [
            f"[{lost}]{value}[/]" if lost and name == "lost" else value
            for name, value in zip(text.columns, row, strict=True)
        ]
        table.add_row(*styled[:-1], f"[{STYLES[cell.verdict]}]{row[-1]}[/]")
    console.print()
    console.print(headline(summary), markup=False)
    console.print()
    console.print(table)
    if is_about_costs(summary):
        spent = costs(summary)
        cost_table = _drawn(spent.columns)
        for row in spent.rows:
            cost_table.add_row(*row)
        console.print(cost_table)
    console.print(words.verdict(summary), style=STYLES[summary.verdict], markup=False)


def _drawn(columns: tuple[str, ...]) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in NUMERIC else "left")
    return table
