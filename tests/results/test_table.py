"""The closing table: drawn on a terminal, plain text elsewhere, prediction beside measurement."""

import io
import os
import pty
import threading
from dataclasses import replace

import pytest

from statefall.records.verdicts import Answers, RequestFailure
from statefall.results.judge import judge_run
from statefall.results.model import Summary, WrongState
from statefall.results.table import losses, plain_table, print_table
from tests.results.simulation import simulate


def summary() -> Summary:
    run = simulate()
    return judge_run(run.plan, run.events, run.loads).summary


def test_cells_stand_in_the_order_of_their_design_whatever_order_they_ran_in() -> None:
    assert [row[:3] for row in losses(summary()).rows] == [
        ("stateless", "client", "plain"),
        ("stateless", "client", "sticky"),
        ("stateful", "memory", "plain"),
        ("stateful", "memory", "sticky"),
    ]


def test_a_row_says_what_was_predicted_and_what_was_lost() -> None:
    text = losses(summary())
    row = dict(zip(text.columns, text.rows[3], strict=True))
    assert row["at fault"] == "99"
    assert row["lost"] == "33"
    assert row["predicted"] == "18 to 49"
    assert row["cause"] == "pod killed"
    assert row["recovery"] == "1.8 s"
    assert row["verdict"] == "passed"


def test_failed_requests_are_told_by_kind_where_the_record_says_how() -> None:
    before = summary()
    assert "failed by" not in losses(before).columns
    counts = replace(
        before.cells[3].requests, failed_by={RequestFailure.TIMEOUT: 2, RequestFailure.BAD_GATEWAY: 20}
    )
    cells = (*before.cells[:3], replace(before.cells[3], requests=counts))
    text = losses(replace(before, cells=cells))
    column = text.columns.index("failed by")
    assert sorted(row[column] for row in text.rows) == ["-", "-", "-", "20 502, 2 timeout"]


def test_the_plain_table_is_aligned_and_has_no_trailing_blanks() -> None:
    lines = plain_table(summary()).splitlines()
    assert len(lines) == 5
    assert all(line == line.rstrip() for line in lines)
    column = lines[0].index("verdict")
    assert {line[column:] for line in lines[1:]} == {"passed"}


def test_a_run_without_faults_shows_what_requests_cost() -> None:
    run = simulate(kill=0)
    found = judge_run(run.plan, run.events, run.loads).summary
    first, second = plain_table(found).split("\n\n")
    assert "CPU/request" in second
    assert "CPU/request" not in first
    assert "CPU/request" not in plain_table(summary())


def test_variants_have_a_column_where_there_are_any() -> None:
    assert "variant" not in losses(summary()).columns
    found = summary()
    varied = replace(found, cells=tuple(replace(cell, variant="warm") for cell in found.cells))
    text = losses(varied)
    assert {row[text.columns.index("variant")] for row in text.rows} == {"warm"}


def test_without_a_terminal_there_is_no_colour_and_no_frame() -> None:
    out = io.StringIO()
    print_table(summary(), stream=out)
    text = out.getvalue()
    assert "\x1b" not in text
    assert not set(text) & set("┃━│─┏┓")
    assert "One of three replicas was killed" in text
    assert "passed: every gate" in text


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_on_a_terminal_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = on_terminal(summary())
    assert "\x1b[" in text
    assert "18 to 49" in text
    assert "━" in text


def on_terminal(found: Summary) -> str:
    """What arrives at the other end of a pseudo-terminal."""
    master, slave = pty.openpty()
    received = bytearray()

    def drain() -> None:
        try:
            while chunk := os.read(master, 65536):
                received.extend(chunk)
        except OSError:
            return  # Linux reports the closed other end as an error

    reader = threading.Thread(target=drain)
    reader.start()
    with open(slave, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a file descriptor, not a path
        print_table(found, stream=stream)
    reader.join(30)
    os.close(master)
    return received.decode()


def test_a_fault_of_the_store_shows_degraded_answers_and_the_longest_wait() -> None:
    found = summary()
    assert "degraded" not in losses(found).columns
    first, *others = found.cells
    fault = replace(first.faults[0], kind="store-hang", victims=())
    answers = {"baseline": Answers(0, 9.0), "fault": Answers(31, 0.66), "recovery": Answers(2, 0.1)}
    hung = replace(first, faults=(fault,), answers_by_phase=answers)
    text = losses(replace(found, cells=(hung, *others)))
    rows = [dict(zip(text.columns, row, strict=True)) for row in text.rows]
    assert [(row["degraded"], row["longest wait"]) for row in rows if row["fault"] == "store-hang"] == [
        ("33", "0.66 s")
    ]
    assert {(row["degraded"], row["longest wait"]) for row in rows if row["fault"] == "kill"} == {("-", "-")}


def test_wrong_state_and_undecided_sessions_have_columns_where_there_are_any() -> None:
    found = summary()
    assert not {"foreign", "rolled back", "misrouted", "undecided"} & set(losses(found).columns)
    wrong = WrongState(foreign=3, rolled_back=18, forbidden=20)
    cells = (replace(found.cells[0], wrong_state=wrong, undecided=14), *found.cells[1:])
    text = losses(replace(found, cells=cells))
    assert text.columns.index("foreign") < text.columns.index("rolled back") < text.columns.index("at fault")
    shown = [
        tuple(row[text.columns.index(name)] for name in ("foreign", "rolled back", "undecided"))
        for row in text.rows
    ]
    assert sorted(shown) == [*[("-", "-", "-")] * 3, ("3", "18", "14")]
