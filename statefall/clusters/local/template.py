"""A database directory with its data, made once and copied for every run.

Generating and loading data takes seconds; copying a data directory takes a fraction of one. The
copy under the cache is keyed by everything that its content depends on: the command that loads it and
what that is made from, and the version of PostgreSQL.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from statefall.clusters.local import programs
from statefall.clusters.local.directories import Account, replace_file
from statefall.clusters.local.ports import Ports
from statefall.clusters.local.postgres import DATABASE, Postgres, give
from statefall.clusters.local.processes import Program, Spawner
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit
from statefall.records.service import filled

PREPARE_TIMEOUT_S = 300.0
_KEPT = 4
"""How many templates stay in the cache (about 100 MB each)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a template is made of: an empty database, or what one command makes of it."""

    prepare: tuple[str, ...] = ()
    """The command that loads the data; `{database}` in it is filled in."""
    sources: tuple[str, ...] = ()
    """Files and folders on which its work depends."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def command(self, database_url: str) -> tuple[str, ...]:
        """The command that fills this database."""
        return tuple(filled(word, {"database": database_url}) for word in self.prepare)

    def key(self, database_version: str) -> str:
        """Names the template; changes with whatever may change its content."""
        digest = hashlib.sha256()
        for part in (database_version, *self.prepare):
            digest.update(part.encode() + b"\0")
        for source in self.sources:
            for file in _files(Path(source)):
                digest.update(file.read_bytes())
        return digest.hexdigest()[:20]


def _files(source: Path) -> list[Path]:
    """The file, or those of the folder but what Python compiled. Raises EnvironmentUnfit where nothing is."""
    found = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    found = [file for file in found if "__pycache__" not in file.parts]
    if not found:
        raise EnvironmentUnfit("what the data are made from is not there", where=str(source))
    return found


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making a template takes."""

    cache: Path
    programs: Path
    account: Account | None
    spawner: Spawner
    ports: Ports
    log: Path
    """Of the database that is filled."""
    loader_log: Path
    environment: Mapping[str, str] = field(repr=False)


def copy_template(shop: Workshop, recipe: Recipe, destination: Path) -> str:
    """Put a copy of the prepared data at `destination`; returns the password of its role.

    Makes the template first when it is not there (seconds, once a seed). Two harnesses at once make
    it once. Raises ClusterError when it cannot be made.
    """
    version = programs.version(shop.programs / "postgres")
    templates = shop.cache / "templates"
    template = templates / recipe.key(version)
    while (password := _copy(template, destination)) is None:
        with _locked(template, fcntl.LOCK_EX):
            if not template.exists():
                _make(shop, recipe, template)
    give(destination, shop.account)
    _prune(templates)
    return password


def _copy(template: Path, destination: Path) -> str | None:
    with _locked(template, fcntl.LOCK_SH):
        if not template.exists():
            return None
        shutil.copytree(template / "data", destination)
        os.utime(template)
        return (template / "secret").read_text()


@contextlib.contextmanager
def _locked(template: Path, how: int) -> Iterator[None]:
    descriptor = os.open(template.with_name(f"{template.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _make(shop: Workshop, recipe: Recipe, template: Path) -> None:
    making = template.with_name(f".making-{template.name}")
    if making.exists():  # left by one that was killed; the lock says that none is at work
        shutil.rmtree(making)
    making.mkdir(mode=0o755)
    give(making, shop.account)
    password = secrets.token_hex(16)
    server = Postgres(shop.programs, making / "data", shop.log, shop.account, shop.environment)
    server.create(shop.spawner, password)
    port = shop.ports.take("database")
    server.start(shop.spawner, port.number)
    server.await_ready(password)
    with server.connect(password, "postgres") as connection:
        connection.execute(f'CREATE DATABASE "{DATABASE}"')
    if recipe.prepare:
        run_to_its_end(
            shop.spawner,
            recipe.command(server.url(password)),
            shop.loader_log,
            making,
            {**shop.environment, **recipe.environment},
        )
    with server.connect(password) as connection:
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    server.stop_cleanly()
    server.flush(shop.spawner)
    port.release()
    replace_file(making / "secret", password.encode())
    making.rename(template)


def run_to_its_end(
    spawner: Spawner, command: tuple[str, ...], log: Path, directory: Path, environment: Mapping[str, str]
) -> None:
    """Run a command that prepares something. Raises ClusterError with the end of what it printed."""
    child = spawner.start(Program("prepares the data", command, log, directory, environment))
    if not child.wait(PREPARE_TIMEOUT_S) or child.how != "exit 0":
        raise ClusterError(
            f"`{' '.join(command[:3])} ...` could not prepare the data: {child.how or 'no end'}: "
            f"{child.last_output()} (log: {log})"
        )


def _prune(templates: Path) -> None:
    """Remove the templates that were not used for longest, but for those in use."""
    made = [path for path in templates.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for template in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
        # Suppressed: somebody copies it right now, so it is not to be removed.
        with contextlib.suppress(BlockingIOError), _locked(template, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(template)
