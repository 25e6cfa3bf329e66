"""`statefall up` and `statefall fault`, as a person uses them: two terminals, and Ctrl-C at any moment."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from statefall.cli.main import invoke
from statefall.clusters.local.directories import CACHE_VARIABLE
from tests.clusters.local.watching import wait_until
from tests.main_job.by_hand import Up, write_experiment
from tests.main_job.conductor import DEADLINE_S, STATEFALL, wait_gone

pytestmark = pytest.mark.shipped

Told = tuple[int, str, str]
STEPS = ("fault_intent", "fault_act", "fault_observed", "fault_recovered")
BEGINNING = {"small.yaml", "nobody.py", "diaries"}


@pytest.fixture(scope="module", autouse=True)
def cache() -> Iterator[Path]:
    """Of the tests' own: nobody else's `up` is found in it."""
    with tempfile.TemporaryDirectory(prefix="statefall-test-cache-") as folder:
        Path(folder).chmod(0o755)  # every user can enter it, unlike pytest's own folders
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CACHE_VARIABLE, folder)
            yield Path(folder)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    write_experiment(folder, store=True)
    return folder


@pytest.fixture(scope="module")
def up(desk: Path) -> Iterator[Up]:
    """Three replicas and a store, to be hit and to be left well."""
    up = Up.start("small.yaml", cwd=desk)
    try:
        yield up.wait()
    finally:
        code, errors = up.end(signal.SIGINT)
    assert code == 0, errors


@pytest.fixture
def fault(up: Up, desk: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """`statefall fault ...` on it: exit code, output, errors. In this process, since it starts sooner."""

    def tell(*arguments: str) -> Told:
        capsys.readouterr()
        code = invoke(["fault", *arguments, "--run", str(desk / up.folder)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return tell


@contextmanager
def in_another_terminal(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """`statefall fault ...`, once its effect was observed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [STATEFALL, "fault", *arguments], cwd=cwd, stdout=pipe, stderr=pipe, text=True
    ) as hand:
        assert hand.stdout is not None
        assert any("observed" in line for line in hand.stdout), hand.stderr and hand.stderr.read()
        yield hand


def descendants(up: Up) -> list[psutil.Process]:
    return psutil.Process(up.process.pid).children(recursive=True)


def files(folder: Path) -> set[str]:
    """What lies there, but for what the replicas note of themselves."""
    noted = {".diary", ".probed"}
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in noted}


def pid_of(url: str) -> int:
    return int(httpx.get(url).json()["pid"])


def living(fault: Callable[..., Told]) -> dict[str, str]:
    """The replicas that are ready now, name -> URL, as a dry run tells them."""
    lines = fault("roll", "--dry-run")[1].splitlines()[1:]
    return {name: f"http://{address}" for name, address in map(str.split, lines)}


def test_what_is_up_answers_and_is_hit(up: Up, fault: Callable[..., Told]) -> None:
    assert len(up.pods) == 3
    assert httpx.get(up.balancer).json()["pod"] in up.pods
    assert {httpx.get(url).json()["pod"] for url in up.pods.values()} == set(up.pods)

    victim = sorted(up.pods)[0]
    before = {name: pid_of(url) for name, url in up.pods.items()}
    code, dry, error = fault("kill", "--pod", victim, "--dry-run")
    assert (code, error) == (0, "")
    assert dry.splitlines()[1].split() == [victim, up.pods[victim].removeprefix("http://")]
    assert {name: pid_of(url) for name, url in up.pods.items()} == before

    code, said, error = fault("kill", "--pod", victim)
    assert (code, error) == (0, "")
    assert said.startswith(dry)
    assert f"container exited: {victim} (signal 9)" in said
    assert "3 replicas are ready" in said
    after = {name: pid_of(url) for name, url in up.pods.items()}
    assert {name for name in after if after[name] != before[name]} == {victim}

    assert fault("delete-now", "--pod", victim)[0] == 0
    code, said, error = fault("kill", "--pod", victim)
    assert (code, said) == (2, "")
    assert error.startswith(f"statefall: --pod: no replica of the name {victim} is ready")


