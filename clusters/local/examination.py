"""What the local cluster needs of this machine, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable

from clusters.local.places import cache_directory, unprivileged_account
from clusters.local.programs import find_database, find_store, find_traefik, version
from clusters.protocol import Check
from foundation.errors import EnvironmentUnfit


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
        return Check(name, fine=True, words=find())
    except EnvironmentUnfit as error:
        return Check(name, fine=False, words=str(error))
