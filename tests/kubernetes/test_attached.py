"""A Deployment that somebody made by hand, behind a balancer of theirs: hit, counted, and left as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from statefall.cli.main import invoke
from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached.cluster import AttachedCluster, AttachedPlan
from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, LEASE, POD
from statefall.clusters.kubernetes.ownership.lease import NAME as LEASE_NAME
from statefall.clusters.protocol import ClusterError
from statefall.conductor.choice import plan_for
from statefall.conductor.reading import read
from statefall.records.events import Event, FaultActed, FaultObserved, PhaseStarted
from statefall.records.load import LoadConfig
from statefall.records.verdicts import SessionRecord, Verdict
from statefall.results.stored import StoredRun
from tests.kubernetes.access import as_service_account
from tests.kubernetes.conftest import target
from tests.kubernetes.customers import Customer, customers
from tests.kubernetes.hand import kubectl
from tests.kubernetes.leftovers import cordoned
from tests.kubernetes.timeline import removed
from tests.main_job.conductor import STATEFALL, run_folder, wait_gone

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(500)]

HERE = Path(__file__).parent / "shop"
NAMESPACE_NAME = "byhand-test"
HOST = "shop.example.com"
FAULTS = ("kill", "delete", "scale-in", "scale-out")
PHASES = {"warmup_s": 4, "baseline_s": 1, "fault_s": 2, "recovery_s": 7}
LONG = {**PHASES, "recovery_s": 30}
"""For all pods to be replaced, on a busy machine."""
DEADLINE_S = 150.0


@dataclass(frozen=True)
class Shop:
    """What stands, and how it is reached."""

    api: Api
    address: str

    @property
    def spec(self) -> dict[str, Any]:
        """Of the Deployment: replicas, template and all."""
        found = self.api.get(DEPLOYMENT, "shop")
        assert found is not None
        return dict(found["spec"])

    @property
    def version(self) -> str:
        """Changes with every write to the Deployment's spec."""
        found = self.api.get(DEPLOYMENT, "shop")
        assert found is not None
        return str(found["metadata"]["generation"])

    @property
    def lease(self) -> object:
        return self.api.get(LEASE, LEASE_NAME)

    def uids(self) -> set[str]:
        return {str(pod["metadata"]["uid"]) for pod in self.api.list(POD, "app=shop").items}

    def document(self, **changes: Any) -> dict[str, Any]:
        """A user's file; `kubernetes` in the changes is merged, the rest replaces."""
        kubernetes = {"deployment": "shop", "namespace": NAMESPACE_NAME, "url": f"http://{self.address}"}
        for key, value in changes.pop("kubernetes", {}).items():
            kubernetes = {k: v for k, v in {**kubernetes, key: value}.items() if v is not None}
        return {
            "name": "rollout",
            "summary": "What do our users lose?",
            "service": {
                "journey": f"{HERE / 'buyer.py'}:Buyer",
                "state": "replica",
                "kubernetes": kubernetes,
                "host": HOST,
                "answered_by": {"header": "X-Pod"},
            },
            "matrix": {"fault": ["kill"]},
            "load": {"shoppers": 20, "arrivals_s": 2, "think_time_s": 0.5},
            "phases": PHASES,
            **changes,
        }


