"""How the local cluster's processes end: told whatever happens, and nobody else's in their place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from statefall.clusters.local import identity
from statefall.clusters.local.processes import RECORD, Child, Program, Spawner
from statefall.clusters.protocol import ClusterError

GENEROUS_S = 30.0
STAYS = (sys.executable, "-c", "import time; time.sleep(600)")


def program(folder: Path, *command: str) -> Program:
    return Program("database", command or STAYS, folder / "log", folder, {})


def begun(folder: Path, *command: str) -> tuple[Child, subprocess.Popen[bytes]]:
    """A child without a spawner."""
    asked = program(folder, *command)
    process = subprocess.Popen(asked.command, start_new_session=True)
    return Child(asked, process, identity.start_of(process.pid) or ""), process


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """In a folder that can be taken away."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / RECORD


@pytest.fixture
def spawner(record: Path) -> Iterator[Spawner]:
    made = Spawner(record, "the-run")
    yield made
    assert made.close() == []


def test_an_end_is_told_even_if_it_cannot_be_written_down(
    spawner: Spawner, record: Path, tmp_path: Path
) -> None:
    told = threading.Event()
    child = spawner.start(program(tmp_path), lambda _: told.set())
    shutil.rmtree(record.parent)
    child.send_to_group(signal.SIGKILL)
    assert told.wait(GENEROUS_S)


def test_a_program_that_cannot_be_written_down_does_not_stay(
    spawner: Spawner, record: Path, tmp_path: Path
) -> None:
    shutil.rmtree(record.parent)
    before = psutil.Process().children()
    with pytest.raises(ClusterError, match="database: cannot be written down"):
        spawner.start(program(tmp_path))
    left = [process for process in psutil.Process().children() if process not in before]
    assert psutil.wait_procs(left, GENEROUS_S)[1] == []


def test_a_signal_from_elsewhere_is_told_as_that(spawner: Spawner, tmp_path: Path) -> None:
    child = spawner.start(program(tmp_path))
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(GENEROUS_S)
    assert child.explained().startswith("signal 9, not sent by this harness")
    assert "thread" not in child.explained()


def test_a_signal_of_ours_needs_no_explanation(spawner: Spawner, tmp_path: Path) -> None:
    child = spawner.start(program(tmp_path))
    child.send(signal.SIGKILL)
    assert child.wait(GENEROUS_S)
    assert child.explained() == "signal 9"


def test_the_end_of_the_thread_that_started_it_is_told(tmp_path: Path) -> None:
    """The kernel sends the death signal then, whatever the rest of the harness does."""
    made: list[Child] = []
    starter = threading.Thread(target=lambda: made.append(begun(tmp_path)[0]))
    starter.start()
    starter.join()
    os.kill(made[0].pid, signal.SIGKILL)
    made[0].collect()
    assert "the thread that started it has ended" in made[0].explained()


@pytest.mark.skipif(not identity.LINUX, reason="needs waitid")
def test_a_child_that_somebody_else_collected_is_over_and_gets_no_signal(tmp_path: Path) -> None:
    child, process = begun(tmp_path, "true")
    os.waitpid(process.pid, 0)
    child.collect()
    assert child.ended
    assert child.how.startswith("unknown")
    assert not child.send_to_group(signal.SIGKILL)


def test_another_process_of_the_same_pid_gets_no_signal(tmp_path: Path) -> None:
    _, process = begun(tmp_path)
    earlier = Child(program(tmp_path), process, "earlier")
    assert not earlier.send(signal.SIGKILL)
    assert not earlier.send_to_group(signal.SIGKILL)
    assert process.poll() is None
    process.kill()
    process.wait()
