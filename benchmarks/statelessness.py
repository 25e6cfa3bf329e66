"""What it costs to keep no state: `python benchmarks/statelessness.py [--rounds N] [--out FOLDER]`.

Real replicas on a real database and store answer one kind of request at a time, over kept-alive
connections to their own ports. All kinds take turns, in opposite order every other round, so that a
busy machine disturbs all of them alike; differences are taken within a round. The processor time is
the process's own, from the kernel, and the store's and the database's beside it. Every kind proves
by the replica's metrics that it did what its name says.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.closed_loop import CONNECTIONS, ROOT, USERS, Request, Running, replica, send
from benchmarks.statelessness_report import spread, table
from statefall.clusters.local.fingerprint import fingerprint
from statefall.clusters.local.infrastructure import LocalInfrastructure
from statefall.conductor.services import twins

PUBLISHED = ROOT / "results/published/statelessness"
EMPTY_CART = b"{}"
ACTION = b'{"action":"looked"}'


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request to one kind of replica."""

    name: str
    message: str
    replica: str
    """Which one, by its name in REPLICAS."""
    request: Request
    requests: int
    """In each round."""
    proof: tuple[str, Mapping[str, str]]
    """The sample that each request must have raised by one."""


REPLICAS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "stateless": ("stateless", {}),
    "stateless, cold cache": ("stateless", {"STATEFALL_CACHE_TTL_S": "0.001"}),
    "stateless, cached results": ("stateless", {"STATEFALL_RECOMMENDATION_TTL_S": "1800"}),
    "stateful": ("stateful", {}),
    "stateful, nothing kept": ("stateful", {"STATEFALL_RECOMMENDATION_TTL_S": "0"}),
}
"""Twin and settings of each replica."""


def answered(route: str) -> tuple[str, Mapping[str, str]]:
    return "statefall_requests_total", {"route": route, "outcome": "ok"}


def looked_up(cache: str, result: str) -> tuple[str, Mapping[str, str]]:
    return "statefall_cache_requests_total", {"cache": cache, "result": result}


def paid(part: str) -> tuple[str, Mapping[str, str]]:
    return "statefall_overhead_seconds_count", {"part": part}