def test_what_lasts_is_put_back_after_its_duration(up: Up, fault: Callable[..., Told]) -> None:
    for arguments, effect in (
        (("pause", "--duration", "0.3"), "every process stopped"),
        (("store-outage", "--duration", "0.3"), "the session store refuses connections"),
        (("scale-in", "--count", "2", "--duration", "0.3"), "-back: recovered"),
        (("scale-out", "--duration", "0.3"), "-back: recovered"),
    ):
        code, said, error = fault(*arguments)
        assert (code, error) == (0, ""), said
        assert effect in said
    assert httpx.get(up.balancer).status_code == 200
    assert len(living(fault)) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_fault_that_is_ended_early_is_put_back(
    desk: Path, fault: Callable[..., Told], number: signal.Signals
) -> None:
    victim, url = next(iter(living(fault).items()))
    process = psutil.Process(pid_of(url))
    with in_another_terminal("pause", "--pod", victim, "--duration", "3600", cwd=desk) as hand:
        assert process.status() == psutil.STATUS_STOPPED
        busy = "statefall: a fault is under way already: `pause` (wait for its end)\n"
        assert fault("kill") == (2, "", busy)
        hand.send_signal(number)
        hand.communicate(timeout=DEADLINE_S)
        assert hand.returncode == (-number if number == signal.SIGKILL else 0)
    wait_until(lambda: process.status() != psutil.STATUS_STOPPED, "the replica goes on")
    assert pid_of(url) == process.pid
    wait_until(lambda: fault("kill", "--dry-run")[0] == 0, "the next fault can come")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("evict",), "needs Kubernetes"),
        (("kill", "--duration", "3"), "`kill` does not last"),
        (("kill", "--count", "4"), "only 3 are ready"),
        (("kill", "--deployment", "shop"), "--cluster kubernetes"),
        (("kill", "--cluster", "kubernetes"), "--deployment NAME"),
        (("melt",), "Invalid value for"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    fault: Callable[..., Told], arguments: tuple[str, ...], part: str
) -> None:
    code, said, error = fault(*arguments)
    assert (code, said) == (2, "")
    assert part in error
    assert error.count("\n") == 1


def test_two_beside_each_other_are_told_apart_by_their_folders(
    up: Up, fault: Callable[..., Told], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_experiment(tmp_path)
    second = Up.start("small.yaml", "--replicas", "1", cwd=tmp_path).wait()
    children = descendants(second)
    try:
        assert second.balancer != up.balancer
        assert invoke(["fault", "kill", "--dry-run"]) == 2
        unsaid = capsys.readouterr().err
        assert unsaid.startswith("statefall: 2 services are up: ")
        assert unsaid.endswith("(choose one with --run DIR)\n")
        assert invoke(["fault", "kill", "--dry-run", "--run", str(tmp_path / second.folder)]) == 0
        assert capsys.readouterr().out.startswith("SIGKILL: 1 of 1 replicas")
        assert fault("kill", "--dry-run")[1].startswith("SIGKILL: 1 of 3 replicas")
        assert invoke(["fault", "store-outage", "--run", str(tmp_path / second.folder)]) == 2
        assert "needs a store" in capsys.readouterr().err
    finally:
        code, _ = second.end(signal.SIGTERM)
    assert (code, wait_gone(children)) == (0, [])
    assert files(tmp_path) == BEGINNING, "without a fault nothing at all is left"
    assert httpx.get(up.balancer).status_code == 200
    assert invoke(["fault", "kill", "--dry-run"]) == 0


def test_a_fault_whose_cluster_is_taken_down_says_so_and_is_in_the_journal(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    up = Up.start("small.yaml", cwd=tmp_path).wait()
    children = descendants(up)
    with in_another_terminal(
        "scale-in", "--duration", "3600", "--run", str(tmp_path / up.folder), cwd=tmp_path
    ) as hand:
        assert up.end(signal.SIGTERM)[0] == 0
        _, error = hand.communicate(timeout=DEADLINE_S)
        assert (hand.returncode, error) == (5, "statefall: what was up is being taken down\n")
    assert wait_gone(children) == []
    assert up.said.splitlines()[-1] == f"journal: {up.folder}/events.jsonl"
    left = {"results", "results/up", up.folder, f"{up.folder}/events.jsonl"}
    assert files(tmp_path) == BEGINNING | left
    lines = (tmp_path / up.folder / "events.jsonl").read_text().splitlines()
    told = [(event["fault"], event["kind"]) for event in map(json.loads, lines)]
    assert told[:3] == [("f1", step) for step in STEPS[:3]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    write_experiment(tmp_path)
    starting = Up.start("small.yaml", cwd=tmp_path)
    assert starting.process.stderr is not None
    assert any(line.startswith("starting") for line in starting.process.stderr)
    children = descendants(starting)
    code, errors = starting.end(number)
    assert code == 5
    assert errors.splitlines()[-1] == f"statefall: ended early by {number.name}"
    assert wait_gone(children) == []
    assert files(tmp_path) == BEGINNING


def test_a_killed_one_leaves_no_process_and_recover_clears_the_rest(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_experiment(tmp_path)
    up = Up.start("small.yaml", cwd=tmp_path).wait()
    folder = tmp_path / up.folder
    children = descendants(up)
    up.end(signal.SIGKILL)
    assert wait_gone(children) == []
    assert invoke(["fault", "kill", "--run", str(folder)]) == 2
    assert "nothing is up in this folder" in capsys.readouterr().err
    assert invoke(["recover"]) == 0
    assert folder.name in capsys.readouterr().out
    assert [
        entry for entry in (cache / "live").iterdir() if folder.name in (entry / "run.json").read_text()
    ] == []
    assert not (folder / "control.sock").exists()
