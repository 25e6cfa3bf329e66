"""Wrong input: one line that says what, where and how to mend it, exit code 2, and nothing left behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from statefall.cli.main import invoke
from tests.main_job.conductor import call, is_root


def refused(*arguments: str, cwd: Path) -> str:
    done = call(*arguments, cwd=cwd)
    assert done.returncode == 2, f"{done.stdout}\n{done.stderr}"
    lines = [line for line in done.stderr.splitlines() if line.startswith("statefall: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "nonsense"), "unknown experiment 'nonsense'"),
        (("run", "missing.yaml"), "missing.yaml: no such experiment file"),
        (("run", "--set", "replica=3"), "did you mean 'replicas'?"),
        (("run", "--set", "replicas=-3"), "not -3"),
        (("run", "--set", "faults.0.at_s=1000"), "later than the run's end"),
        (("run", "--set", "matrix.balancer=[client-ip]"), "`client-ip` needs Kubernetes"),
        (("run", "drain"), "`drain` needs Kubernetes"),
        (("run", "--set", "faults.0.kind=evict"), "`evict` needs Kubernetes"),
        (("run", "drain", "--set", "fault_defaults.drain.count=2"), "takes one node"),
        (("run", "drain", "--set", "fault_defaults.evict.kind=kill"), "'evict' are those of a 'kill'"),
        (("run", "--set", "faults.0.grace_s=5"), "grace_s is for `delete`"),
        (("run", "--seed", "minus"), "--seed"),
        (("run", "--repeats", "0"), "--repeats"),
        (("run", "--cluster", "moon"), "--cluster"),
        (("run", "--ports", "1-2"), "--ports 1-2"),
        (("run", "--ports", "many"), "--ports many"),
        (("report", "nowhere"), "nowhere"),
        (("results", "--out", "nowhere"), "nowhere"),
        (("advise", "nowhere.yaml"), "nowhere.yaml"),
        (("dance",), "dance"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_is_refused_in_one_line(
    tmp_path: Path,
    arguments: tuple[str, ...],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Within this process: how a process of its own ends, the next tests show."""
    monkeypatch.chdir(tmp_path)
    assert invoke(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("statefall: ")
    assert part in line
    assert list(tmp_path.iterdir()) == []


def test_the_process_ends_with_that_line(tmp_path: Path) -> None:
    assert "unknown experiment 'nonsense'" in refused("run", "nonsense", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    if is_root():
        blocked = tmp_path / "a-file"
        blocked.write_text("not a folder")
    else:
        blocked = tmp_path / "closed"
        blocked.mkdir(mode=0o500)
    assert str(blocked / "runs") in refused("run", "--out", str(blocked / "runs"), cwd=tmp_path)


def test_a_port_range_that_is_taken_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("run", "--out", "runs", "--ports", f"{port}-{port}", cwd=tmp_path)
    assert f"{port}" in said
    assert list((tmp_path / "runs").iterdir()) == []


def test_advice_on_an_unknown_need_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "needs.yaml").write_text("concurrent_users: 5\nwebsocket: true\n")
    said = refused("advise", "needs.yaml", cwd=tmp_path)
    assert "needs.yaml:2: unknown key 'websocket' (did you mean 'websockets'?)" in said
