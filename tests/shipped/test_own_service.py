"""`statefall run` on a service of somebody's own: a Flask app with its sessions in memory, and a kill.

Three services that differ in who says which replica answered: the answer, the balancer's log, nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from statefall.records.events import SessionsMarked
from statefall.results.model import Cell, Summary
from statefall.results.stored import StoredRun

pytestmark = pytest.mark.shipped

APP = """
    import os, secrets
    from flask import Flask, jsonify, request

    app = Flask(__name__)
    sessions = {}

    @app.after_request
    def say_who(response):
        response.headers["X-Pod"] = os.environ["POD_NAME"]
        return response

    @app.get("/healthz")
    def healthz():
        return "ok"

    @app.post("/login")
    def login():
        key = secrets.token_hex(8)
        sessions[key] = {}
        response = jsonify(user=request.form["user"])
        response.set_cookie("sid", key)
        return response

    @app.route("/cart", methods=["GET", "POST"])
    def cart():
        held = sessions.get(request.cookies.get("sid", ""))
        if held is None:
            return jsonify(error="who?"), 401
        if request.method == "POST":
            product = str(request.json["id"])
            held[product] = held.get(product, 0) + 1
        return jsonify(held)
    """
BUYER = """
    from statefall.load import Shopper, counter, task

    class Buyer(Shopper):
        cart = counter()

        def log_in(self):
            self.post("/login", data={"user": self.user.name})

        @task(3)
        def add(self):
            product = self.random.randint(1, 100)
            self.post("/cart", json={"id": product}, writes=self.cart.add(product, 1))

        @task(5)
        def look(self):
            self.cart.shows(self.get("/cart").json())
    """
SERVICE = """
    name: {name}
    journey: buyer.py:Buyer
    state: replica
    local:
      command: ["{{python}}", -m, gunicorn, "app:app", --threads, "4", --bind, "{{address}}"]
      ready: /healthz
    answered_by: {answered_by}
    """
EXPERIMENT = """
    name: rollout
    summary: What do our users lose when a replica is killed?
    services: [header.yaml, log.yaml, nobody.yaml]
    matrix: {fault: [kill], balancer: [sticky]}
    replicas: 3
    load: {shoppers: 30, think_time_s: 0.5, arrivals_s: 1, timeout_s: 15}
    phases: {warmup_s: 5, baseline_s: 2, fault_s: 5, recovery_s: 8}
    """
ANSWERED_BY = {"header": "{header: X-Pod}", "log": "{access_log: traefik}", "nobody": "{}"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run."""
    here = tmp_path_factory.mktemp("own")
    files = {"app.py": APP, "buyer.py": BUYER, "rollout.yaml": EXPERIMENT}
    files |= {
        f"{name}.yaml": SERVICE.format(name=name, answered_by=said) for name, said in ANSWERED_BY.items()
    }
    for name, text in files.items():
        (here / name).write_text(dedent(text))
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("statefall")), "run", "rollout.yaml", "--out", "runs"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    [folder] = (here / "runs").iterdir()
    return folder


def cell_of(run: Path, service: str) -> Cell:
    summary = Summary.from_json((run / "summary.json").read_bytes())
    [cell] = [cell for cell in summary.cells if cell.service == service]
    return cell


def marked(run: Path, cell: Cell) -> dict[str, int]:
    """Sessions by replica at the fault."""
    events = StoredRun(run).events()
    [mark] = [each for each in events if isinstance(each, SessionsMarked) and each.cell == cell.name]
    return {key.partition("/")[0]: count for key, count in mark.by_boot.items()}


@pytest.mark.parametrize("service", ["header", "log"])
def test_exactly_the_victims_sessions_are_lost(run: Path, service: str) -> None:
    cell = cell_of(run, service)
    [victim] = cell.faults[0].victims
    assert cell.sessions.lost == marked(run, cell)[victim] > 0
    assert cell.sessions.kept == cell.sessions.at_fault - cell.sessions.lost
    assert json.loads(json.dumps(cell.lost_by_cause)) == {"pod_killed": cell.sessions.lost}


def test_where_nobody_says_who_answered_no_replica_is_blamed(run: Path) -> None:
    cell = cell_of(run, "nobody")
    assert marked(run, cell) == {"": cell.sessions.at_fault}
    assert cell.sessions.lost > 0
    assert json.loads(json.dumps(cell.lost_by_cause)) == {"near_fault": cell.sessions.lost}
