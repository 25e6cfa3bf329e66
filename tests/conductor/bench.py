"""One cell on fakes: ten virtual seconds, phases of 2, 2, 3 and 3 seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from statefall.conductor.cell import CellRun
from statefall.conductor.experiment import Experiment, Fault, Load, Matrix, Phases
from statefall.conductor.plan import Plan, make_plan
from statefall.records.errors import Interrupted
from statefall.records.events import Event
from statefall.records.faults import FaultKind
from statefall.records.verdicts import LoadResult
from tests.fakes.aside import VirtualAside
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.load import FakeLoad
from tests.fakes.script import Script

E = TypeVar("E")
PHASES = Phases(warmup_s=2.0, baseline_s=2.0, fault_s=3.0, recovery_s=3.0)


def plan(*faults: Fault, cells: int = 1) -> Plan:
    """A plan of so many equal cells of the stateful twin with these faults."""
    experiment = Experiment(
        name="small",
        summary="a cell of ten seconds",
        matrix=Matrix.model_validate({"service": ["stateful"], "balancer": ["sticky"]}),
        load=Load(shoppers=12, arrivals_s=1.0),
        phases=PHASES,
        faults=faults,
    )
    return make_plan(experiment, seed=1, repeats=cells)


def fault(kind: FaultKind, **given: Any) -> Fault:
    return Fault(kind=kind, **given)


@dataclass(slots=True)
class Fakes:
    """Cluster, load and clock with one script over them."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    script: Script = field(default_factory=Script)
    cluster: FakeCluster = field(init=False)
    load: FakeLoad = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(self.clock, self.script)
        self.load = FakeLoad(self.clock, self.script)

    def open_channel(self, url: str) -> FakeLoad:
        self.script.call("open_channel", url)
        config = self.cluster.load_configs[-1]
        self.load = replace(self.load, cell=config.cell)
        return self.load

    def open_aside(self, at_once: int) -> VirtualAside:
        return VirtualAside(self.clock)

    def after(self, seconds: float, error: BaseException) -> None:
        """Have this raised out of the sleep, so many seconds from now."""

        def strike() -> None:
            raise error

        self.clock.after(seconds, strike)

    def interrupt(self, seconds: float) -> None:
        self.after(seconds, Interrupted("ended early by SIGINT"))


@dataclass(slots=True)
class Bench:
    """The first cell of a plan, and what it kept."""

    faults: tuple[Fault, ...] = ()
    fakes: Fakes = field(default_factory=Fakes)
    kept: list[Event] = field(default_factory=list)

    def run(self) -> LoadResult | None:
        made = plan(*self.faults)
        return CellRun(
            cell=made.cells[0],
            experiment=made.experiment,
            cluster=self.fakes.cluster,
            open_channel=self.fakes.open_channel,
            keep=self._keep,
            clock=self.fakes.clock,
            open_aside=self.fakes.open_aside,
        ).run()

    @property
    def calls(self) -> list[str]:
        return self.fakes.script.calls

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.kept if isinstance(event, kind)]

    def _keep(self, event: Event) -> None:
        self.kept.append(event)
        self.calls.append(f"kept:{event.kind}")
