"""A history that real load processes recorded is judged without the run, to the same verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.cli.main import invoke
from statefall.ledger.history.reading import HISTORY, read_lines
from statefall.ledger.history.replay import judge
from statefall.records.events import SessionLost
from tests.load.generator import config_for, generating, wait_until
from tests.load.planted import PlantedShop, serving
from tests.load.test_own_journey import BY_HEADER, NAMED, forgets_one_in_50, written

BYTES_AN_OPERATION = 260
"""At most, with some ten products in a cart."""


def test_the_history_of_two_processes_comes_to_the_verdicts_of_their_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    with serving(PlantedShop(forgets_one_in_50)) as shop:
        journey = written(tmp_path, NAMED)
        config = config_for(shop.url, journey=journey, answered_by=BY_HEADER, workers=2)
        with generating(config, tmp_path) as generator:
            channel = generator.channel
            channel.start()
            wait_until(lambda: shop.requests >= 150, "half of the requests came")
            channel.mark("none")
            lines += channel.history()
            wait_until(lambda: shop.requests >= 300, "all requests came")
            channel.audit()
            result = channel.finish()
            lines += channel.history()
            assert channel.history() == ()
            findings = generator.of_kind(SessionLost)
    file = tmp_path / HISTORY
    file.write_text("".join(f"{line}\n" for line in lines))
    judged = judge(read_lines(file), "history")
    assert judged.whole
    assert judged.processes == 2
    assert {each.session: each.verdict for each in judged.sessions} == {
        record.session: record.verdict for record in result.sessions
    }
    again = [found for each in judged.sessions for found in each.findings]
    assert shop.hit
    assert sorted((found.session, found.verdict, found.evidence) for found in findings) == sorted(
        (found.session, found.verdict, found.evidence) for found in again
    )
    assert file.stat().st_size < BYTES_AN_OPERATION * result.operations
    assert invoke(["check", str(file)]) == 0
    assert capsys.readouterr().out.endswith("every verdict is that of the run\n")
