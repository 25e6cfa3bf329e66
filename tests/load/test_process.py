"""The load generator as a process, driven as the conductor drives it, against a service that counts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from statefall.load.recorder import HdrHistogram
from statefall.records.events import Replica, SessionLost, Tick
from statefall.records.verdicts import Verdict
from tests.load.generator import (
    DEADLINE_S,
    alive,
    assert_counts_balance,
    command,
    config_for,
    generating,
    wait_until,
)
from tests.load.shop import HangUp, Shop, serve

SEVERAL = 2
"""Workers, where one process and several could differ: what several do, each of them does."""


@pytest.mark.parametrize("workers", [1, SEVERAL])
def test_the_button_of_locusts_page_says_that_it_starts_nothing(tmp_path: Path, workers: int) -> None:
    shop = Shop()
    with serve(shop) as url, generating(config_for(url, workers=workers), tmp_path) as load:
        asked = {"user_count": "5", "spawn_rate": "5"}
        answer = httpx.post(f"{load.channel.url}/swarm", data=asked, timeout=DEADLINE_S)
        page = httpx.get(f"{load.channel.url}/stats/requests", timeout=DEADLINE_S)
    assert answer.json()["success"] is False
    assert "nothing was started" in answer.json()["message"]
    assert page.json()["user_count"] == 0
    assert shop.operations.total() == 0


@pytest.mark.parametrize(
    ("workers", "client_held"), [(1, False), (SEVERAL, True)], ids=["sessions", "tokens"]
)
def test_a_healthy_service_keeps_every_session_and_saw_every_request_once(
    tmp_path: Path, workers: int, client_held: bool
) -> None:
    shop = Shop(client_held=client_held)
    with serve(shop) as url, generating(config_for(url, workers=workers), tmp_path) as load:
        load.channel.phase("warmup")
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.channel.phase("baseline")
        mark = load.channel.mark("f1")
        wait_until(lambda: load.completed() > 300, "some hundred requests were answered")
        load.channel.phase("audit")
        load.channel.audit()
        result = load.channel.finish()
        ticks, lost = load.of_kind(Tick), load.of_kind(SessionLost)
    assert mark.by_boot == {"pod-a/boot-1": 12}
    assert lost == []
    assert Counter(record.verdict for record in result.sessions) == {Verdict.KEPT: 12}
    assert all(record.live_at_mark for record in result.sessions)
    assert result.told_lost == {}
    assert result.generator_faults == ()
    assert_counts_balance(result)
    assert result.requests.scheduled == result.requests.completed == result.operations
    assert shop.operations.total() == len(shop.operations) == result.operations
    assert sum(tick.scheduled for tick in ticks) == result.requests.scheduled
    assert sum(tick.completed for tick in ticks) == result.requests.completed
    timed = [HdrHistogram.decode(text).get_total_count() for text in result.histograms.values()]
    assert sum(timed) == result.requests.completed
    assert set(result.histograms) == {"warmup", "baseline", "audit"}
    assert load.process.returncode == 0
    assert load.complaints() == ""


def test_sessions_that_a_restart_forgot_are_lost_each_once_and_live_on_as_new_ones(tmp_path: Path) -> None:
    shop = Shop()
    with serve(shop) as url, generating(config_for(url, workers=SEVERAL), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.channel.phase("fault")
        mark = load.channel.mark("f1")
        shop.forget()
        wait_until(lambda: load.logins() == 24, "all shoppers have logged in again")
        load.channel.audit()
        result = load.channel.finish()
        lost = load.of_kind(SessionLost)
    assert mark.live_sessions == 12
    at_mark = [record for record in result.sessions if record.live_at_mark]
    assert [record.verdict for record in at_mark] == [Verdict.LOST] * 12
    assert {(record.pod, record.boot) for record in at_mark} == {("pod-a", "boot-1")}
    assert sorted(event.session for event in lost) == sorted(record.session for record in at_mark)
    event = lost[0]
    assert (event.verdict, event.phase) == ("lost", "fault")
    assert event.evidence == "answered 401 session_lost, 2 times"
    assert event.home.boot == "boot-1"
    assert event.answered_by == (Replica("pod-a", "boot-2"),)
    later = [record for record in result.sessions if not record.live_at_mark]
    assert {record.verdict for record in later} == {Verdict.KEPT}
    assert result.told_lost == {"pod-a/boot-2": {"session_lost": len(shop.told_lost)}} == {
        "pod-a/boot-2": {"session_lost": 12}
    }  # fmt: skip
    assert load.complaints() == ""


def test_a_service_that_hangs_up_sees_every_request_once(tmp_path: Path) -> None:
    shop = Shop()
    numbers = iter(range(10**9))

    def sometimes(method: str, path: str) -> None:
        if next(numbers) % 3 == 0:
            raise HangUp

    with serve(shop) as url, generating(config_for(url), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.channel.mark("f1")
        shop.before = shop.after = sometimes
        wait_until(lambda: sum(t.failed for t in load.of_kind(Tick)) > 100, "a hundred requests have failed")
        shop.before = shop.after = lambda method, path: None
        load.channel.audit()
        result = load.channel.finish()
        lost = load.of_kind(SessionLost)
    assert lost == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert result.requests.failed > 100
    assert_counts_balance(result)
    assert shop.operations.total() == len(shop.operations) == result.operations


def test_a_lie_is_found_by_the_shoppers(tmp_path: Path) -> None:
    shop = Shop()
    with serve(shop) as url, generating(config_for(url), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        wait_until(lambda: load.completed() > 300, "carts are not empty")
        load.channel.mark("f1")
        with shop._lock:
            victim = max(shop.sessions.values(), key=lambda state: sum(state.cart.values()))
            victim.cart[next(iter(victim.cart))] -= 1
        load.channel.audit()
        result = load.channel.finish()
        (event,) = load.of_kind(SessionLost)
    assert (event.verdict, event.user_id) == ("rolled_back", victim.user_id)
    verdicts = Counter(record.verdict for record in result.sessions)
    assert verdicts == {Verdict.KEPT: 11, Verdict.ROLLED_BACK: 1}


def test_a_load_that_is_stopped_in_the_middle_balances_its_books(tmp_path: Path) -> None:
    shop, opened, held = Shop(), threading.Event(), threading.Semaphore(0)

    def hold(method: str, path: str) -> None:
        held.release()
        opened.wait(DEADLINE_S)

    with serve(shop) as url, generating(config_for(url, timeout_s=60.0), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        shop.before = hold
        for _ in range(12):
            assert held.acquire(timeout=DEADLINE_S)
        result = load.channel.finish()
        opened.set()
    assert result.requests.in_flight == 12
    assert_counts_balance(result)
    assert shop.operations.total() == result.operations == result.requests.scheduled
    assert {record.verdict for record in result.sessions} <= {Verdict.KEPT, Verdict.INDETERMINATE}
    assert load.complaints() == ""


def test_a_service_that_never_answers_fails_by_timeout_and_loses_no_session(tmp_path: Path) -> None:
    shop, opened = Shop(), threading.Event()

    with serve(shop) as url, generating(config_for(url, timeout_s=2.0, shoppers=4), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 4, "all shoppers have arrived")
        load.channel.mark("f1")
        shop.before = lambda method, path: assert_opened(opened)
        wait_until(lambda: sum(t.failed for t in load.of_kind(Tick)) >= 4, "requests have timed out")
        shop.before = lambda method, path: None
        opened.set()
        load.channel.audit()
        result = load.channel.finish()
        lost = load.of_kind(SessionLost)
    assert lost == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert_counts_balance(result)


def assert_opened(opened: threading.Event) -> None:
    assert opened.wait(DEADLINE_S)


def test_where_nobody_listens_nothing_is_sent(tmp_path: Path) -> None:
    with serve(Shop()) as url:
        pass
    with generating(config_for(url, shoppers=3), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: sum(t.failed for t in load.of_kind(Tick)) > 10, "requests have failed")
        result = load.channel.finish()
    assert result.operations == 0
    assert result.sessions == ()
    assert_counts_balance(result)
    assert result.requests.failed == result.requests.scheduled - result.requests.dropped


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels refuse what does not fit the backlog")
def test_what_was_due_and_never_sent_when_the_load_ended_was_dropped(tmp_path: Path) -> None:
    """Nobody accepts: the backlog holds a connection or two, the other shoppers wait for theirs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with generating(config_for(url, shoppers=6, timeout_s=60.0), tmp_path) as load:
            load.channel.start()
            wait_until(lambda: any(t.in_flight == 6 for t in load.of_kind(Tick)), "all are waiting")
            result = load.channel.finish()
    counts = result.requests
    assert counts.in_flight == result.operations
    assert counts.in_flight + counts.dropped == counts.scheduled == 6
    assert counts.dropped >= 3
    assert_counts_balance(result)


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (SEVERAL, signal.SIGTERM)])
def test_a_signal_ends_it_in_the_middle_of_its_work_without_a_word(
    tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    with serve(Shop()) as url, generating(config_for(url, workers=workers), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        load.process.send_signal(number)
        assert load.process.wait(DEADLINE_S) == 0
    assert load.complaints() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it watches its parent instead")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    config = tmp_path / "load.json"
    config.write_bytes(config_for("http://127.0.0.1:9", workers=SEVERAL).to_json())
    child = command("--config", str(config), "--die-with-parent")
    code = "import json, subprocess, sys; subprocess.Popen(json.loads(sys.argv[1])).wait()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(child)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline().startswith('{"control"')
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == 1 + SEVERAL
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(map(alive, family)), "all are gone")


ONE_AFTER_THE_OTHER = """
import json, sys
from statefall.load.main import main
for arguments in json.loads(sys.argv[1]):
    assert main(arguments) == 2
    sys.stderr.write("--\\n")
"""


def refused(*starts: tuple[str, ...]) -> list[str]:
    """Standard error of starts that must fail as unusable input, all within one process."""
    ended = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(starts)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    return ended.stderr.split("--\n")[:-1]


def test_unusable_input_is_refused_in_one_line(tmp_path: Path) -> None:
    twins = config_for("http://127.0.0.1:9", shoppers=2).to_json()
    documents = {
        b"no json": "is not a load configuration",
        b"{}": "is not a load configuration",
        b"[]": "is not a load configuration",
        b'{"shoppers": [], "mix": "shopping", "surplus": 1}': "is not a load configuration",
        config_for("ftp://x").to_json(): "not a plain HTTP base URL",
        twins.replace(b'"user_id":101', b'"user_id":100'): "a user of its own",
    }
    files = [tmp_path / f"load-{number}.json" for number in range(len(documents))]
    for file, document in zip(files, documents, strict=True):
        file.write_bytes(document)
    told = refused(*(("--config", str(file)) for file in files))
    for text, part in zip(told, documents.values(), strict=True):
        assert part in text
        assert text.count("\n") == 1


def test_a_configuration_that_is_not_there_ends_the_process_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    begin = command("--config", str(file))
    ended = subprocess.run(begin, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"{file}: cannot be read: No such file or directory\n"


def test_a_taken_control_port_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    with serve(Shop()) as url:
        file.write_bytes(config_for(url).to_json())
        (text,) = refused(("--config", str(file), "--control-port", url.rpartition(":")[2]))
    assert "Address already in use" in text
    assert "choose another --control-port" in text
    assert text.count("\n") == 1


def test_locusts_own_page_shows_the_shoppers_and_a_stop_there_is_the_generators_fault(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url), tmp_path) as load:
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        with httpx.Client(base_url=load.channel.url, timeout=DEADLINE_S) as page:
            assert "Locust" in page.get("/").text
            stats = page.get("/stats/requests").json()
            page.post("/stop")
        result = load.channel.finish()
    assert {"login", "dashboard"} <= {row["name"] for row in stats["stats"]}
    assert stats["user_count"] == 12
    assert result.generator_faults == ("the load was stopped on Locust's page",)
    assert_counts_balance(result)


def test_calls_in_an_odd_order_do_no_harm(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url, shoppers=2), tmp_path) as load:
        assert load.channel.mark("early").live_sessions == 0
        load.channel.audit()
        first = load.channel.start()
        assert load.channel.start() == first
        wait_until(lambda: load.logins() == 2, "all shoppers have arrived")
        result = load.channel.finish()
        assert load.channel.finish() == result
        load.channel.phase("after")
        with httpx.Client(base_url=load.channel.url) as control:
            assert control.post("/statefall/phase", json={}).status_code == 400
            assert control.post("/statefall/mark", content=b"x").status_code == 400
            assert control.get("/statefall/events?after=x").status_code == 400
    assert load.complaints() == ""


def test_finish_before_start_has_empty_books(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url), tmp_path) as load:
        result = load.channel.finish()
    assert result.requests.scheduled == 0
    assert_counts_balance(result)


def test_a_person_runs_the_same_shoppers_from_locusts_command_line() -> None:
    shop = Shop()
    file = "loadtests/locustfile.py"
    locust = [sys.executable, "-m", "locust", "-f", file, "--headless"]
    more = ["--users", "5", "--spawn-rate", "5", "--think-time", "0.05"]
    with serve(shop) as url:
        process = subprocess.Popen(
            [*locust, "--host", url, *more], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: shop.operations.total() > 100, "a hundred requests have come")
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert process.returncode == 0, told
    assert "Shopping: 5 sessions: 5 kept" in told
    assert "no tasks" not in told, "Locust finds something to do in the class"
