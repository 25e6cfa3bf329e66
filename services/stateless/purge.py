"""Empties one tenant's partition of the shared cache: `python -m services.stateless.purge TENANT`.

For the day when a tenant's data was changed behind the service's back: its users are asked anew from
the database, everybody else's entries stay warm.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from typing import Final

from services.stateless.caching import COMMON, TENANTS, partition
from services.store_client import COMMAND_TIMEOUT_S, connector
from services.store_cluster import STORE_ERRORS

_BATCH: Final = 1000


def purge(store_url: str, tenant: str) -> int:
    """Remove every cached entry of the tenant; returns how many those were.

    Raises ValueError for a URL that names no store and one of STORE_ERRORS when the store does not answer.
    """
    removed = 0
    client = connector(store_url, connections=1, timeout_s=COMMAND_TIMEOUT_S)()
    with closing(client):
        batch: list[bytes] = []
        # One slot of a cluster holds all of a tenant, so one command can remove many of its keys.
        for key in client.scan_iter(match=f"{partition(tenant)}*", count=_BATCH):
            batch.append(key)
            if len(batch) == _BATCH:
                removed += client.unlink(*batch)
                batch.clear()
        if batch:
            removed += client.unlink(*batch)
    return removed


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 purged, 2 the store could not be used."""
    names = [f"tenant-{number}" for number in range(TENANTS)]
    parser = argparse.ArgumentParser(prog="python -m services.stateless.purge", description="Purge a tenant.")
    parser.add_argument("tenant", choices=[*names, COMMON], metavar=f"{names[0]}..{names[-1]}|{COMMON}")
    parser.add_argument("--store-url", default=os.environ.get("STATEFALL_STORE_URL"))
    options = parser.parse_args(arguments)
    if not options.store_url:
        parser.error("no store: give --store-url or set STATEFALL_STORE_URL")
    try:
        removed = purge(options.store_url, options.tenant)
    except (*STORE_ERRORS, ValueError) as error:
        sys.stderr.write(f"the cache could not be purged: {str(error).splitlines()[0]}\n")
        return 2
    sys.stderr.write(f"{removed} entries of {options.tenant} removed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
