"""`statefall ui` and `statefall run --ui` in a browser: a button kills a replica."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.main_job.conductor import DEADLINE_S, STATEFALL, wait_gone
from tests.services.backing import wait_until

pytestmark = pytest.mark.shipped
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IMAGES = os.environ.get("STATEFALL_TEST_IMAGES", "")
"""A folder to which the pictures of the documentation are written anew."""
SHORT = ("replicas=3", "load.shoppers=30", "load.arrivals_s=1.0", "load.think_time_s=0.2")
needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its page's URL; it is gone afterwards."""
    words = [STATEFALL, *arguments, *(word for value in SHORT for word in ("--set", value))]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=cwd, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        try:
            for line in process.stdout:
                said += line
                if found := re.search(r"page:?\s+(http://\S+)", line):
                    yield process, found[1]
                    break
            else:
                raise AssertionError(said)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=DEADLINE_S)


@contextmanager
def looking(url: str, *, width: int = 1200) -> Iterator[Page]:
    """A browser on the page, which must have nothing to complain of."""
    said: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.set_default_timeout(DEADLINE_S * 1000)
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(url)
        yield tab
        browser.close()
    assert said == []


def figure(tab: Page, name: str) -> int:
    """One of the large figures."""
    return int(tab.locator(f"#{name}").inner_text())


def picture(tab: Page, name: str) -> None:
    """For the documentation, where somebody asked for it."""
    if IMAGES:
        tab.screenshot(path=Path(IMAGES) / name, full_page=True)


@needs_a_browser
def test_a_button_kills_a_replica_and_its_sessions_are_told_lost(tmp_path: Path) -> None:
    with running("ui", cwd=tmp_path) as (process, url):
        children = psutil.Process(process.pid).children(recursive=True)
        with looking(url) as tab:
            wait_until(lambda: figure(tab, "live") >= 25, "the shoppers have come")
            tab.get_by_role("button", name="kill", exact=True).click()
            tab.get_by_text("replicas ready again").wait_for()
            wait_until(lambda: figure(tab, "found") >= 5, "losses are shown")
            victim = tab.locator("#said").inner_text().split()[5]
            shown = httpx.get(f"{url}state.json").json()["cell"]
            picture(tab, "live.png")
            tab.set_viewport_size({"width": 390, "height": 800})
            picture(tab, "live-phone.png")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    assert wait_gone(children) == []
    (events,) = tmp_path.glob("results/up/*/events.jsonl")
    recorded = [json.loads(line) for line in events.read_text().splitlines()]
    lost = [event for event in recorded if event["kind"] == "session_lost"]
    homes = {event["home"]["pod"] for event in lost}
    assert homes == {victim}
    assert {pod for pod, _, found in shown["replicas"] if found} == {victim}
    assert [cause for cause, _ in shown["causes"]] == ["pod killed"]
    assert 5 <= shown["verdicts"][0][1] <= len(lost)


@needs_a_browser
def test_a_run_is_watched_until_its_report(tmp_path: Path) -> None:
    phases = [
        f"phases.{name}={value}" for name, value in (("warmup_s", 1), ("fault_s", 4), ("recovery_s", 3))
    ]
    one = ["matrix.service=[stateful]", "matrix.balancer=[sticky]", *phases]
    asked = [word for value in one for word in ("--set", value)]
    with running("run", "--ui", *asked, cwd=tmp_path) as (process, url), looking(url) as tab:
        tab.get_by_text("pod killed").first.wait_for()
        assert tab.get_by_role("button").count() == 0, "a run's faults are those of its plan"
        tab.get_by_text("It is over.").wait_for()
        tab.get_by_text("report.html").wait_for()
        said = tab.locator("#report").inner_text()
        process.communicate(timeout=DEADLINE_S)
    report = Path(said.removeprefix("report: "))
    assert report.is_file()
    summary = json.loads((report.parent / "summary.json").read_text())
    assert summary["cells"][0]["sessions"]["lost"] > 0
