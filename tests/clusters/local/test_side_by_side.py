"""Several harnesses on one machine, harnesses that are killed, harnesses of ordinary users."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from statefall.clusters.local import LocalCluster, identity
from statefall.clusters.local.directories import CACHE_VARIABLE, LiveRun, replace_file
from statefall.clusters.local.processes import MARKER, RECORD
from statefall.clusters.local.recovery import recover, recover_all
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from tests.clusters.local.watching import gone, processes_of, wait_until

LINUX_ONLY = pytest.mark.skipif(
    sys.platform != "linux", reason="children die with their parent on Linux alone"
)


@contextmanager
def harness(
    run_dir: Path,
    control: Path,
    *more: str,
    become: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[subprocess.Popen[str]]:
    """A harness in a process of its own; ended, at the latest, with the block."""
    process = subprocess.Popen(
        [*become, sys.executable, "-m", "tests.clusters.local.harness", str(run_dir), str(control), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the harness said once its deployment was ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the harness ended: {process.communicate()[1]}")
    return dict(json.loads(line))


def run_key(run_dir: Path) -> str:
    return str(json.loads((run_dir / "cluster" / RECORD).read_text())["run"])


def test_two_clusters_in_one_process_do_not_meet(
    make_cluster: Callable[..., LocalCluster], deployment: Callable[..., CellSpec]
) -> None:
    one, two = make_cluster(), make_cluster()
    try:
        one.open()
        two.open()
        one.deploy(deployment(name="one", replicas=2))
        two.deploy(deployment(name="two", replicas=2))
        assert httpx.get(one.base_url).json()["pod"].startswith("one-")
        assert httpx.get(two.base_url).json()["pod"].startswith("two-")
        one.close()
        assert httpx.get(two.base_url).json()["pod"].startswith("two-")
    finally:
        one.close()
        two.close()


@LINUX_ONLY
def test_a_killed_harness_leaves_no_process_and_recover_removes_its_data(tmp_path: Path, cache: Path) -> None:
    with harness(tmp_path / "run", tmp_path) as process:
        target = str(said(process)["target"])
        key = run_key(tmp_path / "run")
        recorded = json.loads((tmp_path / "run" / "cluster" / RECORD).read_text())["processes"]
        assert sorted(entry["role"].split()[0] for entry in recorded) == [
            "balancer",
            "database",
            "replica",
            "replica",
            "store",
        ]
        assert len(processes_of(key)) >= 4
        with pytest.raises(InputError, match="still running"):
            recover(tmp_path / "run")
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: not processes_of(key), "every process of the killed harness is gone")
        for entry in recorded:
            wait_until(partial(gone, entry["pid"]), f"the {entry['role']} is gone")
        with pytest.raises(httpx.ConnectError):
            httpx.get(target)
    assert (cache / "live" / key).exists()
    assert any(f"removed the data of {tmp_path / 'run'}" in line for line in recover_all())
    assert not (cache / "live" / key).exists()
    assert recover_all() == []


@LINUX_ONLY
def test_a_harness_killed_while_it_starts_leaves_no_process_either(tmp_path: Path) -> None:
    with harness(tmp_path / "run", tmp_path) as process:
        record = tmp_path / "run" / "cluster" / RECORD
        wait_until(record.exists, "it has started something")
        process.send_signal(signal.SIGKILL)
        process.wait()
    key = run_key(tmp_path / "run")
    wait_until(lambda: not processes_of(key), "every process of the killed harness is gone")
    assert recover(tmp_path / "run") != []


def test_a_harness_that_is_terminated_with_its_user_watching_is_recovered_by_its_directory(
    tmp_path: Path, cache: Path
) -> None:
    with harness(tmp_path / "run", tmp_path) as process:
        said(process)
        process.send_signal(signal.SIGTERM)
        process.wait()
    done = recover(tmp_path / "run")
    assert done[-1].endswith(f"removed the data of {tmp_path / 'run'}")
    assert recover(tmp_path / "run") == []


def test_recover_ends_what_is_left_and_no_foreign_process(
    tmp_path: Path, cache: Path, make_cluster: Callable[..., LocalCluster]
) -> None:
    """As where children outlive a killed harness: one is recorded, one is known by its key alone."""
    home = tmp_path / "run" / "cluster"
    home.mkdir(parents=True)
    run = LiveRun.planned(cache, home)
    run.enter()
    (run.folder("store") / "store.rdb").write_text("data")
    waits = [sys.executable, "-c", "import signal; signal.pause()"]
    recorded = subprocess.Popen(waits)
    stray = subprocess.Popen(waits, env={**os.environ, MARKER: run.key})
    foreign = subprocess.Popen(waits)
    try:
        wait_until(lambda: processes_of(run.key) == [stray.pid], "the stray carries the key")
        entry = {"role": "replica x", "end_signal": 15}
        processes = [
            {**entry, "pid": recorded.pid, "started": identity.start_of(recorded.pid)},
            {**entry, "pid": foreign.pid, "started": "another boot:1"},
        ]
        replace_file(home / RECORD, json.dumps({"run": run.key, "processes": processes}).encode())
        run.release()  # as the kernel does for a dead harness
        done = recover_all()
        assert recorded.wait(timeout=30) == -signal.SIGTERM
        assert stray.wait(timeout=30) == -signal.SIGKILL
        assert foreign.poll() is None
        assert any(f"ended the replica x (pid {recorded.pid})" in line for line in done)
        assert not (cache / "live" / run.key).exists()
    finally:
        for process in (recorded, stray, foreign):
            process.kill()
            process.wait()


@LINUX_ONLY
def test_harnesses_that_share_a_range_of_ports_keep_apart_and_a_full_one_is_refused(tmp_path: Path) -> None:
    ports = "23100-23115"  # 16 would do for three harnesses, but they keep to 15: the end is exclusive
    with harness(tmp_path / "a", tmp_path, ports) as a, harness(tmp_path / "b", tmp_path, ports) as b:
        pods = [*said(a)["pods"], *said(b)["pods"]]
        assert len(set(pods)) == 4
        with harness(tmp_path / "c", tmp_path, ports) as c:
            _, error = c.communicate(timeout=60)
            assert c.returncode == 1
            assert "ports 23100-23114 are taken: none is left for the" in error
            assert "give a free or wider range" in error
            assert error.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test shows it to an ordinary user")
def test_an_ordinary_user_needs_nothing_but_a_home(tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="statefall-test-home-"))
    try:
        account = pwd.getpwnam("nobody")
        os.chown(home, account.pw_uid, account.pw_gid)
        environment = {"HOME": str(home), CACHE_VARIABLE: "", "XDG_CACHE_HOME": ""}
        with harness(home / "run", home, become=become_nobody(), **environment) as process:
            target = str(said(process)["target"])
            assert httpx.get(target).status_code == 200
            key = run_key(home / "run")
            _, error = process.communicate()  # closes its standard input, which ends it
            assert (process.returncode, error) == (0, "")
        assert processes_of(key) == []
        assert list((home / ".cache/statefall/live").iterdir()) == []
        assert not (home / "run" / "cluster").exists()
    finally:
        shutil.rmtree(home)


def become_nobody() -> tuple[str, ...]:
    """A command to put before another; skips the test where nobody cannot read the interpreter."""
    become = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs")
    # A virtual environment below root's home: let nobody read all files, and nothing more.
    read_all = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    for command in (become, (*become, *read_all)):
        try:
            tried = subprocess.run(
                [*command, sys.executable, "-c", "import statefall.clusters.local"],
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("setpriv (util-linux) is not installed")
        if tried.returncode == 0:
            return command
    pytest.skip(f"nobody cannot run this interpreter: {tried.stderr.decode()}")


def test_a_killed_process_is_no_longer_there() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    assert not gone(process.pid)
    process.kill()
    wait_until(lambda: gone(process.pid), "it is a zombie now")
    process.wait()
    assert gone(process.pid)
