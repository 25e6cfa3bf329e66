"""What one can get wrong about a cluster on the command line: one line, exit code 2, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, JOB, NAMESPACE, POD, STATEFUL_SET, name_of
from statefall.clusters.kubernetes.objects.labels import PART_OF
from tests.kubernetes.access import as_service_account, grant
from tests.kubernetes.conftest import IMAGE
from tests.kubernetes.test_input import elsewhere, kubeconfig, make_namespace, on_a_cluster, quota
from tests.main_job.conductor import call, overrides
from tests.main_job.test_wrong_input import refused

__all__ = ["elsewhere", "kubeconfig"]

CLUSTER = ("--cluster", "kubernetes")
RUN, DOCTOR, RECOVER = ("run", *CLUSTER), ("doctor", *CLUSTER), ("recover", *CLUSTER)


def examined(cwd: Path) -> str:
    """What `doctor` finds missing."""
    done = call(*DOCTOR, cwd=cwd)
    assert done.returncode == 2, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith("MISSING"))


def nothing_ran(api: Api, cwd: Path) -> None:
    """No object of a run stands, and no folder of one."""
    kinds = (STATEFUL_SET, DEPLOYMENT, JOB, POD)
    assert [name_of(obj) for kind in kinds for obj in api.list(kind).items] == []
    assert not list(cwd.glob("results/runs/*"))


@pytest.mark.parametrize("arguments", [RUN, RECOVER], ids=["run", "recover"])
def test_no_cluster_answers(arguments: tuple[str, ...], kubeconfig: Path, tmp_path: Path) -> None:
    assert "https://127.0.0.1:9 does not answer" in refused(*arguments, cwd=tmp_path)
    assert "https://127.0.0.1:9 does not answer" in examined(tmp_path)


@pytest.mark.parametrize("arguments", [RUN, RECOVER], ids=["run", "recover"])
def test_the_context_is_not_there(
    arguments: tuple[str, ...], kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATEFALL_CONTEXT", "there")
    assert "no context 'there'" in refused(*arguments, cwd=tmp_path)
    assert "no context 'there'" in examined(tmp_path)


@pytest.mark.parametrize(
    ("override", "part"),
    [("deploy.pre_stop_s=0.5", "whole seconds, not 0.5"), ("deploy.grace_s=2", "leave a replica no time")],
)
def test_an_end_that_kubernetes_cannot_give_is_refused_before_anything_is_asked(
    override: str, part: str, kubeconfig: Path, tmp_path: Path
) -> None:
    assert part in refused(*RUN, "--set", override, cwd=tmp_path)


@on_a_cluster
def test_verbs_are_missing(elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    grant(elsewhere, "weak", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])
    weak = str(as_service_account(elsewhere, "weak", tmp_path))
    monkeypatch.setenv("KUBECONFIG", weak)
    monkeypatch.setenv("STATEFALL_NAMESPACE", elsewhere.namespace)
    assert "not allowed" in refused(*RUN, cwd=tmp_path)
    assert "delete pods" in examined(tmp_path)
    assert "not allowed" in refused(*RECOVER, cwd=tmp_path)
    nothing_ran(elsewhere, tmp_path)


@on_a_cluster
@pytest.mark.timeout(300)
def test_the_image_is_nowhere(elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEFALL_NAMESPACE", elsewhere.namespace)
    monkeypatch.setenv("STATEFALL_IMAGE", "statefall:never-built")
    assert "statefall:never-built is not on" in examined(tmp_path)
    line = refused(*RUN, cwd=tmp_path)
    assert "statefall:never-built cannot be had" in line
    assert "build and load it" in line
    assert elsewhere.get(NAMESPACE, elsewhere.namespace) is None


@on_a_cluster
def test_the_quota_is_too_small(elsewhere: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_namespace(elsewhere, **{PART_OF: "statefall"})
    elsewhere.create(quota(pods="7"))
    monkeypatch.setenv("STATEFALL_NAMESPACE", elsewhere.namespace)
    monkeypatch.setenv("STATEFALL_IMAGE", IMAGE)
    assert call(*DOCTOR, cwd=tmp_path).returncode == 0, "the default experiment fits"
    more = overrides(("replicas=4", "load.workers=2"))
    assert "leaves 7 of pods, 10 are needed" in refused(*RUN, *more, cwd=tmp_path)
    nothing_ran(elsewhere, tmp_path)
