"""The clusters that `--cluster` can name. A new one is an entry here, or an entry point, and its folder.

An entry says which capabilities the cluster has: what it lacks is refused before its driver is imported.
The driver is imported when it is used: each needs packages that the others do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final

from statefall.clusters.capabilities import REASONS, Capability, Need
from statefall.clusters.protocol import Check, Cluster, SeparateLoadHost
from statefall.records.cells import PlannedCell
from statefall.records.errors import EnvironmentUnfit, InputError
from statefall.records.service import ServiceSpec

ENTRY_POINTS: Final = "statefall.clusters"
"""The group under which another package offers a `ClusterEntry`."""
CONTROL_SOCKET: Final = "control.sock"
"""In a run's folder, where its harness takes commands."""


@dataclass(frozen=True, slots=True)
class RunDemand:
    """What a run will ask of its cluster, as its plan says."""

    replicas: int = 3
    """Of its largest cell."""
    workers: int = 1
    """Of the load generator."""
    drains: bool = False
    """Whether a node is drained."""
    grace_s: float = 10.0
    pre_stop_s: float = 1.0
    services: tuple[ServiceSpec, ...] = ()
    """All services under test."""
    cells: tuple[PlannedCell, ...] = ()
    """All that will happen, with its faults."""
    confirmed: bool = False
    """The user said that what stands already may be worked on, whatever labels it carries."""
    ports: range | None = None
    """The only ones that may be listened on; None: any."""

    @property
    def attached(self) -> bool:
        """Whether the services stand already, and are neither made nor removed."""
        return any(service.attached is not None for service in self.services)


@dataclass(frozen=True, slots=True)
class Attaching:
    """What a driver can say of services that stand already. All of it raises EnvironmentUnfit, InputError."""

    replicas: Callable[[RunDemand], int]
    """How many there are of each; refuses services that differ in it."""
    preview: Callable[[RunDemand], str]
    """What a run would touch, in words; changes nothing."""
    examine: Callable[[RunDemand], tuple[Check, ...]]
    """What a run needs there, and whether it has it."""
    role: Callable[[RunDemand], str]
    """The smallest rights for it, as YAML."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What a driver's module offers as `DRIVER`."""

    open_cluster: Callable[[Path, RunDemand], Cluster]
    """For a run in this folder; nothing is started yet. Raises EnvironmentUnfit, InputError."""
    refuse: Callable[[RunDemand], None]
    """Raises InputError when a run cannot ask that of it."""
    recover: Callable[[], list[str]]
    """Clears what dead harnesses left; says what, in words. Raises EnvironmentUnfit, InputError."""
    examine: Callable[[], tuple[Check, ...]]
    """What the cluster needs, and whether it is there."""
    run_folders: Callable[[], tuple[Path, ...]] = tuple
    """Of the runs that somebody holds on this machine, or held until they were killed."""
    lacking: Callable[[ServiceSpec, bool], str] = lambda service, build: ""
    """Why this service cannot run there, in a few words; empty when it can. Builds it first, if asked to."""
    attaching: Attaching | None = None
    """Where services may stand already."""
    load_host: Callable[[Path, range | None], SeparateLoadHost] | None = None
    """A load generator for a cluster that has no place for one; the range: the only ports it may take."""


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """One cluster."""

    name: str
    """The value of `--cluster`."""
    title: str
    """In words, within a sentence."""
    driver: str
    """The module that offers its `DRIVER`."""
    capabilities: frozenset[Capability]
    install: str = ""
    """What pip installs for it."""

    def load(self) -> Driver:
        """Its driver. Raises EnvironmentUnfit when a package that it needs is not installed."""
        try:
            found = import_module(self.driver).DRIVER
        except ModuleNotFoundError as error:
            raise EnvironmentUnfit(
                f"the {self.name} cluster needs the package {error.name}",
                hint=f"pip install '{self.install}'" if self.install else "",
            ) from error
        assert isinstance(found, Driver)
        return found


_OF_OUR_PROCESSES: Final = frozenset(
    {
        Capability.BALANCER,
        Capability.PORT_RANGE,
        Capability.READINESS,
        Capability.SLOWING,
        Capability.WORKERS,
    }
)
"""What takes pods, probes and balancer that are processes of this machine, started by the tool."""
_SHIPPED: Final = (
    ClusterEntry(
        name="local",
        title="the local cluster",
        driver="statefall.clusters.local.driver",
        capabilities=_OF_OUR_PROCESSES | {Capability.STORE, Capability.PAUSE},
        install="statefall[local]",
    ),
    ClusterEntry(
        name="kubernetes",
        title="Kubernetes",
        driver="statefall.clusters.kubernetes.driver",
        capabilities=frozenset(Capability) - _OF_OUR_PROCESSES,
        install="statefall[kubernetes]",
    ),
)


@cache
def names() -> tuple[str, ...]:
    """The values of `--cluster`, those that ship first. Loads nothing."""
    offered = [point.name for point in entry_points(group=ENTRY_POINTS)]
    return tuple(dict.fromkeys([*(entry.name for entry in _SHIPPED), *offered]))


@cache
def entries() -> Mapping[str, ClusterEntry]:
    """Every cluster by its name. Raises EnvironmentUnfit when another package's entry cannot be used."""
    found = {entry.name: entry for entry in _SHIPPED}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            entry = point.load()
        except Exception as error:
            raise EnvironmentUnfit(f"cannot be loaded: {error}", where=_written(point)) from error
        if not isinstance(entry, ClusterEntry) or entry.name != point.name or entry.name in found:
            raise EnvironmentUnfit("is no ClusterEntry of its name, or one too many", where=_written(point))
        found[entry.name] = entry
    return MappingProxyType(found)


def _written(point: EntryPoint) -> str:
    return f"entry point {ENTRY_POINTS}: {point.name} = {point.value}"


def entry_of(name: str) -> ClusterEntry:
    """The cluster of that name. Raises InputError."""
    if name not in entries():
        raise InputError(f"there is no cluster `{name}`", where="--cluster", hint=", ".join(names()))
    return entries()[name]


def refuse_lacking(name: str, needs: Iterable[Need]) -> None:
    """Raises InputError when this cluster lacks what one of these takes."""
    entry = entry_of(name)
    for need in needs:
        if need.capability not in entry.capabilities:
            raise _refusal(need)


def _refusal(need: Need) -> InputError:
    able = [entry for entry in entries().values() if need.capability in entry.capabilities]
    titles = " or ".join(entry.title for entry in able) or "a cluster that is not installed"
    ways = [f"--cluster {entry.name}" for entry in able]
    if need.instead:
        ways.append(f"`{need.instead}` here")
    return InputError(
        f"{need.what} needs {titles}: {REASONS[need.capability]}",
        where=need.where,
        hint=", or ".join(ways),
    )
