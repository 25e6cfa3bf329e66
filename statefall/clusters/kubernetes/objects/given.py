"""Manifests that a user gives to be made for a run: read from files, rendered from folders, checked."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from statefall.clusters.kubernetes.objects.kinds import Object, ObjectKind, name_of
from statefall.clusters.kubernetes.objects.labels import RUN_LABEL
from statefall.clusters.kubernetes.objects.manifests import kubectl, named
from statefall.records.errors import InputError

_FIRST: Final = ("ServiceAccount", "Role", "RoleBinding", "Secret", "ConfigMap", "Service")
"""What others need to be there."""


def given(paths: Iterable[str], namespace: str) -> tuple[Object, ...]:
    """Every object of these files and folders, in the order in which they are made.

    Raises InputError for the first that cannot be made in this namespace; EnvironmentUnfit without kubectl.
    """
    found = [obj for path in paths for obj in _checked(Path(path), namespace)]
    seen: set[str] = set()
    for obj in found:
        if named(obj) in seen:
            raise InputError(f"{named(obj)} is there twice", where="service.kubernetes.manifests")
        seen.add(named(obj))
    return tuple(sorted(found, key=_rank))


def labelled(obj: Object, run: str, namespace: str) -> Object:
    """The object as a run makes it: in the namespace, with the run's label."""
    made = copy.deepcopy(obj)
    made["metadata"]["namespace"] = namespace
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), RUN_LABEL: run}
    return made


def _rank(obj: Object) -> int:
    kind = str(obj["kind"])
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def _checked(path: Path, namespace: str) -> Iterator[Object]:
    for number, document in enumerate(_documents(path), start=1):
        for obj in _objects(document):
            _refuse(obj, namespace, f"{path}, document {number}")
            yield obj


def _objects(document: Any) -> list[Any]:
    """An empty document has none, a List its items."""
    if document is None:
        return []
    if isinstance(document, dict) and document.get("kind") == "List" and "items" in document:
        return list(document["items"] or [])
    return [document]


def _refuse(obj: Any, namespace: str, where: str) -> None:
    if not _is_object(obj):
        raise InputError(
            "is no Kubernetes object: it lacks apiVersion, kind or metadata.name",
            where=where,
            hint="add them",
        )
    other = obj["metadata"].get("namespace") or namespace
    if other != namespace:
        raise InputError(
            f"{named(obj)} lies in namespace {other}, the service in {namespace}",
            where=where,
            hint="leave metadata.namespace out",
        )
    if obj["kind"] == "StatefulSet" and part(obj, "spec").get("volumeClaimTemplates"):
        raise InputError(
            f"{named(obj)} has volumeClaimTemplates: their claims would outlive the run",
            where=where,
            hint="use an emptyDir, or make it yourself and leave it out of `manifests`",
        )


def part(obj: Object, key: str) -> Object:
    """A part of an object, as nobody has checked it yet; empty where there is no such."""
    found = obj.get(key)
    return found if isinstance(found, dict) else {}


def _is_object(obj: Any) -> bool:
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        return False
    labels = obj["metadata"].get("labels") or {}
    said = (obj.get("apiVersion"), obj.get("kind"), obj["metadata"].get("name"))
    return all(isinstance(each, str) and each for each in said) and isinstance(labels, dict)


def _documents(path: Path) -> list[Any]:
    try:
        text = _rendered(path) if path.is_dir() else path.read_text(encoding="utf-8")
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        raise InputError(f"is no YAML: {' '.join(str(error).split())}", where=str(path)) from error


def _rendered(folder: Path) -> str:
    command = [str(kubectl()), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise InputError(f"kubectl kustomize: {said[-1]}", where=str(folder))
    return done.stdout


@dataclass(frozen=True, slots=True)
class GivenManifest:
    """One object of the user's manifests, and where the API serves its kind."""

    kind: ObjectKind
    obj: Object = field(repr=False)

    @property
    def name(self) -> str:
        """Of the object."""
        return name_of(self.obj)

    @property
    def title(self) -> str:
        """`Deployment shop`."""
        return f"{self.kind.name} {self.name}"
