"""What all deployments share: the database with its data, the store, the balancer, and their folders."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from clusters.local.places import CACHE_VARIABLE, Account, LiveRun, cache_directory, unprivileged_account
from clusters.local.ports import Ports
from clusters.local.postgres import Postgres, readable_programs
from clusters.local.processes import RECORD, Child, Spawner
from clusters.local.programs import find_programs
from clusters.local.template import Recipe, Workshop, copy_template
from clusters.local.traefik import Traefik
from clusters.local.valkey import Valkey
from clusters.protocol import ClusterError
from foundation.errors import EnvironmentUnfit


class Infrastructure:
    """Started once, thrown away whole."""

    def __init__(self, home: Path, allowed_ports: range | None, on_loss: Callable[[str], None]) -> None:
        """`home`: a folder in the run directory. `on_loss`: told when a part ends that nobody stopped."""
        self.home, self.logs = home, home / "logs"
        self.programs = find_programs()
        self._account = unprivileged_account()
        self.cache = cache_directory()
        self.ports = Ports(allowed_ports, self.cache / "ports")
        self._on_loss = on_loss
        self._closing = False
        self._password = secrets.token_hex(16)
        self._database: Postgres | None = None
        self.logs.mkdir(parents=True, exist_ok=True)
        self.live = LiveRun.enter(self.cache, home)
        self.spawner = Spawner(home / RECORD, self.live.key)

    @property
    def database_url(self) -> str:
        """What a replica is given."""
        if self._database is None:
            raise ClusterError("the database was not started")
        return self._database.url(self._password)

    def start(self, recipe: Recipe) -> None:
        """Start all of it; seconds more on the first time a seed is used. Raises ClusterError."""
        _refuse_if_closed_to(self._account, self.live.directory)
        entry, control = self.ports.take("balancer"), self.ports.take("balancer's control")
        self.balancer = Traefik(self.programs.traefik, entry, control)
        log = self.logs / "balancer.log"
        folder = self.live.folder("balancer")
        self.balancer.start(self.spawner, folder, log, plain_environment(), self._on_exit)
        self.store = Valkey(
            program=self.programs.store,
            port=self.ports.take("store"),
            directory=self.live.folder("store"),
            log=self.logs / "store.log",
            environment=plain_environment(),
        )
        self.store.start(self.spawner, self._on_exit)
        self._start_database(recipe)
        self.store.await_ready()
        self.balancer.await_ready()

    def _start_database(self, recipe: Recipe) -> None:
        readable = readable_programs(self.programs.database, self._account, self.cache)
        log = self.logs / "database.log"
        shop = Workshop(
            cache=self.cache,
            programs=readable,
            account=self._account,
            spawner=self.spawner,
            ports=self.ports,
            log=log,
            loader_log=self.logs / "shop.log",
            environment=harness_environment(),
        )
        data = self.live.folder("database") / "data"
        template_password = copy_template(shop, recipe, data)
        self._database = Postgres(readable, data, log, self._account, plain_environment())
        self._database.start(self.spawner, self.ports.take("database").number, self._on_exit)
        self._database.await_ready(template_password)
        self._database.change_password(template_password, self._password)

    def stop_store(self) -> None:
        """Shut the store down; what it holds is saved. A no-op when it is down."""
        self.store.stop()

    def start_store(self) -> None:
        """Bring the store back with what it held. A no-op when it runs."""
        if not self.store.running:
            self.store.start(self.spawner, self._on_exit)
        self.store.await_ready()

    def close(self, *, keep_logs: bool) -> list[str]:
        """End all processes, remove all data; the roles of processes that would not die."""
        self._closing = True
        left = self.spawner.close()
        self.ports.release_all()
        self.live.leave()
        if keep_logs:
            (self.home / RECORD).unlink(missing_ok=True)
        elif self.home.exists():
            shutil.rmtree(self.home)
        return left

    def _on_exit(self, child: Child) -> None:
        if self._closing or child.asked_to_end:
            return
        self._on_loss(f"the {child.program.role} ended ({child.how}): {child.last_words()}")


def _refuse_if_closed_to(account: Account | None, folder: Path) -> None:
    """Raises EnvironmentUnfit where the database's user could not get to its data."""
    if account is None:
        return
    for above in folder.parents:
        status = above.stat()
        if not (status.st_mode & stat.S_IXOTH or status.st_uid == account.uid):
            raise EnvironmentUnfit(
                f"PostgreSQL runs as {account.name}, who cannot enter this folder",
                where=str(above),
                hint=f"set {CACHE_VARIABLE} to a folder that every user can enter",
            )


def harness_environment() -> dict[str, str]:
    """The harness's own environment without the settings of this project, for its Python programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STATEFALL_")}


def plain_environment() -> Mapping[str, str]:
    """What a program needs that takes no settings from the environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
