"""The live page in a browser, and who is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import sync_playwright

from statefall.conductor.live import LiveFigures, LivePage
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind
from tests.conductor.live.test_figures import killed, told

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


@contextmanager
def served(figures: LiveFigures, asked: list[FaultKind]) -> Iterator[str]:
    """The page's URL; `roll` is refused."""

    def strike(kind: FaultKind) -> str:
        if kind is FaultKind.ROLL:
            raise InputError("a fault is under way already")
        asked.append(kind)
        return f"{kind} of one"

    page = LivePage(figures, kinds=[FaultKind.KILL, FaultKind.ROLL], strike=strike)
    url = page.open()
    try:
        yield url
    finally:
        page.close()


def token_on(url: str) -> str:
    """What only the page itself knows."""
    return httpx.get(url).text.partition('name="statefall-token" content="')[2].partition('"')[0]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_losses_and_its_buttons_ask_for_faults() -> None:
    asked: list[FaultKind] = []
    said: list[str] = []
    figures = told(killed())
    with served(figures, asked) as url, sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(url)
        tab.get_by_text("pod killed").first.wait_for()
        assert tab.locator("#found").inner_text() == "2"
        assert tab.locator("#sessions line").count() == 1, "the fault's mark"
        tab.get_by_role("button", name="kill").click()
        tab.get_by_text("kill of one").wait_for()
        figures.say(NASTY)
        figures.end(NASTY)
        tab.get_by_text(f"report: {NASTY}").wait_for()
        browser.close()
    assert asked == [FaultKind.KILL]
    assert said == []


def test_a_refusal_is_one_line() -> None:
    with served(told(killed()), []) as url:
        headers = {"Statefall-Token": token_on(url)}
        answer = httpx.post(f"{url}fault", json={"kind": "roll"}, headers=headers)
        assert (answer.status_code, answer.json()) == (409, {"error": "a fault is under way already"})
        answer = httpx.post(f"{url}fault", json={"kind": "drain"}, headers=headers)
        assert (answer.status_code, answer.json()) == (400, {"error": "there is no such button"})


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_the_pages_own_token_nothing_is_done(token: str | None) -> None:
    asked: list[FaultKind] = []
    with served(told(killed()), asked) as url:
        headers = {} if token is None else {"Statefall-Token": token}
        assert httpx.post(f"{url}fault", json={"kind": "kill"}, headers=headers).status_code == 403
    assert asked == []


def test_another_name_for_this_machine_is_refused() -> None:
    with served(told(killed()), []) as url:
        for path in ("", "state.json"):
            assert httpx.get(url + path, headers={"Host": "rebound.example.com"}).status_code == 403
            assert httpx.get(url + path).status_code == 200


def test_another_site_may_neither_read_nor_frame_it() -> None:
    with served(told(killed()), []) as url:
        answer = httpx.get(f"{url}state.json", headers={"Origin": "http://other.example.com"})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with served(told(killed()), []) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        with pytest.raises(InputError, match=f"--ui-port: port {port} of 127.0.0.1: address already in use"):
            LivePage(told(killed()), port=port).open()
