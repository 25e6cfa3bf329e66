"""A run from inside of the cluster, with the rights of `k8s/conductor/role.yaml` and no more."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.kubernetes.api import Api
from clusters.kubernetes.kinds import NAMESPACE
from foundation.terms import Service
from results.model import Outcome, Summary
from tests.kubernetes.conftest import IMAGE, place
from tests.kubernetes.hand import kubectl, own, secret
from tests.kubernetes.test_experiment import PHASES
from tests.kubernetes.timeline import vacant
from tests.main_job.conductor import overrides, run_folder

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

NAME = "statefall-conductor"
DEADLINE_S = 400.0


@pytest.fixture
def empty() -> Iterator[Api]:
    with vacant(place(NAME)) as api:
        yield api


def shorter() -> dict[str, object]:
    """The manifest's Job with two cells, and with the tests' image for what it deploys."""
    words = ("--seed", "7", *overrides(("matrix.balancer=[sticky]",)), *PHASES)
    command = f"statefall run --cluster kubernetes --out /results {' '.join(words)}"
    container = "/spec/template/spec/containers/0"
    patch = [
        {
            "op": "replace",
            "path": f"{container}/args/0",
            "value": f'{command}; echo "exit code $?"; exec sleep 3600',
        },
        {"op": "add", "path": f"{container}/env", "value": [{"name": "STATEFALL_IMAGE", "value": IMAGE}]},
    ]
    return {"target": {"kind": "Job", "name": "conductor"}, "patch": json.dumps(patch)}


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
    folder = own("conductor", NAME, tmp_path, [shorter()])
    kubectl("apply", "-k", folder)
    secret(NAME)
    deadline = time.monotonic() + DEADLINE_S
    while not (ended := re.search(r"^exit code (\d+)$", text := said(), re.MULTILINE)):
        assert time.monotonic() < deadline, f"it has not ended: {text}"
        time.sleep(2.0)
    assert ended[1] == "0", text
    pod = kubectl("-n", NAME, "get", "pod", "-l", "job-name=conductor", "-o", "name").strip()
    kubectl("-n", NAME, "cp", f"{pod.removeprefix('pod/')}:/results", str(tmp_path / "runs"))
    summary = Summary.from_json((run_folder(tmp_path / "runs") / "summary.json").read_bytes())
    assert summary.valid
    assert summary.verdict is Outcome.PASSED
    lost = {cell.service: cell.sessions.lost for cell in summary.cells}
    assert lost[Service.STATELESS] == 0
    assert lost[Service.STATEFUL] > 0
    kubectl("delete", "-k", folder, "--ignore-not-found", "--wait=true", "--timeout=120s")
    assert empty.get(NAMESPACE, NAME) is None
