"""Where the local cluster keeps things on this machine, and how runs find those of dead harnesses.

<cache>/                     the user's cache by platformdirs, for root the machine's; STATEFALL_CACHE
  templates/                 prepared data directories of PostgreSQL
  programs/                  copies of programs that the database's user could not read in place
  live/<run>/                one per running harness, which holds a lock on `lock` while it lives
    run.json                 where its run directory is, and its pid
    database/ store/ ...     what its processes write; removed with it
<run directory>/control.sock   where `statefall up` takes commands
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import PlatformDirs

from statefall.records.errors import EnvironmentUnfit

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
    else:
        cache = PlatformDirs("statefall", appauthor=False, use_site_for_root=True).user_cache_path
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


def remove_tree(folder: Path, *, timeout_s: float = 2.0) -> None:
    """Remove a folder, even if a process that is just dying still makes files in it."""
    deadline = time.monotonic() + timeout_s
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
    def planned(cls, cache: Path, home: Path) -> LiveRun:
        """With nothing made of it yet: `enter` makes the entry."""
        key = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}"
        return cls(key, cache / "live" / key, home, -1)

    def enter(self) -> None:
        """Make the entry, locked before anybody can see it."""
        unborn = self._unborn
        unborn.mkdir(mode=0o755)
        lock = try_lock(unborn / "lock")
        if lock is None:
            raise EnvironmentUnfit("cannot be locked", where=str(unborn))
        self._lock = lock
        replace_file(unborn / "run.json", json.dumps({"home": str(self.home), "pid": os.getpid()}).encode())
        unborn.rename(self.directory)

    @property
    def _unborn(self) -> Path:
        """Where the entry is while it is made."""
        return self.directory.with_name(f"{_UNBORN}{self.key}")

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

    @classmethod
    def run_folders(cls, cache: Path) -> tuple[Path, ...]:
        """The run directories of all entries, whether their harness lives or not."""
        found = []
        for directory in sorted((cache / "live").iterdir()):
            with suppress(FileNotFoundError):  # it is being made, or is gone by now
                found.append(Path(json.loads((directory / "run.json").read_bytes())["home"]).parent)
        return tuple(found)

    def folder(self, name: str) -> Path:
        """A folder for the data of one process, made if need be."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        return folder

    def leave(self) -> None:
        """Remove the entry with all that is in it, however much of it was made."""
        remove_tree(self._unborn)
        remove_tree(self.directory)
        self.release()

    def release(self) -> None:
        """Give up the lock and leave the entry where it is. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
