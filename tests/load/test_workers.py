"""Several load processes: a worker that is lost or hangs, and a master whose workers others start."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import httpx

from statefall.records.events import Tick
from statefall.records.verdicts import Verdict
from tests.load.generator import (
    DEADLINE_S,
    assert_counts_balance,
    command,
    config_for,
    generating,
    wait_until,
)
from tests.load.shop import Shop, serve


def test_a_worker_that_vanishes_is_the_generators_fault_and_is_named(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url, workers=2), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.workers()[0].kill()
        seen = len(load.of_kind(Tick))
        wait_until(lambda: len(load.of_kind(Tick)) >= seen + 2, "the other worker goes on")
        load.channel.audit()
        result = load.channel.finish()
    (fault,) = result.generator_faults
    assert "ended with code -9" in fault
    assert len(result.sessions) == 6
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert_counts_balance(result)


def test_a_worker_that_hangs_is_named_and_not_waited_for_longer_than_its_heartbeat(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url, workers=2), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.workers()[0].suspend()
        result = load.channel.finish()
    (fault,) = result.generator_faults
    assert "its heartbeat stopped" in fault
    assert len(result.sessions) == 6
    assert_counts_balance(result)


def test_workers_may_be_started_by_somebody_else(tmp_path: Path) -> None:
    with serve(Shop()) as url:
        config = tmp_path / "load.json"
        config.write_bytes(config_for(url, workers=1).to_json())
        port = free_port()
        where, heart = ["--master-port", str(port)], tmp_path / "heart"
        with subprocess.Popen(command("--worker", *where, "--heart", str(heart))) as worker:
            try:
                bind = ["--master-bind-host", "127.0.0.1"]
                with generating(config_for(url), tmp_path, "--master", *where, *bind) as load:
                    wait_until(heart.exists, "the worker's probe sees that it is connected")
                    load.channel.start()
                    wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
                    result = load.channel.finish()
                assert worker.wait(DEADLINE_S) == 0
            finally:
                worker.kill()
    assert len(result.sessions) == 12
    assert result.generator_faults == ()


def test_a_master_without_its_workers_lives_and_is_not_ready(tmp_path: Path) -> None:
    config = tmp_path / "load.json"
    config.write_bytes(config_for("http://127.0.0.1:9").to_json())
    where = ["--master-port", str(free_port()), "--master-bind-host", "127.0.0.1", "--expect-workers", "1"]
    begin = command("--master", "--config", str(config), *where)
    with subprocess.Popen(begin, stdout=subprocess.PIPE, text=True) as master:
        try:
            assert master.stdout is not None
            control = json.loads(master.stdout.readline())["control"]
            found = [httpx.get(f"{control}/statefall/{path}", trust_env=False) for path in ("live", "ready")]
        finally:
            master.kill()
    assert [answer.status_code for answer in found] == [200, 503]
    assert found[1].json()["workers"] == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
