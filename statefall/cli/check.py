"""`statefall check HISTORY`: judge a recorded history without its run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from statefall.ledger.history.export import operations
from statefall.ledger.history.reading import history_file, read_lines
from statefall.ledger.history.replay import JudgedHistory, JudgedSession, judge
from statefall.records.verdicts import WRONG_STATE, Verdict
from statefall.results.record import write_file
from statefall.results.stored import StoredRun

ORDER = (Verdict.KEPT, Verdict.LOST, *WRONG_STATE, Verdict.INDETERMINATE)
DIFFERENT, NOT_COMPARED = 3, 5


@click.command("check")
@click.argument("history", type=click.Path(path_type=Path))
@click.option(
    "--export",
    "export",
    type=click.Path(path_type=Path),
    help="Write registers and counters as operations for a checker of linearisability.",
)
def command(history: Path, *, export: Path | None) -> int:
    """Judge HISTORY (a history.jsonl, also compressed, or a run's folder) anew, without the run.

    Ends with 3 where a verdict is not that of the run, and with 5 where the history ends before the run's
    verdicts, so that nothing can be compared.
    """
    file = history_file(history)
    judged = judge(read_lines(file), str(file))
    _tell(judged)
    if export is not None:
        documents = (json.dumps(each, separators=(",", ":")) for each in operations(read_lines(file)))
        write_file(export, "".join(f"{document}\n" for document in documents))
    different = [_difference(each) for each in judged.sessions if each.recorded not in (None, each.verdict)]
    different += _unlike_the_record(judged, file.parent)
    for line in different:
        click.echo(line)
    if different:
        return DIFFERENT
    if not judged.whole:
        click.echo("not compared: the history ends before the run's own verdicts")
        return NOT_COMPARED
    click.echo("every verdict is that of the run")
    return 0


def _tell(judged: JudgedHistory) -> None:
    for cell in dict.fromkeys(each.cell for each in judged.sessions):
        counts = Counter(each.verdict for each in judged.sessions if each.cell == cell)
        told = ", ".join(f"{counts[each]} {_said(each)}" for each in ORDER if counts[each])
        click.echo(f"{cell}: {counts.total()} sessions: {told}")
    click.echo(f"{judged.requests:,} requests, {judged.lines:,} lines, {judged.processes} load processes")


def _difference(session: JudgedSession) -> str:
    assert session.recorded is not None
    why = "; ".join(finding.evidence for finding in session.findings) or "nothing was found"
    judged, recorded = _said(session.verdict), _said(session.recorded)
    return f"{session.cell}, session {session.session}: {judged} here, {recorded} in the run ({why})"


def _unlike_the_record(judged: JudgedHistory, folder: Path) -> list[str]:
    """What a run's folder has beside its history, where the history lies in one."""
    found = []
    loads = StoredRun(folder).loads()
    here = {(each.cell, each.session): each.verdict for each in judged.sessions}
    for cell in sorted({cell for cell, _ in here} & loads.keys()):
        recorded = {record.session: record.verdict for record in loads[cell].sessions}
        mine = {session: verdict for (name, session), verdict in here.items() if name == cell}
        for session in sorted(mine.keys() | recorded.keys()):
            one, other = mine.get(session), recorded.get(session)
            if one is not other:
                found.append(f"{cell}, session {session}: {_said(one)} here, {_said(other)} in the record")
    return found


def _said(verdict: Verdict | None) -> str:
    return "not there" if verdict is None else verdict.value.replace("_", " ")
