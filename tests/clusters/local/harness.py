"""A harness in a process of its own, to be killed: opens a cluster, deploys, ends with its input.

`python -m tests.clusters.local.harness RUN_DIR CONTROL [PORTS]`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from statefall.clusters.local import LocalCluster
from statefall.records.cells import CellSpec
from statefall.records.errors import StatefallError
from statefall.records.terms import Balancer, Service, StateDesign
from tests.clusters.local.conftest import SMALL


def main() -> None:
    run_dir, control = Path(sys.argv[1]), sys.argv[2]
    ports = range(*map(int, sys.argv[3].split("-"))) if len(sys.argv) > 3 else None
    cluster = LocalCluster(run_dir, ports=ports, services=(SMALL,))
    try:
        cluster.open()
        settings = {"STATEFALL_TEST_CONTROL": control}
        cluster.deploy(
            CellSpec(
                "c1", Service.STATEFUL, StateDesign.MEMORY, Balancer.PLAIN, replicas=2, settings=settings
            )
        )
        pods = [pod.name for pod in cluster.pods()]
        print(json.dumps({"target": cluster.base_url, "pods": pods}), flush=True)  # noqa: T201
        sys.stdin.read()
    except StatefallError as error:
        sys.exit(str(error))
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
