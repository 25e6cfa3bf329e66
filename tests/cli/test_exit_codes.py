"""What the command line ends with: every promised code has its use, and every error its place."""

from __future__ import annotations

import re
from pathlib import Path

import statefall.records.errors
from statefall.cli.compare import REGRESSION
from statefall.cli.main import BAD_INPUT, INTERNAL_ERROR, cli
from statefall.cli.run import EXIT_CODES
from statefall.records.errors import StatefallError

HERE = Path(__file__).resolve().parent.parent.parent
ERRORS: list[type[StatefallError]] = [
    value
    for value in vars(statefall.records.errors).values()
    if isinstance(value, type) and issubclass(value, StatefallError)
]


def test_the_promised_codes_are_those_that_something_ends_with() -> None:
    ends = {
        INTERNAL_ERROR,
        BAD_INPUT,
        REGRESSION,
        *EXIT_CODES.values(),
        *(error.exit_code for error in ERRORS),
    }
    table = (HERE / "docs" / "commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d) \|", table, re.MULTILINE)} == ends
    assert cli.help is not None
    assert {int(code) for code in re.findall(r"\b\d\b", cli.help.partition("Exit codes:")[2])} == ends


def test_every_error_is_raised_or_parent_of_one_that_is() -> None:
    text = "".join(path.read_text() for path in (HERE / "statefall").rglob("*.py"))
    for error in ERRORS:
        assert re.search(rf"raise {error.__name__}\b|^class \w+\({error.__name__}\)", text, re.MULTILINE), (
            error
        )


def test_an_error_is_one_line_whatever_it_is_made_from() -> None:
    for error in ERRORS:
        assert str(error("one\ntwo\r\n\nthree")) == "one two  three"
