"""Runs a plan on a cluster and leaves a judged run folder, however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from clusters.protocol import Cluster
from foundation.clock import Clock
from foundation.errors import InputError, Interrupted, StatefallError
from foundation.events import Event, Kind, event
from loadtests.channel import LoadChannel
from loadtests.journeys import session_share
from results.conclude import conclude
from results.model import Summary
from results.plan import CellPlan, GateRule, RunPlan
from results.record import RunRecorder, new_run_id
from services.contract import DEFAULT_SESSION_TTL_S, SESSION_TTL
from statefall.cell import CellRun
from statefall.experiment import Experiment, When
from statefall.interrupts import OrderlyInterrupts
from statefall.plan import Plan, PlannedCell
from statefall.progress import Reporter

PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    plan: Plan
    out: Path
    cluster_kind: str
    rerun: str
    """The command that asks for the same again."""


def execute(
    request: Request, *, open_cluster: Callable[[Path], Cluster], reporter: Reporter, clock: Clock
) -> tuple[Summary, Path]:
    """Run the plan; returns the judged summary and the run's folder.

    An interrupted run is judged as far as it came, marked partial. Raises InputError before anything
    was started when the surroundings are unfit, and StatefallError when the run broke; what was
    recorded until then stays, marked partial too.
    """
    with OrderlyInterrupts():
        run_id = new_run_id(request.plan.experiment.name, clock)
        recorder = RunRecorder.create(request.out, run_id)
        run = _Run(request, recorder, reporter, clock)
        try:
            partial = run.carry_out(open_cluster(recorder.path))
        except InputError:
            recorder.discard()
            raise
        except Interrupted as error:
            # The signal came outside of the cells: before the cluster was opened or while it was closed.
            if not run.has_head:
                recorder.discard()
                raise
            partial = error
        finally:
            reporter.end()
            recorder.close()
        summary = conclude(recorder.path, partial=str(partial or ""))
        if partial is not None and not isinstance(partial, Interrupted):
            raise partial
        return summary, recorder.path


@dataclass(slots=True)
class _Run:
    request: Request
    recorder: RunRecorder
    reporter: Reporter
    clock: Clock
    has_head: bool = False
    """Whether the folder can be judged."""
    _started_at: str = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = datetime.fromtimestamp(self.clock().wall_s, UTC).isoformat(timespec="seconds")

    def carry_out(self, cluster: Cluster) -> StatefallError | None:
        """Every cell in turn; returns what ended the run early, if anything did."""
        plan = self.request.plan
        self.recorder.write(PLAN_FILE, plan.to_json())
        self.recorder.head(self._head({}))
        self.has_head = True
        self.reporter.begin(plan, self.recorder.run)
        self._keep(event(Kind.RUN_STARTED, self.clock(), run=self.recorder.run, seed=plan.seed))
        partial: StatefallError | None = None
        began = False
        try:
            cluster.open()
            began = True
            self.recorder.head(self._head(cluster.fingerprint()))
            for number, cell in enumerate(plan.cells, start=1):
                self.reporter.cell(cell, number)
                self._run_cell(cell, cluster)
        except InputError as error:
            if not began:
                raise
            partial = error
        except StatefallError as error:
            partial = error
        finally:
            _close(cluster)
        self._keep(event(Kind.RUN_ENDED, self.clock(), partial=str(partial or "")))
        return partial

    def _run_cell(self, cell: PlannedCell, cluster: Cluster) -> None:
        outcome = CellRun(
            cell=cell,
            experiment=self.request.plan.experiment,
            cluster=cluster,
            open_channel=LoadChannel,
            keep=self._keep,
            clock=self.clock,
        ).run()
        if outcome is not None:
            self.recorder.load_result(cell.name, outcome)

    def _keep(self, record: Event) -> None:
        self.recorder.record(record)
        self.reporter.event(record)

    def _head(self, fingerprint: Mapping[str, str]) -> RunPlan:
        plan = self.request.plan
        return RunPlan(
            run=self.recorder.run,
            experiment=plan.experiment.name,
            seed=plan.seed,
            cluster=self.request.cluster_kind,
            started_at=self._started_at,
            plan_sha256=plan.sha256(),
            cells=tuple(_cell_plan(cell, plan.experiment) for cell in plan.cells),
            rerun=self.request.rerun,
            fingerprint=dict(fingerprint),
        )


def _close(cluster: Cluster) -> None:
    """Close it to the end, even if the first signal comes in the middle of closing."""
    try:
        cluster.close()
    except Interrupted:
        cluster.close()
        raise


def _cell_plan(cell: PlannedCell, experiment: Experiment) -> CellPlan:
    """What the judge needs to know of a cell."""
    first_fault_s = cell.faults[0].at_s if cell.faults else 0.0
    load = experiment.load
    return CellPlan(
        name=cell.name,
        service=cell.service,
        state=cell.state,
        balancer=cell.balancer,
        variant=cell.variant,
        replicas=cell.replicas,
        repeat=cell.repeat,
        faults=tuple(fault.kind.value for fault in cell.faults),
        patience=load.patience,
        think_time_s=load.think_time_s,
        between_uses_s=load.think_time_s / session_share(load.mix, load.extra_share),
        session_ttl_s=_session_ttl_s(experiment.settings(cell.variant)),
        after_fault_s=experiment.phases.fault_s + experiment.phases.recovery_s - first_fault_s,
        gates=tuple(
            GateRule(gate.gate, gate.value) for gate in experiment.gates if _applies(gate.when, cell)
        ),
    )


def _session_ttl_s(settings: Mapping[str, str]) -> float:
    """What the replicas will make of these settings; of nonsense they say so themselves, and do not start."""
    try:
        return float(settings[SESSION_TTL])
    except (KeyError, ValueError):
        return DEFAULT_SESSION_TTL_S


def _applies(when: When, cell: PlannedCell) -> bool:
    kinds = {fault.kind for fault in cell.faults}
    return (
        when.service in {None, cell.service}
        and when.state in {None, cell.state}
        and when.balancer in {None, cell.balancer}
        and (when.fault is None or when.fault in kinds)
        and when.variant in {None, cell.variant}
    )
