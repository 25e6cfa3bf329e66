"""Runs a plan on a cluster and leaves a judged run folder, however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from statefall.clusters.protocol import Cluster
from statefall.conductor.aside import OpenAside, Threads
from statefall.conductor.cell import CellRun, OpenChannel
from statefall.conductor.comparability import comparable_sha256, meaning
from statefall.conductor.experiment import Experiment, Load
from statefall.conductor.interrupts import OrderlyInterrupts, close_wholly
from statefall.conductor.plan import Plan
from statefall.conductor.progress import Reporter
from statefall.conductor.rules import When
from statefall.load.channel import LoadChannel
from statefall.records.cells import PlannedCell
from statefall.records.clock import SleepingClock
from statefall.records.contract import DEFAULT_SESSION_TTL_S, SESSION_TTL
from statefall.records.errors import InputError, Interrupted, StatefallError
from statefall.records.events import Event, RunEnded, RunStarted
from statefall.results.conclude import conclude
from statefall.results.model import GateName, Summary
from statefall.results.record import PLAN, RunRecorder, new_run_id
from statefall.results.run_head import CellPlan, GateRule, RunHead


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    plan: Plan
    out: Path
    cluster_kind: str
    rerun: str
    """The command that asks for the same again."""


def execute(
    request: Request,
    *,
    open_cluster: Callable[[Path], Cluster],
    reporter: Reporter,
    clock: SleepingClock,
    open_channel: OpenChannel = LoadChannel,
    open_aside: OpenAside = Threads,
) -> tuple[Summary, Path]:
    """Run the plan; returns the judged summary and the run's folder.

    An interrupted run is judged as far as it came, marked partial. Raises InputError before anything
    was started when the surroundings are unfit, and StatefallError when the run broke; what was
    recorded until then stays, marked partial too.
    """
    with OrderlyInterrupts():
        run_id = new_run_id(request.plan.experiment.name, clock)
        recorder = RunRecorder.create(request.out, run_id)
        run = _Run(request, recorder, reporter, clock, open_channel, open_aside)
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
    clock: SleepingClock
    open_channel: OpenChannel
    open_aside: OpenAside
    has_head: bool = False
    """Whether the folder can be judged."""
    _started_at: str = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = datetime.fromtimestamp(self.clock().wall_s, UTC).isoformat(timespec="seconds")

    def carry_out(self, cluster: Cluster) -> StatefallError | Interrupted | None:
        """Every cell in turn; returns what ended the run early, if anything did."""
        plan = self.request.plan
        self.recorder.write(PLAN, plan.to_json())
        self.recorder.head(self._head({}))
        self.has_head = True
        self.reporter.begin(plan, self.recorder.run)
        self._keep(RunStarted(at=self.clock(), run=self.recorder.run, seed=plan.seed))
        partial: StatefallError | Interrupted | None = None
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
        except (StatefallError, Interrupted) as error:
            partial = error
        finally:
            close_wholly(cluster)
        self._keep(RunEnded(at=self.clock(), partial=str(partial or "")))
        return partial

    def _run_cell(self, cell: PlannedCell, cluster: Cluster) -> None:
        outcome = CellRun(
            cell=cell,
            experiment=self.request.plan.experiment,
            cluster=cluster,
            open_channel=self.open_channel,
            keep=self._keep,
            keep_history=self.recorder.history,
            clock=self.clock,
            open_aside=self.open_aside,
        ).run()
        if outcome is not None:
            self.recorder.load_result(cell.name, outcome)

    def _keep(self, event: Event) -> None:
        self.recorder.record(event)
        self.reporter.event(event)

    def _head(self, fingerprint: Mapping[str, str]) -> RunHead:
        plan = self.request.plan
        return RunHead(
            run=self.recorder.run,
            experiment=plan.experiment.name,
            seed=plan.seed,
            cluster=self.request.cluster_kind,
            started_at=self._started_at,
            plan_sha256=plan.sha256(),
            cells=tuple(cell_plan(cell, plan.experiment) for cell in plan.cells),
            rerun=self.request.rerun,
            left_out=plan.left_out,
            comparable_sha256=comparable_sha256(meaning(plan.document())),
            fingerprint=dict(fingerprint),
        )


def cell_plan(cell: PlannedCell, experiment: Experiment) -> CellPlan:
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
        max_reloads=load.max_reloads,
        think_time_s=load.think_time_s,
        between_uses_s=load.think_time_s / _session_share(cell, load),
        session_ttl_s=_session_ttl_s(experiment.settings(cell.variant)),
        after_fault_s=experiment.phases.fault_s + experiment.phases.recovery_s - first_fault_s,
        phases_s=experiment.phases.lengths_s,
        own_metrics=cell.under_test is None or bool(cell.under_test.metrics),
        gates=_gates(cell, experiment),
        allowed=tuple(dict.fromkeys(each.verdict for each in experiment.allow if _applies(each.when, cell))),
        strict=True,
    )


def _gates(cell: PlannedCell, experiment: Experiment) -> tuple[GateRule, ...]:
    """Those of the file that are for this cell, after the one that every cell has."""
    asked = [gate.rule() for gate in experiment.gates if _applies(gate.when, cell)]
    implied = GateRule(GateName.NO_WRONG_STATE)
    return (implied, *(rule for rule in asked if rule != implied))


def _session_share(cell: PlannedCell, load: Load) -> float:
    """Of all steps: what the service's file says of the mix's, and all that are none of the mix."""
    shares = cell.under_test.session_share if cell.under_test is not None else {}
    return load.extra_share + (1.0 - load.extra_share) * shares.get(load.mix, 1.0)


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
