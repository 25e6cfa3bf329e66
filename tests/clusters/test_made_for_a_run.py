"""A user's manifests: read, refused, noted before they are made, and removed. No cluster."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.attached import rights
from statefall.clusters.kubernetes.attached.foreseen import (
    manifests_of,
    refuse_existing,
    replicas_of,
    workload_in,
)
from statefall.clusters.kubernetes.attached.making import Making, await_ready
from statefall.clusters.kubernetes.objects.given import GivenManifest, given
from statefall.clusters.kubernetes.objects.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    LEASE,
    POD,
    SERVICE,
    Object,
    ObjectKind,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import RUN_LABEL
from statefall.clusters.kubernetes.ownership import made
from statefall.clusters.kubernetes.ownership.lease import MADE, NAME, ConductorLease
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import InputError
from statefall.records.service import AttachedWorkload, Workload

CLUSTER_ROLE = ObjectKind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False)


def manifest(kind: str = "ConfigMap", name: str = "note", version: str = "v1", **more: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def deployment(name: str = "shop", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web"}]}}
    given_spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return manifest("Deployment", name, "apps/v1", spec=given_spec)


def attached(*files: Path, workload: Workload = Workload.DEPLOYMENT, name: str = "shop") -> AttachedWorkload:
    return AttachedWorkload(workload, name, "shops", "http://127.0.0.1:1", manifests=tuple(map(str, files)))


def file_of(folder: Path, *objects: Object, name: str = "shop.yaml") -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump_all(objects))
    return file


class OneNamespace:
    """An API server with one namespace that remembers what it was told, in order."""

    namespace = "shops"

    def __init__(self, *standing: Object, failing: str = "") -> None:
        self.objects = {(str(obj["kind"]), name_of(obj)): obj for obj in standing}
        self.told: list[str] = []
        self._failing, self._uids = failing, itertools.count(1)

    def get(self, kind: ObjectKind, name: str) -> Object | None:
        return self.objects.get((kind.name, name))

    def served(self, api_version: str) -> tuple[ObjectKind, ...]:
        known = (CONFIG_MAP, SERVICE, DEPLOYMENT, CLUSTER_ROLE)
        return tuple(kind for kind in known if kind.api_version == api_version)

    def make(self, kind: ObjectKind, obj: Object, *, dry: bool = False) -> Object:
        if name_of(obj) == self._failing:
            raise Refused("cannot create it", 422, "is invalid", None)
        if self.get(kind, name_of(obj)) is not None:
            raise Refused("cannot create it", 409, "already exists", None)
        self.told.append(f"make {name_of(obj)}")
        obj["metadata"]["uid"] = f"u{next(self._uids)}"
        self.objects[kind.name, name_of(obj)] = obj
        return obj

    def delete(self, kind: ObjectKind, name: str, *, uid: str, last: bool) -> bool:
        assert last
        assert self.objects[kind.name, name]["metadata"]["uid"] == uid
        self.told.append(f"delete {name}")
        del self.objects[kind.name, name]
        return True

    def list(self, kind: ObjectKind, labels: str = "") -> Any:
        items = tuple(obj for (found, _), obj in self.objects.items() if found == kind.name)
        return type("Items", (), {"items": items})


class Notes:
    """A Lease that tells the same list what it was to remember."""

    def __init__(self, told: list[str], *, lost: bool = False) -> None:
        self._told, self._lost = told, lost

    def made(self, document: str) -> None:
        self._told.append(
            f"note {', '.join(o.name for o in made.read(document).objects)}" if document else "forget"
        )

    def taken(self) -> bool:
        return self._lost


def making(api: OneNamespace, *, lost: bool = False) -> Making:
    return Making(cast(Api, api), cast(ConductorLease, Notes(api.told, lost=lost)), "run-1")


BOTH = (GivenManifest(CONFIG_MAP, manifest()), GivenManifest(DEPLOYMENT, deployment()))


# -- reading ------------------------------------------------------------------------------------------


def test_files_of_several_documents_are_made_with_what_others_need_first(tmp_path: Path) -> None:
    listed = manifest("List", items=[manifest("Secret", "key")])
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump_all([deployment(), None, manifest(), listed]))
    assert [name_of(obj) for obj in given([str(file)], "shops")] == ["key", "note", "shop"]


def test_a_folder_is_rendered_as_kubectl_does(tmp_path: Path) -> None:
    file_of(tmp_path, deployment())
    kustomization = {"resources": ["shop.yaml"], "namePrefix": "our-", "namespace": "shops"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert [name_of(obj) for obj in given([str(tmp_path)], "shops")] == ["our-shop"]
    (tmp_path / "shop.yaml").unlink()
    with pytest.raises(InputError, match="kubectl kustomize: "):
        given([str(tmp_path)], "shops")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "document 1: is no Kubernetes object"),
        ("kind: ConfigMap\napiVersion: v1\n", "document 1: is no Kubernetes object"),
        ("kind: [\n", "is no YAML"),
        (
            yaml.safe_dump(manifest(metadata={"name": "a", "namespace": "b"})),
            "ConfigMap a lies in namespace b",
        ),
        (yaml.safe_dump_all([manifest(), manifest()]), "ConfigMap note is there twice"),
        (
            yaml.safe_dump(manifest("StatefulSet", spec={"volumeClaimTemplates": [{}]})),
            "their claims would outlive the run",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as refusal:
        given([str(file)], "shops")
    assert "\n" not in str(refusal.value)


def test_a_kind_without_a_namespace_or_unknown_to_the_cluster_is_refused(tmp_path: Path) -> None:
    api = cast(Api, OneNamespace())
    role = file_of(tmp_path, manifest("ClusterRole", "reader", CLUSTER_ROLE.api_version))
    with pytest.raises(InputError, match="ClusterRole reader belongs to no namespace"):
        manifests_of(api, attached(role))
    strange = file_of(tmp_path, manifest("IngressRoute", "shop", "traefik.io/v1alpha1"))
    with pytest.raises(InputError, match=r"no kind IngressRoute of traefik\.io/v1alpha1"):
        manifests_of(api, attached(strange))


def test_the_workload_is_found_by_name_or_by_the_labels_of_its_pods(tmp_path: Path) -> None:
    file = file_of(tmp_path, deployment("shop", replicas=4), deployment("till"))
    assert replicas_of(attached(file)) == 4
    assert replicas_of(attached(file, workload=Workload.SELECTOR, name="app=till")) == 1
    for name, said in (("app=nobody", "hold no workload with the labels"), ("app in (a)", "`key=value`")):
        with pytest.raises(InputError, match=said):
            replicas_of(attached(file, workload=Workload.SELECTOR, name=name))
    with pytest.raises(InputError, match="hold no Deployment shoop"):
        workload_in([deployment()], attached(name="shoop"))


def test_the_role_may_make_and_remove_exactly_these() -> None:
    assert [str(right) for right in rights.to_make(BOTH)] == [
        *("create configmaps", "get configmaps note", "delete configmaps note"),
        *("create deployments", "get deployments shop", "delete deployments shop"),
    ]


# -- what stands --------------------------------------------------------------------------------------


def noted(run: str) -> Object:
    document = made.written(made.MadeByRun(run, (made.MadeObject(CONFIG_MAP, "note"),)))
    return {"kind": LEASE.name, "metadata": {"name": NAME, "annotations": {MADE: document}}}


def of(run: str, uid: str = "u9") -> Object:
    return manifest(metadata={"name": "note", "uid": uid, "labels": {RUN_LABEL: run}})


@pytest.mark.parametrize(
    ("standing", "refused"),
    [
        ((), False),
        ((manifest(),), True),
        ((of("dead"),), True),
        ((of("dead"), noted("dead")), False),
        ((of("other"), noted("dead")), True),
    ],
)
def test_what_stands_is_refused_unless_a_lease_notes_it(standing: tuple[Object, ...], refused: bool) -> None:
    api = cast(Api, OneNamespace(*standing))
    if not refused:
        assert refuse_existing(api, BOTH) is bool(standing), "the run that left it goes before it is asked"
        return
    with pytest.raises(InputError, match="ConfigMap note stands already in namespace shops"):
        refuse_existing(api, BOTH)


# -- making and removing ------------------------------------------------------------------------------


def test_all_is_noted_before_the_first_is_made_and_forgotten_once_the_last_is_gone() -> None:
    api = OneNamespace()
    ours = making(api)
    ours.make(BOTH)
    assert all(labels_of(obj)[RUN_LABEL] == "run-1" for obj in api.objects.values())
    ours.remove()
    ours.remove()
    order = ["note note, shop", "make note", "make shop", "delete shop", "delete note", "forget"]
    assert api.told == order
    assert RUN_LABEL not in labels_of(BOTH[0].obj), "the manifest itself stays as it was read"


def test_half_of_it_is_removed_when_the_rest_cannot_be_made() -> None:
    api = OneNamespace(failing="shop")
    ours = making(api)
    with pytest.raises(Refused):
        ours.make(BOTH)
    ours.remove()
    assert api.told == ["note note, shop", "make note", "delete note", "forget"]


def test_one_that_came_between_is_neither_overwritten_nor_removed() -> None:
    theirs = deployment()
    api = OneNamespace(theirs)
    ours = making(api)
    with pytest.raises(InputError, match="Deployment shop stands already"):
        ours.make(BOTH)
    ours.remove()
    assert list(api.objects.values()) == [theirs]


def test_whoever_lost_the_lease_removes_nothing() -> None:
    api = OneNamespace()
    ours = making(api, lost=True)
    ours.make(BOTH)
    ours.remove()
    assert api.told == ["note note, shop", "make note", "make shop"]


def test_what_does_not_go_is_told() -> None:
    api = OneNamespace(of("run-1"))
    api.delete = lambda *_, **__: True  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match="ConfigMap note in namespace shops was deleted and does not go"):
        made.remove(
            cast(Api, api), made.MadeByRun("run-1", (made.MadeObject(CONFIG_MAP, "note"),)), timeout_s=0
        )


def test_a_note_is_read_as_it_was_written() -> None:
    note = made.MadeByRun("run-1", (made.MadeObject(CONFIG_MAP, "note"), made.MadeObject(DEPLOYMENT, "shop")))
    assert made.read(made.written(note)) == note


def test_a_pod_that_crashes_again_and_again_is_named() -> None:
    status = {
        "containerStatuses": [
            {"restartCount": 3, "image": "x", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        ]
    }
    pod = {"kind": POD.name, "metadata": {"name": "shop-1"}, "spec": {}, "status": status}
    api = cast(Api, OneNamespace(deployment(), pod))
    with pytest.raises(ClusterError, match=r"Deployment shop does not start: pod shop-1: it crashed 3 times"):
        await_ready(api, BOTH)
    with pytest.raises(ClusterError, match="was removed while it was waited for"):
        await_ready(cast(Api, OneNamespace()), BOTH)
