"""Stale reads and foreign sessions in 100,000 operations each: `python -m benchmarks.roaming_clients`.

Three real replicas of each design in which any replica serves any session, on a real database and store.
Users who move with every request must see exactly what was acknowledged to them; tabs of one browser never
an older version than was acknowledged to any, and no version twice; users who come and go
(logins, logouts, expiry) must only ever be answered with their own session. The workloads and what they
check are in `tests/services/sessions/roaming_clients.py`. Exit code 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.settings import SessionDesign
from services.shop.prepare import prepare
from tests.services.backing import Valkey, postgres
from tests.services.conftest import SHOP
from tests.services.sessions.designs import SHARED
from tests.services.sessions.processes import replicas, wait_for_peers
from tests.services.sessions.roaming_clients import Tally, come_and_go, roam, share

PUBLISHED = Path(__file__).parents[1] / "results/published/wanderers"
PODS = ("pod-a", "pod-b", "pod-c")
EXPIRY_S = 2.0
WORKLOADS = {"moving": 3600.0, "sharing": 3600.0, "coming and going": EXPIRY_S}
"""How long a session lives unused, in seconds."""


def run(design: SessionDesign, operations: int, seed: int, database_url: str) -> dict[str, Any]:
    """All workloads on fresh replicas of one design."""
    measured: dict[str, Any] = {"design": design.value}
    for name, ttl_s in WORKLOADS.items():
        store = Valkey()
        store.start()
        try:
            with replicas(design, database_url, store.url, SESSION_TTL_S=str(ttl_s)) as start:
                served = [start(pod) for pod in PODS]
                if design is SessionDesign.REPLICATED:
                    wait_for_peers(*served)
                begin = time.monotonic()
                if name == "moving":
                    tally = roam(served, operations, threads=6, seed=seed)
                elif name == "sharing":
                    tally = share(served, operations, threads=6, seed=seed)
                else:
                    tally = come_and_go(served, operations, threads=6, seed=seed, expiry_s=EXPIRY_S)
                measured[name] = result(tally, time.monotonic() - begin)
        finally:
            store.stop()
        print(design.value, name, measured[name], flush=True)
    return measured


def result(tally: Tally, took_s: float) -> dict[str, Any]:
    """What was done and found."""
    return {
        "operations": tally.done,
        "outcomes": dict(sorted(tally.seen.items())),
        "wrong": tally.wrong,
        "took_s": round(took_s, 1),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--operations", type=int, default=100_000, help="of each workload, over all designs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    given = parser.parse_args()
    share = -(-given.operations // len(SHARED))
    with postgres() as database_url:
        prepare(database_url, SHOP)
        designs = [run(design, share, given.seed, database_url) for design in SHARED]
    given.out.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": given.seed,
        "replicas": len(PODS),
        "designs": designs,
    }
    (given.out / "measured.json").write_text(json.dumps(document, indent=2) + "\n")
    wrong = [words for one in designs for name in WORKLOADS for words in one[name]["wrong"]]
    print(f"{len(wrong)} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