def until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Made with kubectl, from files that know of no tool."""
    api = Api(configuration(target()), NAMESPACE_NAME)
    removed(api)
    here = ("-n", NAMESPACE_NAME)
    try:
        kubectl("create", "namespace", NAMESPACE_NAME)
        kubectl(*here, "create", "configmap", "shop-code", f"--from-file={HERE / 'shop.py'}")
        kubectl(*here, "apply", "-f", str(HERE / "shop.yaml"))
        for name in ("shop", "traefik"):
            kubectl(*here, "rollout", "status", f"deployment/{name}", "--timeout=200s")
        addresses = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        node = kubectl("get", "nodes", "-o", f"jsonpath={addresses}")
        port = kubectl(*here, "get", "service", "traefik", "-o", "jsonpath={.spec.ports[0].nodePort}")
        found = Shop(api, f"{node}:{port}")
        with customers(1, found.address, HOST) as first:
            until(lambda: first[0].sessions, "a customer was served")
        yield found
    finally:
        removed(api)
        api.close()


def written(folder: Path, document: dict[str, Any]) -> str:
    file = folder / "rollout.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


@contextmanager
def role_of(shop: Shop, file: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """A kubeconfig with the rights of the Role that `doctor` prints for this file, and no others."""
    capsys.readouterr()
    assert invoke(["doctor", file, "--cluster", "kubernetes", "--role"]) == 0
    role = folder / "role.yaml"
    role.write_text(capsys.readouterr().out)
    kubectl("apply", "-f", str(role))
    try:
        yield as_service_account(shop.api, "statefall", folder)
    finally:
        kubectl("delete", "-f", str(role))


# -- what is lost ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("faults", "phases"), [(FAULTS, PHASES), (("roll",), LONG)], ids=["four", "roll"])
def test_each_fault_loses_what_an_independent_client_loses_and_the_deployment_is_as_before(
    shop: Shop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    faults: tuple[str, ...],
    phases: dict[str, float],
) -> None:
    before = shop.spec
    file = written(tmp_path, shop.document(matrix={"fault": list(faults)}, phases=phases))
    with role_of(shop, file, tmp_path, capsys) as kubeconfig:
        others = watched_run(shop, file, kubeconfig, tmp_path / "out")
    assert shop.spec == before
    assert shop.lease is None
    stored = StoredRun(run_folder(tmp_path / "out"))
    events, loads = stored.events(), stored.loads()
    found = {}
    for cell, load in loads.items():
        kind = next(fault for fault in faults if cell.endswith(fault))
        theirs = _of_customers(others[cell], events, cell)
        found[kind] = (_of_ledger(load.sessions), theirs, _hit(events, cell))
    assert set(found) == set(faults)
    for kind, (ours, theirs, hit) in found.items():
        gone = {"scale-out": set(), "roll": ours.lost | ours.kept}.get(kind, hit)
        assert ours.lost == gone, f"{kind}: {found[kind]}"
        assert theirs.lost == gone, f"{kind}: {found[kind]}"
        assert not (ours.kept | theirs.kept) & gone, f"{kind}: kept by a replica that is gone: {found[kind]}"


def watched_run(shop: Shop, file: str, kubeconfig: Path, out: Path) -> dict[str, list[Customer]]:
    """Run the file with these rights; customers come with each cell's warmup and stay for the cell."""
    found: dict[str, list[Customer]] = {}
    command = [STATEFALL, "run", file, "--cluster", "kubernetes", "--yes", "--json", "--out", str(out)]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with (out.parent / "errors").open("w") as errors, ExitStack() as there:
        started = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
        with started as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                if (said["kind"], said.get("phase")) == ("phase", "warmup"):
                    there.close()
                    found[said["cell"]] = there.enter_context(customers(15, shop.address, HOST))
        assert process.returncode == 0, (out.parent / "errors").read_text()
    return found


@dataclass(frozen=True)
class Homes:
    """The replicas whose sessions were lost, and those whose sessions were kept."""

    lost: set[str]
    kept: set[str]


def _of_ledger(sessions: tuple[SessionRecord, ...]) -> Homes:
    """The homes of the sessions that the tool calls lost, and of those that it calls kept."""
    live = [record for record in sessions if record.live_at_mark]
    return Homes(
        {record.pod for record in live if record.verdict is Verdict.LOST},
        {record.pod for record in live if record.verdict is Verdict.KEPT},
    )


def _of_customers(found: list[Customer], events: tuple[Event, ...], cell: str) -> Homes:
    """The same by the customers' own books, between the act and the end of the cell's load."""
    act = next(e.at_s for e in events if isinstance(e, FaultActed) and e.cell == cell)
    end = next(
        e.at_s for e in events if isinstance(e, PhaseStarted) and e.cell == cell and e.phase == "audit"
    )
    alive = [session for each in found for session in each.sessions if session.home(act)]
    lost = {session.home(act) for session in alive if session.lost_within(act, end)}
    return Homes(lost, {session.home(act) for session in alive if not session.lost_within(act, end)})


def _hit(events: tuple[Event, ...], cell: str) -> set[str]:
    """The pods that the journal says were seen to be hit."""
    observed = next(e for e in events if isinstance(e, FaultObserved) and e.cell == cell)
    return {victim.pod for victim in observed.victims}


# -- put back after a killed conductor ------------------------------------------------------------


