"""The database: PostgreSQL on a data directory that is thrown away after the run."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from statefall.clusters.local import programs
from statefall.clusters.local.directories import Account
from statefall.clusters.local.ports import LOOPBACK
from statefall.clusters.local.processes import Child, ExitListener, Program, Spawner
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit

ROLE = DATABASE = "statefall"
MAX_CONNECTIONS = 300
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "256MB",
    # The data is a copy that is thrown away: nothing waits for the disk (said in the fingerprint).
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # What a killed server leaves lies in its data directory, not in the machine's shared memory.
    "dynamic_shared_memory_type": "mmap",
    # The same plan and the same cost on every run.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "log_min_messages": "warning",
}


@dataclass(slots=True)
class Postgres:
    """A server on one data directory."""

    programs: Path
    """The folder of its programs; readable for `account`."""
    data: Path
    log: Path
    account: Account | None
    environment: Mapping[str, str] = field(repr=False)
    port: int = field(default=0, init=False)
    _child: Child | None = field(default=None, init=False)

    def url(self, password: str, database: str = DATABASE) -> str:
        """What a client is given."""
        return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{self.port}/{database}"

    def renew(self, password: str, database: str) -> None:
        """Make the database anew, without anything in it. Raises ClusterError."""
        name = sql.Identifier(database)
        try:
            with self.connect(password, "postgres") as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        except psycopg.Error as error:
            raise ClusterError(f"the database {database} cannot be made: {error}") from error

    def create(self, spawner: Spawner, password: str, timeout_s: float = 60.0) -> None:
        """Make the data directory with one role that has this password. Raises ClusterError."""
        password_file = self.data.parent / "password"
        password_file.write_text(password + "\n")
        password_file.chmod(0o600)
        give(password_file, self.account)
        command = [str(self.programs / "initdb"), f"--pgdata={self.data}", f"--username={ROLE}"]
        command += [f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        self._finish(spawner, "makes the database", tuple(command), timeout_s)
        password_file.unlink()

    def start(self, spawner: Spawner, port: int, on_exit: ExitListener | None = None) -> None:
        """Start it; `await_ready` waits. Afterwards `port` says where."""
        self.port = port
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = (str(self.programs / "postgres"), "-D", str(self.data), f"--port={port}", *options)
        self._child = spawner.start(self._program("database", command), on_exit)

    def _program(self, role: str, command: tuple[str, ...]) -> Program:
        # SIGQUIT: an immediate shutdown, which ends its processes and frees its shared memory.
        return Program(
            role, command, self.log, self.data.parent, self.environment, self.account, signal.SIGQUIT
        )

    def connect(self, password: str, database: str = DATABASE) -> psycopg.Connection:
        """A connection that commits by itself. Raises psycopg.Error."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=ROLE,
            password=password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def await_ready(self, password: str, timeout_s: float = 30.0) -> None:
        """Wait until it lets us in. Raises ClusterError."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.connect(password, "postgres").close()
                return
            except psycopg.OperationalError as error:
                if self._child is None or self._child.ended or time.monotonic() > deadline:
                    message = self._child.last_output() if self._child else ""
                    raise ClusterError(f"the database did not start: {message or error}") from error
            time.sleep(0.02)

    def change_password(self, old: str, new: str) -> None:
        """Give the role another password. Raises psycopg.Error."""
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(new))
        with self.connect(old, "postgres") as connection:
            connection.execute(statement)

    def stop_cleanly(self, timeout_s: float = 60.0) -> None:
        """A fast shutdown with a checkpoint, after which the data directory may be copied."""
        if self._child is None:
            return
        self._child.send(signal.SIGINT)
        if not self._child.wait(timeout_s) or self._child.how != "exit 0":
            raise ClusterError(f"the database did not shut down: {self._child.last_output()}")

    def flush(self, spawner: Spawner, timeout_s: float = 120.0) -> None:
        """Bring the data directory of a stopped server safely to the disk, which it did not care to do."""
        command = (str(self.programs / "initdb"), "--sync-only", f"--pgdata={self.data}")
        self._finish(spawner, "flushes the database", command, timeout_s)

    def _finish(self, spawner: Spawner, role: str, command: tuple[str, ...], timeout_s: float) -> None:
        child = spawner.start(self._program(role, command))
        if not child.wait(timeout_s) or child.how != "exit 0":
            raise ClusterError(f"{command[0]}: {child.how or 'no end'}: {child.last_output()}")


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of the path and of all that is below."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    if path.is_dir():
        for folder, names, files in os.walk(path):
            for name in (*names, *files):
                os.chown(Path(folder) / name, account.uid, account.gid)


def readable_programs(found: Path, account: Account | None, cache: Path) -> Path:
    """The folder of programs, or a copy of it where the account cannot use it in place.

    A virtual environment below a home folder of mode 0700 is closed to `nobody`.
    """
    if account is None or _usable(found, account):
        return found
    version = programs.version(found / "postgres").rsplit(" ", 1)[-1]
    # The programs find their libraries two folders above their own: keep that shape.
    package = found.parent.parent
    copy = cache / "programs" / f"postgresql-{version}"
    there = copy / package.name / found.parent.name / found.name
    if not there.exists():
        beside = copy.with_name(f".{copy.name}.{os.getpid()}")
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, beside / source.name)
        _open_to_all(beside)
        try:
            beside.rename(copy)
        except OSError:
            if not there.exists():
                raise
            shutil.rmtree(beside)  # another run was first
    if not _usable(there, account):
        raise EnvironmentUnfit(
            f"the user {account.name} cannot run PostgreSQL from here",
            where=str(there),
            hint="set STATEFALL_CACHE to a folder that every user can enter",
        )
    return there


def _open_to_all(folder: Path) -> None:
    """Programs are for everybody to run, whatever the umask was when they were installed."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _usable(folder: Path, account: Account) -> bool:
    try:
        tried = subprocess.run(
            [folder / "postgres", "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=30,
        )
    except PermissionError:
        return False
    return tried.returncode == 0
