"""The load generator's process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from statefall.clusters.local import LocalCluster
from statefall.clusters.protocol import ClusterError
from statefall.records.load import LoadConfig, LoadSpec
from tests.clusters.local.watching import gone

CONFIG = LoadConfig.of(LoadSpec(), cell="c1", seed=7, shoppers=())
GENERATOR = """
import http.server, json, os, signal, subprocess, sys
config = open(sys.argv[sys.argv.index("--config") + 1]).read()
port = int(sys.argv[sys.argv.index("--control-port") + 1])
worker = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
if json.loads(config)["cell"] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"config": json.loads(config), "pids": [os.getpid(), worker.pid]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def loaded(make_cluster: Callable[..., LocalCluster], tmp_path: Path) -> object:
    """An open cluster whose load generator tells what it was given."""
    script = tmp_path / "generator.py"
    script.write_text(GENERATOR)
    cluster = make_cluster(load_command=(sys.executable, str(script)))
    cluster.open()
    yield cluster
    cluster.close()


def answer(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(url).json()
    return found


def test_it_is_given_the_balancer_as_its_target_and_ends_with_all_it_started(loaded: LocalCluster) -> None:
    loaded.stop_load()
    first = answer(loaded.start_load(CONFIG))
    given = LoadConfig.from_json(json.dumps(first["config"]).encode())
    assert given == replace(CONFIG, target=loaded.base_url)
    loaded.stop_load()
    assert all(gone(pid) for pid in first["pids"])
    second = answer(loaded.start_load(replace(CONFIG, target="http://127.0.0.1:9", cell="stubborn")))
    assert second["config"]["target"] == "http://127.0.0.1:9"
    third = answer(loaded.start_load(CONFIG))
    assert all(gone(pid) for pid in second["pids"])
    loaded.close()
    assert all(gone(pid) for pid in third["pids"])


def test_one_that_ends_at_once_is_told_with_the_end_of_its_log(
    make_cluster: Callable[..., LocalCluster],
) -> None:
    cluster = make_cluster(load_command=(sys.executable, "-c", "raise SystemExit('no such mix')"))
    try:
        cluster.open()
        with pytest.raises(
            ClusterError, match=r"the load generator ended \(exit 1\): no such mix \(log: .*load.log"
        ):
            cluster.start_load(CONFIG)
    finally:
        cluster.close()
