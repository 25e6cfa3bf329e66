"""What explains a result that was measured here: versions and sizes."""

from __future__ import annotations

import os
import platform
import re

import psutil

from statefall.clusters.local.postgres import MAX_CONNECTIONS, SETTINGS
from statefall.clusters.local.programs import Programs, version


def fingerprint(programs: Programs) -> dict[str, str]:
    """Words for people; equal on equal machines with equal programs."""
    traefik = version(programs.traefik, "version").removeprefix("Version:").strip()
    store = re.sub(r"^(\w+) server v=(\S+).*", r"\1 \2", version(programs.store))
    database = version(programs.database / "postgres").removeprefix("postgres (PostgreSQL) ")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "balancer": f"Traefik {traefik}",
        "store": store,
        "database": f"PostgreSQL {database}",
        "database_durability": f"none (fsync {SETTINGS['fsync']}): its data is thrown away after the run",
        "database_connections": str(MAX_CONNECTIONS),
        "cores": str(cores),
        "memory_bytes": str(psutil.virtual_memory().total),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
