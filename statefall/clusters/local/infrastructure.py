"""What all deployments share: the database with its data, the store, the balancer, and their folders."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from statefall.clusters.local.builds import folder_of
from statefall.clusters.local.directories import (
    CACHE_VARIABLE,
    Account,
    LiveRun,
    cache_directory,
    unprivileged_account,
)
from statefall.clusters.local.ports import Ports
from statefall.clusters.local.postgres import DATABASE, Postgres, readable_programs
from statefall.clusters.local.processes import RECORD, Child, Spawner
from statefall.clusters.local.programs import find_programs
from statefall.clusters.local.template import Recipe, Workshop, copy_template, run_to_its_end
from statefall.clusters.local.traefik import Traefik
from statefall.clusters.local.valkey import Valkey
from statefall.clusters.protocol import ClusterError
from statefall.content import CONTENT
from statefall.records.errors import EnvironmentUnfit
from statefall.records.service import ServiceSpec, filled, placeholders_in


class LocalInfrastructure:
    """Started once, thrown away whole."""

    def __init__(
        self,
        home: Path,
        allowed_ports: range | None,
        on_loss: Callable[[str], None],
        services: Sequence[ServiceSpec],
        seed: int,
    ) -> None:
        """Nothing is made before `start`. `home`: a folder in the run directory.

        `on_loss`: told when a part ends that nobody stopped.
        """
        replicas = [service.local for service in services if service.local is not None]
        self.has_store = any(each.store for each in replicas)
        self._kept = next((each for each in replicas if each.database and each.prepared_from), None)
        self._has_database = any(each.database for each in replicas)
        self._values = {
            "seed": str(seed),
            "secret": secrets.token_hex(32),
            "python": sys.executable,
            "content": str(CONTENT),
        }
        self.access_log = home / "logs" / "access.log" if _asks_for_access_log(services) else None
        self.home, self.logs = home, home / "logs"
        self.programs = find_programs()
        self._account = unprivileged_account()
        self.cache = cache_directory()
        self.ports = Ports(allowed_ports, self.cache / "ports")
        self._on_loss = on_loss
        self._closing = False
        self._password = secrets.token_hex(16)
        self._database: Postgres | None = None
        self.live = LiveRun.planned(self.cache, home)
        self.spawner = Spawner(home / RECORD, self.live.key)

    def values_for(self, service: ServiceSpec) -> dict[str, str]:
        """What stands for the words in braces that are the same for all replicas of a service."""
        found = dict(self._values)
        local = service.local
        if local is not None and local.build:
            found["built"] = str(folder_of(local, self.cache))
        if local is not None and local.store:
            found["store"] = self.store.url
        if local is not None and local.database and self._database is not None:
            found["database"] = self._database.url(self._password, self._database_of(service))
        return found

    def _database_of(self, service: ServiceSpec) -> str:
        return DATABASE if service.local == self._kept else f"service-{service.name}"

    def renew(self, service: ServiceSpec) -> None:
        """Empty the store and the service's database, and prepare it again. Raises ClusterError."""
        local = service.local
        if local is None:
            raise ClusterError(f"the service {service.name} says no `local` command")
        if self.has_store:
            self.start_store()
            self.store.empty()
        if local == self._kept:
            return
        if local.database and self._database is not None:
            self._database.renew(self._password, self._database_of(service))
        if local.prepare:
            values = self.values_for(service)
            run_to_its_end(
                self.spawner,
                tuple(filled(word, values) for word in local.prepare),
                self.logs / f"prepare-{service.name}.log",
                Path(local.directory),
                {**harness_environment(), **_filled_values(local.environment, values)},
            )

    def start(self) -> None:
        """Start all of it; seconds more on the first time that data are prepared. Raises ClusterError."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.live.enter()
        _refuse_if_closed_to(self._account, self.live.directory)
        entry, control = self.ports.take("balancer"), self.ports.take("balancer's control")
        self.balancer = Traefik(self.programs.traefik, entry, control, self.access_log)
        self._start_balancer()
        self.store = Valkey(
            program=self.programs.store,
            port=self.ports.take("store"),
            directory=self.live.folder("store"),
            log=self.logs / "store.log",
            environment=plain_environment(),
        )
        if self.has_store:
            self.store.start(self.spawner, self._on_exit)
        if self._has_database:
            self._start_database(self._recipe())
        if self.has_store:
            self.store.await_ready()
        self.balancer.await_ready()

    def _recipe(self) -> Recipe:
        kept = self._kept
        if kept is None:
            return Recipe()
        values = {**self._values, "database": "{database}"}
        environment = {name: value for name, value in kept.environment.items() if _is_plain(value)}
        return Recipe(
            tuple(filled(word, values) for word in kept.prepare),
            kept.prepared_from,
            _filled_values(environment, self._values),
        )

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
            loader_log=self.logs / "prepare.log",
            environment=harness_environment(),
        )
        data = self.live.folder("database") / "data"
        template_password = copy_template(shop, recipe, data)
        self._database = Postgres(readable, data, log, self._account, plain_environment())
        self._database.start(self.spawner, self.ports.take("database").number, self._on_exit)
        self._database.await_ready(template_password)
        self._database.change_password(template_password, self._password)

    def _start_balancer(self) -> None:
        log = self.logs / "balancer.log"
        folder = self.live.folder("balancer")
        self.balancer.start(self.spawner, folder, log, plain_environment(), self._on_exit)

    def restart_balancer(self) -> None:
        """End it and start it on its ports; it knows no endpoints then. Raises ClusterError."""
        self.balancer.stop()
        self._start_balancer()
        self.balancer.await_ready()

    def stop_store(self) -> None:
        """Shut the store down; what it holds is saved. A no-op when it is down. Raises ClusterError."""
        if not self.has_store:
            raise ClusterError("no service of this run has a store of the cluster's")
        self.store.stop()

    def start_store(self) -> None:
        """Bring the store back with what it held. A no-op when it runs."""
        if not self.has_store:
            return
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
        self._on_loss(f"the {child.program.role} ended ({child.explained()}): {child.last_output()}")


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


def _asks_for_access_log(services: Sequence[ServiceSpec]) -> bool:
    return any(service.answered_by.access_log for service in services)


def _is_plain(value: str) -> bool:
    """Whether the value does not depend on a replica or on what is started later."""
    return set(placeholders_in(value)) <= {"seed", "python", "content"}


def _filled_values(environment: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The variables whose values are known here."""
    return {
        name: filled(value, values)
        for name, value in environment.items()
        if set(placeholders_in(value)) <= set(values)
    }


def harness_environment() -> dict[str, str]:
    """The user's own environment without the settings of this project."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STATEFALL_")}


def plain_environment() -> Mapping[str, str]:
    """What a program needs that takes no settings from the environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
