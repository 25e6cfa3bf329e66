"""A run from inside of the cluster, with the rights of `k8s/conductor/role.yaml` and no more."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import LEASE, NAMESPACE, name_of
from statefall.clusters.kubernetes.objects.labels import OURS
from statefall.clusters.kubernetes.ownership.lease import NAME as LEASE_NAME
from statefall.content import MANIFESTS
from statefall.records.terms import Service
from statefall.results.model import Outcome, Summary
from tests.kubernetes.conftest import IMAGE, target
from tests.kubernetes.hand import kubectl, own, secret
from tests.kubernetes.leftovers import cordoned, left_by_runs, made_by_runs, nodes_as_before
from tests.kubernetes.timeline import vacant
from tests.main_job.conductor import SHORT, SMALL_LOAD, overrides, run_folder

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-conductor"
DEADLINE_S = 400.0
OTHERS = ",".join(f"{name}={image}" for name, image in target().image_overrides.items())
DRAIN = (
    *("drain", "--seed", "7"),
    *overrides(("matrix.state=[memory]", "matrix.fault=[drain]", "phases.warmup_s=4", "phases.baseline_s=1")),
    *overrides(SMALL_LOAD),
)
END_OF_SLEEP = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    if open(f"/proc/{pid}/cmdline").read().startswith("sleep"):
        os.kill(int(pid), signal.SIGTERM)
"""
"""Ends the conductor's time in which its results can be fetched."""
IMAGES = [{"name": "STATEFALL_IMAGE", "value": IMAGE}, {"name": "STATEFALL_IMAGES", "value": OTHERS}]


@pytest.fixture
def empty() -> Iterator[Api]:
    with vacant(target(NAME)) as api:
        yield api


def job(message: str, fetch_s: int) -> dict[str, object]:
    """The manifest's Job with these words for the run, so long to fetch, and the tests' image to deploy."""
    (made,) = [t for t in manifests.render("conductor") if t["kind"] == "Job" and name_of(t) == "conductor"]
    script = str(made["spec"]["template"]["spec"]["containers"][0]["args"][0])
    for written, tried in (
        ("--out /results", f"--out /results {message}"),
        ("sleep 3600", f"sleep {fetch_s}"),
    ):
        assert script.count(written) == 1
        script = script.replace(written, tried)
    container = "/spec/template/spec/containers/0"
    patch = [
        {"op": "replace", "path": f"{container}/args/0", "value": script},
        {"op": "add", "path": f"{container}/env", "value": IMAGES},
    ]
    return {"target": {"kind": "Job", "name": "conductor"}, "patch": json.dumps(patch)}


def set_up(folder: str) -> None:
    """As the README says: the secret before the conductor."""
    kubectl("create", "namespace", NAME)
    kubectl("label", "namespace", NAME, OURS)
    secret(NAME)
    kubectl("apply", "-k", folder)


def await_condition(condition: str, within_s: int) -> None:
    wanted = (f"--for=condition={condition}", "job/conductor", f"--timeout={within_s}s")
    kubectl("-n", NAME, "wait", *wanted)


def said() -> str:
    """What the conductor's container has said so far; empty while it has not begun."""
    pods = kubectl("-n", NAME, "get", "pod", "-l", "job-name=conductor", "-o", "json")
    for pod in json.loads(pods)["items"]:
        if pod["status"]["phase"] != "Pending":
            return kubectl("-n", NAME, "logs", pod["metadata"]["name"])
    return ""


def test_a_conductor_in_a_pod_runs_the_experiment_and_its_results_can_be_fetched(
    empty: Api, tmp_path: Path
) -> None:
    words = ("--seed", "7", *overrides(("matrix.balancer=[sticky]",), SHORT, SMALL_LOAD))
    folder = own("conductor", NAME, tmp_path, [job(shlex.join(words), fetch_s=600)])
    set_up(folder)
    deadline = time.monotonic() + DEADLINE_S
    while not (ended := re.search(r"^exit code (\d+)$", text := said(), re.MULTILINE)):
        assert time.monotonic() < deadline, f"it has not ended: {text}"
        time.sleep(0.5)
    assert ended[1] == "0", text
    pod = kubectl("-n", NAME, "get", "pod", "-l", "job-name=conductor", "-o", "name").strip()
    kubectl("-n", NAME, "cp", f"{pod.removeprefix('pod/')}:/results", str(tmp_path / "runs"))
    summary = Summary.from_json((run_folder(tmp_path / "runs") / "summary.json").read_bytes())
    assert summary.valid
    assert summary.verdict is Outcome.PASSED
    lost = {cell.service: cell.sessions.lost for cell in summary.cells}
    assert lost[Service.STATELESS] == 0
    assert lost[Service.STATEFUL] > 0
    with suppress(AssertionError):  # the container may end before it has answered
        kubectl("-n", NAME, "exec", pod, "--", "python", "-c", END_OF_SLEEP)
    await_condition("Complete", within_s=60)
    kubectl("delete", "-k", folder, "--ignore-not-found", "--wait=true", "--timeout=120s")
    assert empty.get(NAMESPACE, NAME) is None


def test_the_job_ends_as_its_run_did(empty: Api, tmp_path: Path) -> None:
    set_up(own("conductor", NAME, tmp_path, [job("nonsense", fetch_s=1)]))
    await_condition("Failed", within_s=120)
    text = said()
    assert "unknown experiment 'nonsense'" in text
    assert text.rstrip().endswith("exit code 2")


@pytest.fixture
def may_cordon(whole_cluster: None, empty: Api, tmp_path: Path) -> Iterator[None]:
    """The right to nodes of `nodes.yaml`, under a name of the tests' own."""
    text = (MANIFESTS / "conductor" / "nodes.yaml").read_text()
    for written, tried in (
        ("name: statefall-nodes", f"name: {NAME}"),
        ("namespace: statefall", f"namespace: {NAME}"),
    ):
        assert written in text
        text = text.replace(written, tried)
    file = tmp_path / "nodes.yaml"
    file.write_text(text)
    kubectl("apply", "-f", str(file))
    try:
        with nodes_as_before(empty):
            yield
    finally:
        kubectl("delete", "-f", str(file))


def test_a_conductor_whose_job_is_deleted_takes_its_cell_its_load_and_its_cordon_away(
    empty: Api, may_cordon: None, tmp_path: Path
) -> None:
    set_up(own("conductor", NAME, tmp_path, [job(shlex.join(DRAIN), fetch_s=3600)]))
    deadline = time.monotonic() + DEADLINE_S
    before = cordoned(empty)
    while cordoned(empty) == before:
        assert time.monotonic() < deadline, f"it came to no drain: {said()}"
        time.sleep(0.1)
    existing = made_by_runs(empty)
    assert "Job load" in existing
    assert any(obj.startswith("Deployment ") for obj in existing)
    kubectl("-n", NAME, "delete", "job", "conductor")
    kubectl("-n", NAME, "wait", "--for=delete", "pod", "-l", "job-name=conductor", "--timeout=180s")
    assert left_by_runs(empty) == []
    assert cordoned(empty) == before
    assert empty.get(LEASE, LEASE_NAME) is None
