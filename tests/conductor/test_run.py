"""A run on fakes: however it ends, its folder is judged, or was never worth keeping."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from statefall.clusters.protocol import ClusterError
from statefall.codec import event_line
from statefall.conductor.plan import Plan
from statefall.conductor.run import Request, execute
from statefall.records.cells import PlannedCell
from statefall.records.errors import EnvironmentUnfit, InputError, Interrupted, StatefallError
from statefall.records.events import Event, RunEnded, RunStarted
from statefall.records.faults import FaultKind
from statefall.results.model import Outcome, Summary
from statefall.results.stored import StoredRun
from tests.conductor.bench import Fakes, fault, plan
from tests.fakes.cluster import READY_S, FakeCluster

PLAN = plan(fault(FaultKind.KILL), cells=2)
FIRST, SECOND = (cell.name for cell in PLAN.cells)


@dataclass(slots=True)
class Told:
    """A reporter that remembers."""

    begun: int = 0
    cells: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ended: int = 0

    def begin(self, plan: Plan, run: str) -> None:
        self.begun += 1

    def cell(self, cell: PlannedCell, number: int) -> None:
        self.cells.append(f"{number} {cell.name}")

    def event(self, event: Event) -> None:
        self.events.append(event)

    def end(self) -> None:
        self.ended += 1


@dataclass(slots=True)
class Bench:
    """A run of two cells into a folder."""

    out: Path
    fakes: Fakes = field(default_factory=Fakes)
    told: Told = field(default_factory=Told)

    def run(self) -> tuple[Summary, Path]:
        return execute(
            Request(plan=PLAN, out=self.out, cluster_kind="local", rerun="statefall run small"),
            open_cluster=self.open_cluster,
            reporter=self.told,
            clock=self.fakes.clock,
            open_channel=self.fakes.open_channel,
            open_aside=self.fakes.open_aside,
        )

    def open_cluster(self, folder: Path) -> FakeCluster:
        self.fakes.script.call("open_cluster", folder.name)
        return self.fakes.cluster

    def raising(self, call: str, error: BaseException) -> None:
        self.fakes.script.raising[call] = error

    def folders(self) -> list[Path]:
        return sorted(self.out.iterdir())

    def summary(self) -> Summary:
        (folder,) = self.folders()
        return Summary.from_json((folder / "summary.json").read_bytes())

    def recorded(self) -> tuple[Event, ...]:
        (folder,) = self.folders()
        return StoredRun(folder).events()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "runs")


def test_a_run_leaves_a_judged_folder(bench: Bench) -> None:
    summary, folder = bench.run()
    assert bench.folders() == [folder]
    assert bench.summary() == summary
    assert not summary.partial
    assert [cell.name for cell in summary.cells] == [FIRST, SECOND]
    for cell in summary.cells:
        (kill,) = cell.faults
        assert kill.kind == "kill"
        assert kill.recovered_s is not None
    assert {path.name for path in folder.iterdir()} >= {
        "plan.json",
        "run.json",
        "events.jsonl",
        "summary.json",
        "findings.jsonl",
        "latency.hlog",
        "report.html",
    }
    assert sorted(path.name for path in (folder / "loads").iterdir()) == [f"{FIRST}.json", f"{SECOND}.json"]
    assert (folder / "plan.json").read_bytes() == PLAN.to_json()


def test_cells_run_one_after_the_other_between_open_and_close(bench: Bench) -> None:
    bench.run()
    assert bench.fakes.script.of("open", "deploy", "withdraw", "close") == [
        "open",
        f"deploy {FIRST}",
        "withdraw",
        f"deploy {SECOND}",
        "withdraw",
        "close",
    ]


def test_all_that_is_recorded_is_told_to_the_reporter(bench: Bench) -> None:
    bench.run()
    (folder,) = bench.folders()
    assert "".join(map(event_line, bench.told.events)) == (folder / "events.jsonl").read_text()
    assert (bench.told.begun, bench.told.ended) == (1, 1)
    assert bench.told.cells == [f"1 {FIRST}", f"2 {SECOND}"]
    first, last = bench.told.events[0], bench.told.events[-1]
    assert isinstance(first, RunStarted)
    assert isinstance(last, RunEnded)
    assert last.partial == ""


def test_the_head_is_written_before_the_cluster_opens_and_again_with_its_fingerprint(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = []
    opened = FakeCluster.open

    def look_and_open(cluster: FakeCluster) -> None:
        (folder,) = bench.folders()
        before.append(json.loads((folder / "run.json").read_bytes()))
        opened(cluster)

    monkeypatch.setattr(FakeCluster, "open", look_and_open)
    summary, folder = bench.run()
    (first,) = before
    after = json.loads((folder / "run.json").read_bytes())
    assert first["fingerprint"] == {}
    assert after == {**first, "fingerprint": {"cluster": "fake 1.0"}}
    assert summary.fingerprint == {"cluster": "fake 1.0"}
    assert summary.rerun == "statefall run small"
    assert summary.plan_sha256 == PLAN.sha256()


@pytest.mark.parametrize("call", ["open_cluster", "open"])
def test_unfit_surroundings_leave_no_folder(bench: Bench, call: str) -> None:
    bench.raising(call, EnvironmentUnfit("no cluster here"))
    with pytest.raises(EnvironmentUnfit, match="no cluster here"):
        bench.run()
    assert bench.folders() == []
    assert bench.told.ended == 1
    assert bench.fakes.script.of("close") == (["close"] if call == "open" else [])


def test_a_signal_before_the_cluster_is_there_leaves_no_folder(bench: Bench) -> None:
    bench.raising("open_cluster", Interrupted("ended early by SIGINT"))
    with pytest.raises(Interrupted):
        bench.run()
    assert bench.folders() == []


@pytest.mark.parametrize("call", ["open", f"deploy {FIRST}", "phase fault", f"deploy {SECOND}", "finish"])
def test_an_interrupted_run_is_judged_partial_and_returned(bench: Bench, call: str) -> None:
    bench.raising(call, Interrupted("ended early by SIGINT"))
    summary, _ = bench.run()
    assert summary.partial
    assert summary.verdict is Outcome.INVALID
    assert summary.invalid_because[0] == "ended early by SIGINT"
    assert bench.summary() == summary
    last = bench.recorded()[-1]
    assert isinstance(last, RunEnded)
    assert last.partial == "ended early by SIGINT"
    assert bench.fakes.script.calls[-1] == "close"
    assert bench.told.ended == 1


def test_an_interrupted_run_keeps_the_load_of_the_cells_before(bench: Bench) -> None:
    bench.raising(f"deploy {SECOND}", Interrupted("ended early by SIGINT"))
    _, folder = bench.run()
    assert [path.name for path in (folder / "loads").iterdir()] == [f"{FIRST}.json"]


def test_a_signal_while_the_cluster_closes_has_it_closed_again(bench: Bench) -> None:
    bench.raising("close", Interrupted("ended early by SIGTERM"))
    summary, _ = bench.run()
    assert bench.fakes.script.of("close") == ["close", "close"]
    assert summary.partial
    assert summary.invalid_because[0] == "ended early by SIGTERM"
    assert [cell.name for cell in summary.cells] == [FIRST, SECOND]


@pytest.mark.parametrize("error", [ClusterError("no pod was ready"), InputError("the disk is full")])
def test_what_breaks_the_second_cell_is_raised_and_leaves_a_judged_partial_run(
    bench: Bench, error: StatefallError
) -> None:
    bench.raising(f"deploy {SECOND}", error)
    with pytest.raises(type(error)) as raised:
        bench.run()
    assert raised.value is error
    summary = bench.summary()
    assert summary.partial
    assert summary.invalid_because[0] == str(error)
    assert [cell.name for cell in summary.cells] == [FIRST, SECOND]
    (folder,) = bench.folders()
    assert (folder / "report.html").is_file()
    assert [path.name for path in (folder / "loads").iterdir()] == [f"{FIRST}.json"]
    assert bench.fakes.script.calls[-1] == "close"


def test_a_defect_of_ours_is_raised_after_the_cluster_was_closed(bench: Bench) -> None:
    bench.raising("phase fault", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        bench.run()
    assert bench.fakes.script.of("stop_load", "withdraw", "close") == ["stop_load", "withdraw", "close"]
    assert bench.told.ended == 1


def test_a_run_without_the_folder_that_it_wants_never_reaches_the_cluster(bench: Bench) -> None:
    bench.out.write_text("a file")
    with pytest.raises(InputError):
        bench.run()
    assert bench.fakes.script.calls == []


def test_a_cell_whose_phases_were_held_up_says_so_in_the_summary(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    held_up_s = bench.fakes.clock().monotonic_s + READY_S + 3.0
    bench.fakes.load.stalled, bench.fakes.load.stalls = (held_up_s, held_up_s + 8.0), ("phase",)
    summary, _ = bench.run()
    held_up, on_time = summary.cells
    assert held_up.inconclusive_because[0].startswith("the phase baseline lasted 9.0 s instead of 2 s")
    assert on_time.inconclusive_because == ()
