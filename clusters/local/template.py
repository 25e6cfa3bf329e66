"""The generated shop, made once and copied for every run.

Generating and loading it takes seconds; copying a data directory takes a fraction of one. The
copy under the cache is keyed by everything that its content depends on: the seed, the sources
of the generator, the version of PostgreSQL.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from clusters.local import programs
from clusters.local.places import Account, replace_file
from clusters.local.ports import Ports
from clusters.local.postgres import DATABASE, Postgres, give
from clusters.local.processes import Program, Spawner
from clusters.protocol import ClusterError
from foundation.errors import EnvironmentUnfit

GENERATOR = "services.shop"
_PREPARE_TIMEOUT_S = 300.0
_KEPT = 4
"""How many templates stay in the cache (about 100 MB each)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a template is made of."""

    seed: int
    prepare: tuple[str, ...] | None = None
    """The command that loads the data, given `--database-url URL --seed N` besides; None: the shop's."""

    def command(self, database_url: str) -> tuple[str, ...]:
        """The command that fills this database."""
        prepare = self.prepare or (sys.executable, "-m", f"{GENERATOR}.prepare")
        return (*prepare, "--database-url", database_url, "--seed", str(self.seed))

    def key(self, database_version: str) -> str:
        """Names the template; changes with whatever may change its content."""
        digest = hashlib.sha256()
        for part in (str(self.seed), database_version, *(self.prepare or ())):
            digest.update(part.encode() + b"\0")
        for source in () if self.prepare else _generator_sources():
            digest.update(source.read_bytes())
        return digest.hexdigest()[:20]


def _generator_sources() -> list[Path]:
    spec = find_spec(GENERATOR)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentUnfit(f"{GENERATOR} is not importable", hint="install the project: make run")
    return sorted(path for place in spec.submodule_search_locations for path in Path(place).rglob("*.py"))


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
    command = recipe.command(server.url(password))
    loader = shop.spawner.start(Program("loads the shop", command, shop.loader_log, making, shop.environment))
    if not loader.wait(_PREPARE_TIMEOUT_S) or loader.how != "exit 0":
        raise ClusterError(f"the shop could not be loaded: {loader.how or 'no end'}: {loader.last_words()}")
    with server.connect(password) as connection:
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    server.stop_cleanly()
    server.flush(shop.spawner)
    port.release()
    replace_file(making / "secret", password.encode())
    making.rename(template)


def _prune(templates: Path) -> None:
    """Remove the templates that were not used for longest, but for those in use."""
    made = [path for path in templates.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for template in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT:]:
        # Suppressed: somebody copies it right now, so it is not to be removed.
        with contextlib.suppress(BlockingIOError), _locked(template, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(template)
