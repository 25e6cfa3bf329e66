"""A history begins with its first line, or there is none."""

from __future__ import annotations

from statefall.ledger.history.writing import ProcessHistory


def test_a_journey_that_begins_no_history_leaves_none() -> None:
    """One with a ledger of its own records what it promises nowhere else."""
    lines: list[str] = []
    history = ProcessHistory("p", lines.append)
    history.mark(1.0)
    history.end(())
    assert lines == []


def test_a_mark_is_a_line_of_a_history_that_has_begun() -> None:
    lines: list[str] = []
    history = ProcessHistory("p", lines.append)
    history.begin("c1", "Buyer", {}, 1, 10.0)
    history.mark(11.5)
    assert lines[1] == '{"mark":"p","at":1.5}'
