"""What the local cluster needs of this machine, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable

from statefall.clusters.local.directories import cache_directory, unprivileged_account
from statefall.clusters.local.programs import find_database, find_store, find_traefik, version
from statefall.clusters.protocol import Check
from statefall.records.errors import EnvironmentUnfit


def examine() -> tuple[Check, ...]:
    """A check for each need; runs the programs for their versions and starts nothing."""
    return (
        _check("balancer", lambda: version(find_traefik(), "version")),
        _check("session store", lambda: version(find_store())),
        _check("database", lambda: version(find_database() / "postgres")),
        _check("database account", _account),
        _check("cache", lambda: str(cache_directory())),
    )


def _account() -> str:
    account = unprivileged_account()
    return f"runs as {account.name}" if account else "runs as you"


def _check(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, fine=True, message=find())
    except EnvironmentUnfit as error:
        return Check(name, fine=False, message=str(error))