KINDS = (
    Kind("floor", "no user at all", "stateless", Request("GET", "/live"), 1500, answered("/live")),
    Kind(
        "memory-read",
        "session from memory",
        "stateful",
        Request("POST", "/cart/total", EMPTY_CART),
        1500,
        answered("/cart/total"),
    ),
    Kind(
        "token-validation",
        "token validated",
        "stateless",
        Request("POST", "/cart/total", EMPTY_CART),
        1500,
        paid("token_validation"),
    ),
    Kind(
        "memory-profile",
        "profile from memory",
        "stateful",
        Request("GET", "/profile"),
        1500,
        answered("/profile"),
    ),
    Kind(
        "cache-hit",
        "token, profile from the shared cache",
        "stateless",
        Request("GET", "/profile"),
        1500,
        looked_up("profile", "hit"),
    ),
    Kind(
        "cache-miss",
        "token, profile from the database",
        "stateless, cold cache",
        Request("GET", "/profile"),
        1000,
        looked_up("profile", "miss"),
    ),
    Kind(
        "memory-write",
        "action kept in memory",
        "stateful",
        Request("POST", "/activity", ACTION),
        1000,
        answered("/activity"),
    ),
    Kind(
        "token-write",
        "token, profile from the cache, new token",
        "stateless",
        Request("POST", "/activity", ACTION),
        1000,
        paid("token_issue"),
    ),
    Kind(
        "memory-result",
        "recommendations from memory",
        "stateful",
        Request("GET", "/recommendations"),
        1000,
        looked_up("recommendations", "hit"),
    ),
    Kind(
        "cached-result",
        "recommendations from the shared cache",
        "stateless, cached results",
        Request("GET", "/recommendations"),
        1000,
        looked_up("recommendations", "hit"),
    ),
    Kind(
        "recomputation",
        "recommendations recomputed",
        "stateless",
        Request("GET", "/recommendations"),
        150,
        paid("recomputation"),
    ),
    Kind(
        "recomputation-stateful",
        "recommendations recomputed by the stateful twin, for comparison",
        "stateful, nothing kept",
        Request("GET", "/recommendations"),
        150,
        looked_up("recommendations", "miss"),
    ),
)
PAIRS = (
    ("token-validation", "memory-read", "a token instead of a session in memory"),
    ("cache-hit", "memory-profile", "a profile from the shared cache instead of memory"),
    ("cache-miss", "cache-hit", "a miss in the shared cache instead of a hit"),
    ("token-write", "memory-write", "a write that hands out a new token instead of changing memory"),
    ("cached-result", "memory-result", "a result from the shared cache instead of memory"),
    ("recomputation", "memory-result", "a computation on each request instead of memory"),
    (
        "recomputation",
        "recomputation-stateful",
        "the same computation in both twins: token and profile are what is left",
    ),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One kind in one round."""

    per_s: float
    replica_us: float
    """Processor time of the replica for a request; the others alike."""
    store_us: float
    database_us: float


def cpu_s(processes: list[psutil.Process]) -> dict[int, float]:
    """Processor time used so far by each that still runs, user and system."""
    used = {}
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # the database's own housekeeping comes and goes; no request waits for it
        used[process.pid] = times.user + times.system
    return used


def named(name: str) -> list[psutil.Process]:
    """Our programs of this name."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if name in process.name():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def measure(running: Running, kind: Kind) -> Block:
    """One block. Ends the benchmark when the replica did something else than the kind says."""
    send(running, kind.request, max(len(running.proofs), 60))  # everybody once: connections, caches
    before = running.sample(*kind.proof)
    parts = [[running.worker()], named("valkey"), named("postgres")]
    cpu_before = [cpu_s(part) for part in parts]
    took_s = send(running, kind.request, kind.requests)
    used = [
        sum(now - start[pid] for pid, now in cpu_s(part).items() if pid in start) / kind.requests * 1e6
        for part, start in zip(parts, cpu_before, strict=True)
    ]
    proven = running.sample(*kind.proof) - before
    if proven != kind.requests:
        raise SystemExit(f"{kind.name}: {proven:.0f} of {kind.requests} requests did what they should")
    return Block(kind.requests / took_s, *used)


def run(rounds: int, replicas: Mapping[str, Running]) -> dict[str, list[Block]]:
    """All kinds, so many times."""
    blocks: dict[str, list[Block]] = {kind.name: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            blocks[kind.name].append(measure(replicas[kind.replica], kind))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return blocks


def summary(blocks: Mapping[str, list[Block]], versions: Mapping[str, str]) -> dict[str, Any]:
    """What is written as JSON."""
    return {
        "schema": "statelessness/1",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": versions,
        "connections": CONNECTIONS,
        "users": len(USERS),
        "kinds": [
            {
                "name": kind.name,
                "words": kind.message,
                "replica": kind.replica,
                "request": f"{kind.request.method} {kind.request.path}",
                "requests": kind.requests * len(blocks[kind.name]),
                "rounds": len(blocks[kind.name]),
                "per_s": spread([block.per_s for block in blocks[kind.name]]),
                "replica_cpu_us": spread([block.replica_us for block in blocks[kind.name]]),
                "store_cpu_us": spread([block.store_us for block in blocks[kind.name]]),
                "database_cpu_us": spread([block.database_us for block in blocks[kind.name]]),
            }
            for kind in KINDS
        ],
        "pairs": [
            {
                "name": f"{one}/{other}",
                "words": message,
                "more_replica_cpu_us": spread(
                    [
                        mine.replica_us - theirs.replica_us
                        for mine, theirs in zip(blocks[one], blocks[other], strict=True)
                    ]
                ),
            }
            for one, other, message in PAIRS
        ],
    }


def main() -> None:
    """Measure and write `measured.json` and `README.md`."""
    parser = argparse.ArgumentParser(description="Measure what it costs to keep no state.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "cluster"
        base = LocalInfrastructure(
            home, None, lambda message: print(message, file=sys.stderr), (twins(),), seed=1
        )
        stack.callback(base.close, keep_logs=False)
        base.start()
        environ = {
            "STATEFALL_ENVIRONMENT": "local",
            "STATEFALL_DATABASE_URL": base.values_for(twins())["database"],
        }
        replicas = {}
        for number, (name, (twin, changes)) in enumerate(REPLICAS.items()):
            # One server, and a database of it for each, so that none finds what another has cached.
            store = {"STATEFALL_STORE_URL": f"{base.store.url.rpartition('/')[0]}/{number}"}
            replicas[name] = stack.enter_context(replica(twin, {**environ, **store, **changes}))
        measured = summary(run(options.rounds, replicas), fingerprint(base.programs))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "measured.json").write_text(json.dumps(measured, indent=1) + "\n")
    (options.out / "README.md").write_text(table(measured))
    sys.stdout.write(table(measured))


if __name__ == "__main__":
    main()
