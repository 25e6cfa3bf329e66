"""What is refused at the start, and what is left after the end."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from statefall.clusters.local import LocalCluster, programs
from statefall.clusters.local.directories import CACHE_VARIABLE, cache_directory
from statefall.clusters.local.processes import RECORD
from statefall.clusters.protocol import ClusterError, Transition
from statefall.records.cells import CellSpec
from statefall.records.errors import EnvironmentUnfit
from tests.clusters.local.conftest import SMALL
from tests.clusters.local.test_side_by_side import run_key
from tests.clusters.local.watching import Watch, processes_of, wait_until

MakeCluster = Callable[..., LocalCluster]


def home(cluster: LocalCluster) -> Path:
    return cluster._home


def pid_of(cluster: LocalCluster, role: str) -> int:
    processes = json.loads((home(cluster) / RECORD).read_text())["processes"]
    return next(int(entry["pid"]) for entry in processes if entry["role"] == role)


def test_a_missing_program_is_named_with_the_mend(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentUnfit, match=r"Traefik is not installed.*pip install .statefall\[local\]"):
        make_cluster().open()


def test_programs_on_path_are_found_where_the_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packaged = programs.find_programs()
    (tmp_path / "traefik").symlink_to(packaged.traefik)
    (tmp_path / "redis-server").symlink_to(packaged.store)
    (tmp_path / "postgres").symlink_to(packaged.database / "postgres")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find_programs() == packaged


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's database runs as that user")
def test_a_cache_that_the_database_cannot_enter_is_refused(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv(CACHE_VARIABLE, str(closed / "cache"))
    cluster = make_cluster()
    with pytest.raises(EnvironmentUnfit, match=f"cannot enter.*set {CACHE_VARIABLE}"):
        cluster.open()
    assert not home(cluster).exists()
    assert list((closed / "cache" / "live").iterdir()) == []


def test_a_cache_that_cannot_be_made_is_refused(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(EnvironmentUnfit, match="cannot write: Not a directory"):
        make_cluster().open()


def test_data_that_cannot_be_loaded_says_why_and_is_made_anew_next_time(
    make_cluster: MakeCluster, cache: Path
) -> None:
    prepare = (sys.executable, "-c", "import sys; sys.exit('no such shop')")
    assert SMALL.local is not None
    kept = replace(SMALL.local, prepare=prepare, prepared_from=(__file__,))
    broken = (replace(SMALL, local=kept),)
    before = set((cache_directory() / "live").iterdir())
    cluster = make_cluster(services=broken)
    with pytest.raises(ClusterError, match="could not prepare the data: exit 1: no such shop"):
        cluster.open()
    assert (home(cluster) / "logs" / "prepare.log").exists(), "the logs of what failed stay"
    assert set((cache / "live").iterdir()) == before
    with pytest.raises(ClusterError, match="no such shop"):
        make_cluster(services=broken).open()


def test_close_leaves_nothing_and_may_be_called_at_any_time(
    make_cluster: MakeCluster, deployment: Callable[..., CellSpec], cache: Path
) -> None:
    cluster = make_cluster()
    cluster.close()
    cluster = make_cluster()
    cluster.open()
    cluster.deploy(deployment(replicas=2))
    key = run_key(home(cluster).parent)
    target, address = cluster.base_url, cluster.pods()[0].address
    assert len(processes_of(key)) >= 4
    cluster.close()
    cluster.close()
    assert processes_of(key) == []
    assert not home(cluster).exists()
    assert not (cache / "live" / key).exists()
    for url in (target, f"http://{address}"):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
    with pytest.raises(ClusterError, match="not open"):
        cluster.pods()


def test_logs_stay_when_a_replica_ended_by_itself(
    make_cluster: MakeCluster, deployment: Callable[..., CellSpec]
) -> None:
    cluster = make_cluster()
    try:
        cluster.open()
        cluster.deploy(deployment(replicas=1))
        (pod,) = cluster.pods()
        watch = Watch(cluster)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://{pod.address}/crash")
        watch.until(pod, Transition.CONTAINER_EXITED)
    finally:
        cluster.close()
    assert (home(cluster) / "logs" / f"{pod.name}.log").exists()
    assert not (home(cluster) / RECORD).exists()


@pytest.mark.parametrize(
    ("role", "number", "how"),
    [
        ("balancer", signal.SIGKILL, "signal 9"),
        ("store", signal.SIGKILL, "signal 9"),
        ("database", signal.SIGQUIT, "exit 0"),  # SIGKILL would leave its shared memory to the machine
    ],
)
def test_the_loss_of_a_part_that_all_need_is_told_by_every_later_call(
    make_cluster: MakeCluster, deployment: Callable[..., CellSpec], role: str, number: int, how: str
) -> None:
    cluster = make_cluster()
    try:
        cluster.open()
        cluster.deploy(deployment(replicas=1))
        os.kill(pid_of(cluster, role), number)

        told: list[str] = []

        def refused() -> bool:
            try:
                cluster.scale(1)
            except ClusterError as error:
                told.append(str(error))
            return bool(told)

        wait_until(refused, "the loss is reported")
        assert told[0].startswith(f"the {role} ended ({how}")
    finally:
        cluster.close()


def test_a_subscriber_that_fails_is_told_by_the_next_call(
    make_cluster: MakeCluster, deployment: Callable[..., CellSpec]
) -> None:
    cluster = make_cluster()
    try:
        cluster.open()

        def fails(transition: object) -> None:
            raise ValueError("not today")

        cluster.subscribe(fails)
        with pytest.raises(ClusterError, match="a subscriber failed on created: ValueError"):
            cluster.deploy(deployment(replicas=1))
    finally:
        cluster.close()
