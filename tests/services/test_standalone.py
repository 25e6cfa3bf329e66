"""One replica to try out: the commands with which docs/services.md begins, as a reader types them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.services.backing import DEADLINE_S, Valkey, free_port, wait_until
from tests.services.serving import ROOT, gone

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIRST, *CURLS = [
    line.removeprefix("$ ")
    for block in BLOCK.findall((ROOT / "docs" / "services.md").read_text())
    for line in block.splitlines()
]
PORT = "8080"


@contextmanager
def typed(command: str, port: int, tmp_path: Path, **settings: str) -> Iterator[psutil.Process]:
    """The command runs, on another port than the page's, and is ended with Ctrl-C if it still does."""
    beside = f"{Path(sys.executable).parent}/"  # wherever the tests' environment lies
    words = [word.replace(PORT, str(port)) for word in shlex.split(command.replace(".venv/bin/", beside))]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEFALL_")}
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**environ, "TMPDIR": str(tmp_path), **settings},
            stdout=output,
            stderr=output,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE_S)


def ready(process: psutil.Process, port: int) -> bool:
    assert not gone(process), "it has ended"
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where what it keeps lies meanwhile; the database's user, who is not ours, passes through."""
    for part in (tmp_path, *tmp_path.parents[:3]):
        if part.owner() == tmp_path.owner() and "pytest" in str(part):
            part.chmod(0o755)
    return tmp_path


def answers(port: int, folder: Path) -> list[dict[str, Any]]:
    """What the page's calls are answered with, one after the other."""
    found = []
    for line in CURLS:
        words = shlex.split(line.replace(f"localhost:{PORT}", f"127.0.0.1:{port}"))
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, check=True, timeout=DEADLINE_S
        )
        found.append(json.loads(done.stdout))
    return found


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_documented_commands_do_what_the_page_says(folder: Path, end: signal.Signals) -> None:
    port = free_port()
    with typed(FIRST, port, folder) as process:
        wait_until(lambda: ready(process, port), "the replica is ready")
        login, added, again, profile = answers(port, folder)
        assert (login["version"], login["user_id"]) == (0, 1)
        assert (added["version"], added["lines"][0]["quantity"]) == (1, 2)
        assert again == added
        assert (profile["version"], profile["email"]) == (1, "user1@shop.example")
        beside = process.children(recursive=True)
        assert {"postgres", "valkey-server"} <= {child.name() for child in beside}
        process.send_signal(end)
        wait_until(lambda: gone(process), "the replica has ended")
        wait_until(lambda: all(map(gone, beside)), "what ran beside it has ended too")
    assert list(folder.glob("statefall-*")) == []


def test_the_other_twin_uses_what_it_is_given(folder: Path, database_url: str, valkey: Valkey) -> None:
    port = free_port()
    command = FIRST.replace("services.stateful", "services.stateless")
    given = {"STATEFALL_DATABASE_URL": database_url, "STATEFALL_STORE_URL": valkey.url}
    with typed(command, port, folder, **given) as process:
        wait_until(lambda: ready(process, port), "the replica is ready")
        assert "token" in answers_to_login(port)
        assert process.children() == []


def answers_to_login(port: int) -> dict[str, Any]:
    body = {"user": "user2", "password": "shopper"}
    answer = httpx.post(f"http://127.0.0.1:{port}/login", json=body, trust_env=False)
    content: dict[str, Any] = answer.json()
    return content


def test_a_wrong_setting_is_told_in_one_line(folder: Path) -> None:
    with typed(FIRST, free_port(), folder, STATEFALL_STATE="nowhere") as process:
        wait_until(lambda: gone(process), "it has ended")
    (line,) = (folder / "output").read_text().splitlines()
    assert line.startswith("Error: cannot start: STATEFALL_STATE is 'nowhere'")
