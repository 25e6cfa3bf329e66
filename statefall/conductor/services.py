"""The services under test of an experiment: read from their files, or the twins that come along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from statefall.conductor.adapters import file_of
from statefall.conductor.documents import read_document
from statefall.conductor.experiment import Experiment
from statefall.content import SERVICES
from statefall.records.errors import InputError
from statefall.records.service import ServiceSpec
from statefall.service.file import ServiceSection

TWINS = SERVICES / "twins.yaml"


def twins() -> ServiceSpec:
    """The twins, which one service file describes."""
    return read_service(TWINS)


def read_service(path: Path) -> ServiceSpec:
    """The service of a file of its own. Raises InputError."""
    return read_document(path, ServiceSection).spec(path.absolute().parent, path.parent.name)


def services_of(experiment: Experiment, file: Path) -> tuple[ServiceSpec, ...]:
    """All services of an experiment that was read from this file; the twins are one. Raises InputError."""
    if experiment.of_twins:
        return (twins(),)
    folder = file.absolute().parent
    if isinstance(experiment.service, ServiceSection):
        found = [experiment.service.spec(folder, experiment.name[:20].strip("-"))]
    else:
        paths = experiment.services or (str(experiment.service),)
        found = [read_service(file_of(path, folder)) for path in paths]
    _refuse_unfit(found, experiment, file)
    wanted = experiment.matrix.service
    return tuple(service for service in found if not wanted or service.name in wanted)


def _refuse_unfit(found: Sequence[ServiceSpec], experiment: Experiment, file: Path) -> None:
    names = [service.name for service in found]
    for service in found:
        if not service.journey:
            raise InputError(
                f"the service {service.name} has no journey",
                where=str(file),
                hint="`journey: FILE.py:CLASS` names the Locust user that drives it",
            )
        if names.count(service.name) > 1:
            raise InputError(
                f"two services are called {service.name}", where=str(file), hint="give each a `name`"
            )
    asked = [("matrix.service", name) for name in experiment.matrix.service]
    asked += [
        (f"{where}: when.service", when.service) for where, when in experiment.conditions() if when.service
    ]
    for where, name in asked:
        if name not in names:
            raise InputError(f"{where}: there is no service {name!r}", where=str(file), hint=", ".join(names))
