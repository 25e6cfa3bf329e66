"""Each script of chaos/ does what it says, to what `statefall up` holds on the local cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.local.directories import CACHE_VARIABLE
from tests.main_job.by_hand import Up, write_experiment
from tests.main_job.conductor import DEADLINE_S

pytestmark = pytest.mark.shipped

CHAOS = Path(__file__).resolve().parents[2] / "chaos"
DONE = {
    "kill_pods.sh": ((), ["SIGKILL: 1 of 3 replicas", "container exited", "3 replicas are ready"]),
    "delete_pods.sh": (("--grace", "2"), ["deletion: 1 of 3 replicas", "pod gone", "3 replicas are ready"]),
    "scale_replicas.sh": (
        ("--duration", "0.2"),
        ["scale-in from 3 to 2", "-back: recovered", "scale-out from 3 to 4", "-back: recovered"],
    ),
    "roll.sh": ((), ["rolling update: all 3 replicas", "3 pods of revision"]),
    "pause_pods.sh": (("--duration", "0.2"), ["every process stopped", "3 replicas are ready"]),
    "store_outage.sh": (("--duration", "0.2"), ["the session store refuses connections"]),
}
"""What is given to each, and what it says in this order."""
REFUSED = {"drain.sh": "needs Kubernetes"}
"""Those that need what one machine has not."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which three replicas and a store are up, in a cache of their own."""
    folder = tmp_path_factory.mktemp("desk")
    write_experiment(folder, store=True)
    with (
        tempfile.TemporaryDirectory(prefix="statefall-test-cache-") as cache,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(cache).chmod(0o755)  # every user can enter it, unlike pytest's own folders
        patch.setenv(CACHE_VARIABLE, cache)
        up = Up.start("small.yaml", cwd=folder)
        try:
            up.wait()
            yield folder
        finally:
            code, errors = up.end(signal.SIGINT)
        assert code == 0, errors


def script(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it as a person would whose `statefall` is on the path."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        [CHAOS / name, *arguments], cwd=cwd, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip


def test_each_is_tried_and_short() -> None:
    there = {path.name: path for path in CHAOS.glob("*.sh")}
    assert there.keys() == DONE.keys() | REFUSED.keys()
    assert {name: len(path.read_text().splitlines()) > 20 for name, path in there.items()} == dict.fromkeys(
        there, False
    )


@pytest.mark.parametrize("name", DONE)
def test_a_script_does_what_it_says(name: str, desk: Path) -> None:
    arguments, expected = DONE[name]
    done = script(name, *arguments, cwd=desk)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    at = 0
    for part in expected:
        at = done.stdout.index(part, at) + len(part)


@pytest.mark.parametrize("name", REFUSED)
def test_a_script_that_needs_more_says_so_in_a_line(name: str, desk: Path) -> None:
    done = script(name, cwd=desk)
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED[name] in done.stderr
    assert done.stderr.count("\n") == 1
