"""Help says what each command and option is for."""

from __future__ import annotations

import click
import pytest

from statefall.cli.main import cli, invoke


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_says_what_it_is_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = cli.commands[name]
    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []
    assert invoke([name, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert command.help.splitlines()[0] in shown
