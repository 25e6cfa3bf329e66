"""Where the local cluster keeps things on this machine, and how runs find those of dead harnesses.

<cache>/                     /var/cache/statefall for root, else the user's XDG cache; STATEFALL_CACHE
  templates/                 prepared data directories of PostgreSQL
  programs/                  copies of programs that the database's user could not read in place
  live/<run>/                one per running harness, which holds a lock on `lock` while it lives
    run.json                 where its run directory is, and its pid
    database/ store/ ...     what its processes write; removed with it
<run directory>/cluster/
  processes.json             every process that was started, for `recover`
  logs/                      what they printed
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from foundation.errors import EnvironmentUnfit

CACHE_VARIABLE = "STATEFALL_CACHE"
_UNBORN = ".unborn-"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Who runs what refuses to run as root: `nobody` for root, None (stay who you are) for others."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EnvironmentUnfit(
            "PostgreSQL refuses to run as root and this machine has no user `nobody`",
            hint="run as an ordinary user",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def cache_directory() -> Path:
    """The cache, made if need be. Raises EnvironmentUnfit when it cannot be written."""
    if given := os.environ.get(CACHE_VARIABLE):
        cache = Path(given).resolve()
    elif os.geteuid() == 0:
        cache = Path("/var/cache/statefall")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "statefall"
    try:
        for folder in (cache, cache / "templates", cache / "programs", cache / "live"):
            folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                folder.chmod(0o755)  # the database's user passes through, whatever the umask was
    except OSError as error:
        raise EnvironmentUnfit(
            f"cannot write: {error.strerror}",
            where=str(cache),
            hint=f"set {CACHE_VARIABLE} to a folder that you can write",
        ) from error
    return cache


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write it whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


def remove_tree(folder: Path, *, patience_s: float = 2.0) -> None:
    """Remove a folder, even if a process that is just dying still makes files in it."""
    deadline = time.monotonic() + patience_s
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def try_lock(path: Path) -> int | None:
    """The descriptor that holds an exclusive lock on the file, or None when somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@dataclass(slots=True)
class LiveRun:
    """The entry of a living harness in the cache; its lock falls with the process."""

    key: str
    directory: Path
    home: Path
    """`cluster/` in the run directory."""
    _lock: int = field(repr=False)

    @classmethod
    def enter(cls, cache: Path, home: Path) -> LiveRun:
        """Make the entry, locked before anybody can see it."""
        key = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}"
        unborn = cache / "live" / f"{_UNBORN}{key}"
        unborn.mkdir(mode=0o755)
        lock = try_lock(unborn / "lock")
        if lock is None:
            raise EnvironmentUnfit("cannot be locked", where=str(unborn))
        replace_file(unborn / "run.json", json.dumps({"home": str(home), "pid": os.getpid()}).encode())
        directory = cache / "live" / key
        unborn.rename(directory)
        return cls(key, directory, home, lock)

    @classmethod
    def abandoned(cls, cache: Path) -> list[LiveRun]:
        """Entries whose harness is dead, locked for the caller to clear and leave."""
        found = []
        for directory in sorted((cache / "live").iterdir()):
            if directory.name.startswith(_UNBORN) or not (directory / "run.json").exists():
                continue
            lock = try_lock(directory / "lock")
            if lock is not None:
                home = Path(json.loads((directory / "run.json").read_bytes())["home"])
                found.append(cls(directory.name, directory, home, lock))
        return found

    def folder(self, name: str) -> Path:
        """A folder for the data of one process, made if need be."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        return folder

    def leave(self) -> None:
        """Remove the entry with all that is in it."""
        remove_tree(self.directory)
        self.release()

    def release(self) -> None:
        """Give up the lock and leave the entry where it is. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
