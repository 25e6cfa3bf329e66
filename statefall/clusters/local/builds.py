"""What the replicas of a service need before the first can start: programs, and what its `build` makes.

A build goes into a folder of the cache that is named by all it depends on, so that it is made once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from statefall.clusters.local.directories import cache_directory
from statefall.records.service import LocalReplicas, filled

BUILD_TIMEOUT_S: Final = 300.0
_MODULE: Final = "python:"


def lacking(local: LocalReplicas, *, build: bool) -> str:
    """Why its replicas cannot run on this machine, in a few words; empty when they can.

    Builds what is not built yet if `build`. Raises EnvironmentUnfit when the cache cannot be written.
    """
    for need in local.needs:
        if reason := _missing(need):
            return reason
    return _built(local) if build and local.build else ""


def folder_of(local: LocalReplicas, cache: Path) -> Path:
    """Where its build lies, or will."""
    digest = hashlib.sha256()
    said = [part.encode() for part in (*local.build, local.directory)]
    for part in (*said, *_contents(local.built_from)):
        digest.update(part + b"\0")
    return cache / "builds" / digest.hexdigest()[:20]


def _missing(need: str) -> str:
    module = need.removeprefix(_MODULE)
    if module == need:
        return "" if shutil.which(need) else f"{need} is not on the PATH"
    return "" if find_spec(module) else f"the Python package {module} is not installed"


def _contents(sources: tuple[str, ...]) -> list[bytes]:
    """Of all files. One that is not there adds nothing: the build itself will say so."""
    found = []
    for source in map(Path, sources):
        files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
        found += [file.read_bytes() for file in files if "__pycache__" not in file.parts]
    return found


def _built(local: LocalReplicas) -> str:
    """Build it if need be; two at once build it once. The reason why it cannot be built."""
    folder = folder_of(local, cache_directory())
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = folder / ".built"
        if done.exists():
            return ""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if reason := _run(local, folder):
            return reason
        done.touch()
    finally:
        os.close(descriptor)
    return ""


def _run(local: LocalReplicas, folder: Path) -> str:
    values = {"built": str(folder), "python": sys.executable}
    command = [filled(word, values) for word in local.build]
    said = f"`{' '.join(local.build[:2])} ...`"
    try:
        done = subprocess.run(
            command,
            cwd=local.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        return f"{said} cannot be started: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{said} did not end within {BUILD_TIMEOUT_S:.0f} s"
    if not done.returncode:
        return ""
    return f"{said} failed: exit {done.returncode}{_first_error(done.stdout)}"


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    return f": {found[:200]}" if found else ""