@pytest.mark.usefixtures("whole_cluster")
def test_what_a_killed_conductor_left_is_put_back_by_recover(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = shop.spec
    faults = [{"kind": "scale-in"}, {"kind": "roll", "at_s": 0.5}]
    phases = {"warmup_s": 3, "baseline_s": 1, "fault_s": 60, "recovery_s": 1}
    document = shop.document(matrix={}, faults=faults, phases=phases)
    file = written(tmp_path, document)
    process = subprocess.Popen(
        [STATEFALL, "run", file, "--cluster", "kubernetes", "--yes", "--out", str(tmp_path / "out")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _is_rolled(shop.spec), "the workload was scaled and rolled")
        import psutil

        started = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert wait_gone(started) == []
    assert shop.spec["replicas"] == before["replicas"] - 1
    assert shop.lease is not None
    capsys.readouterr()
    assert invoke(["recover", "--cluster", "kubernetes"]) == 0
    said = capsys.readouterr().out
    assert f"namespace {NAMESPACE_NAME}: Deployment shop has 3 replicas again" in said
    assert "the pods' template of Deployment shop is as before" in said
    assert shop.spec == before
    assert shop.lease is None
    kubectl("-n", NAMESPACE_NAME, "rollout", "status", "deployment/shop", "--timeout=200s")


def _is_rolled(spec: dict[str, Any]) -> bool:
    return spec["replicas"] == 2 and "statefall/rolled-at" in spec["template"]["metadata"]["annotations"]


# -- by hand --------------------------------------------------------------------------------------


def by_hand(*arguments: str) -> int:
    return invoke(["fault", *arguments, "--cluster", "kubernetes", "--namespace", NAMESPACE_NAME, "--yes"])


def test_a_kill_by_hand_restarts_a_pod_of_the_deployment(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: len(shop.uids()) == 3, "three pods are there")
    before = (shop.spec, shop.uids())
    assert by_hand("kill", "--deployment", "shop") == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "SIGKILL: 1 of 3 replicas" in said
    assert "container exited: shop-" in said
    assert (shop.spec, shop.uids()) == before
    assert shop.lease is None


@pytest.fixture(scope="module")
def till(shop: Shop) -> Shop:
    """A StatefulSet beside it."""
    here = ("-n", NAMESPACE_NAME)
    kubectl(*here, "apply", "-f", str(HERE / "till.yaml"))
    kubectl(*here, "rollout", "status", "statefulset/till", "--timeout=200s")
    return shop


@pytest.mark.usefixtures("whole_cluster")
@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        (("kill",), "(signal 9)"),
        (("pause", "--duration", "1"), "every process stopped"),
        (("delete",), "pod gone: till-"),
        (("drain",), "drained, pod gone"),
        (("roll",), "replaced"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_a_stateful_set_that_a_selector_finds_is_hit_by_hand_and_put_back(
    till: Shop, capsys: pytest.CaptureFixture[str], fault: tuple[str, ...], effect: str
) -> None:
    before = cordoned(till.api)
    assert by_hand(*fault, "--selector", "app=till") == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert effect in said
    assert "2 replicas are ready" in said
    assert till.lease is None
    assert cordoned(till.api) == before


# -- refusals -------------------------------------------------------------------------------------


@pytest.fixture
def unchanged(shop: Shop) -> Iterator[None]:
    """Nothing that the test does changes anything."""
    until(lambda: len(shop.uids()) == 3, "three pods are there")
    before = (shop.spec, shop.version, shop.uids())
    yield
    assert (shop.spec, shop.version, shop.uids()) == before
    assert shop.lease is None


REFUSALS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "no label": ({}, [], f"namespace {NAMESPACE_NAME}: does not carry the label"),
    "two workloads": (
        {"kubernetes": {"deployment": None, "selector": "app in (shop, traefik)"}},
        ["--yes"],
        "matches the pods of Deployment shop and Deployment traefik",
    ),
    "not there": ({"kubernetes": {"deployment": "shoop"}}, ["--yes"], "there is no Deployment shoop"),
    "no namespace": (
        {"kubernetes": {"namespace": "nowhere"}},
        ["--yes"],
        "there is no Deployment shop in namespace nowhere",
    ),
    "other replicas": ({"replicas": 5}, ["--yes"], "has 3 replicas, the experiment says 5"),
    "too many": (
        {"matrix": {}, "faults": [{"kind": "kill", "count": 2}]},
        ["--yes"],
        "takes 2 replicas down at once, and most_down is 1",
    ),
    "no container": ({"kubernetes": {"container": "app"}}, ["--yes"], "have no container app"),
    "unreachable pause": ({"matrix": {"fault": ["pause"]}}, ["--yes"], "`pause` does not reach"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_does_not_fit_is_refused_in_one_line(
    shop: Shop, unchanged: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    changes, arguments, said = REFUSALS[name]
    file = written(tmp_path, shop.document(**changes))
    out = tmp_path / "out"
    assert invoke(["run", file, "--cluster", "kubernetes", "--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_a_missing_right_is_named_and_nothing_is_done(
    shop: Shop,
    unchanged: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for_kill = written(tmp_path, shop.document())
    with role_of(shop, for_kill, tmp_path, capsys) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        file = written(tmp_path, shop.document(matrix={"fault": ["scale-in"]}))
        assert invoke(["run", file, "--cluster", "kubernetes", "--yes", "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert invoke(["doctor", file, "--cluster", "kubernetes"]) == 2
        monkeypatch.undo()
    assert "you may not patch deployments/scale shop, list horizontalpodautoscalers" in error
    assert len(error.splitlines()) == 1
    assert "MISSING  service rollout" in capsys.readouterr().out


def test_replicas_that_an_autoscaler_has_are_not_scaled(
    shop: Shop, unchanged: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ("-n", NAMESPACE_NAME)
    kubectl(*here, "autoscale", "deployment", "shop", "--min=3", "--max=3", "--cpu-percent=80")
    try:
        file = written(tmp_path, shop.document(matrix={"fault": ["scale-out"]}))
        assert invoke(["run", file, "--cluster", "kubernetes", "--yes", "--out", str(tmp_path / "out")]) == 2
    finally:
        kubectl(*here, "delete", "hpa", "shop")
    assert "belong to HorizontalPodAutoscaler shop" in capsys.readouterr().err


def test_a_dry_run_names_what_would_be_touched_and_touches_nothing(
    shop: Shop, unchanged: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, shop.document(matrix={"fault": list(FAULTS)}))
    assert invoke(["run", file, "--cluster", "kubernetes", "--dry-run", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"Deployment shop in namespace {NAMESPACE_NAME}" in said
    assert all(uid in said for uid in shop.uids())
    assert "scaled from 3 to 2 replicas; to 3 again after the cell" in said
    assert said.endswith("nothing was changed\n")
    assert not (tmp_path / "out").exists()


class NoLoad:
    """No load: for what is asked of the cluster alone."""

    def start_load(self, config: LoadConfig) -> str:
        return config.target

    def load_end(self) -> str:
        return ""

    def stop_load(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing was taken."""


def test_a_pod_that_was_replaced_since_it_was_chosen_is_left_alone(
    shop: Shop, unchanged: None, tmp_path: Path
) -> None:
    file = Path(written(tmp_path, shop.document()))
    plan = plan_for("kubernetes", file, read(file), seed=1, repeats=1)
    cluster = AttachedCluster(
        tmp_path / "run", AttachedPlan(plan.services, plan.cells, confirmed=True), load=NoLoad()
    )
    cluster.open()
    try:
        cluster.deploy(plan.cells[0])
        pod = cluster.pods()[0]
        before = replace(pod, uid="00000000-0000-0000-0000-000000000000")
        for act in (cluster.kill, cluster.delete, cluster.evict, cluster.pause):
            with pytest.raises(ClusterError, match="was replaced since it was chosen"):
                act(before)
        foreign = json.loads(kubectl("-n", NAMESPACE_NAME, "get", "pods", "-l", "app=traefik", "-o", "json"))
        metadata = foreign["items"][0]["metadata"]
        with pytest.raises(ClusterError, match="is none of Deployment shop: left alone"):
            cluster.delete(replace(pod, name=metadata["name"], uid=metadata["uid"]))
        assert cluster.start_load(_idle()) == f"http://{shop.address}"
        cluster.withdraw()
    finally:
        cluster.close()


def _idle() -> LoadConfig:
    return LoadConfig(cell="c1", target="", seed=1, shoppers=())
