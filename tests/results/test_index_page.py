"""The page over many runs shows what their summaries say, and text of a record stays text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from statefall.cli.main import invoke
from statefall.content import PUBLISHED
from statefall.results.index_page import render_index
from statefall.results.model import Summary

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \"'"
IMAGES = os.environ.get("STATEFALL_TEST_IMAGES", "")
"""A folder to which the pictures of the documentation are written anew."""
ROW = "#all-cells tbody tr"


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[Summary, str], Path]:
    """Keeps a summary as a run of its own in one folder; returns the folder."""
    home = tmp_path / "runs"

    def put(summary: Summary, name: str) -> Path:
        (home / name).mkdir(parents=True)
        (home / name / "summary.json").write_text(summary.to_json())
        return home

    return put


def published(name: str) -> Summary:
    return Summary.from_json((PUBLISHED / name / "summary.json").read_bytes())


def look(page: Path, what: Callable[[Page], None], *, width: int = 1200) -> None:
    """Have a browser open it, which may complain of nothing and ask nobody."""
    said: list[str] = []
    asked: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        what(tab)
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_filters_and_sorts_the_published_runs(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    assert invoke(["results", "--out", str(PUBLISHED), "--page", str(page)]) == 0
    names = [file.parent.name for file in PUBLISHED.glob("*/summary.json")]
    cells = [cell for name in names for cell in published(name).cells]

    def what(tab: Page) -> None:
        assert tab.locator(ROW).count() == len(cells)
        tab.get_by_label("Experiment").select_option("designs")
        assert tab.locator(f"{ROW}:visible").count() == len(published("designs").cells)
        tab.get_by_label("Find").fill("handoff")
        wanted = [cell for cell in published("designs").cells if cell.state.value == "handoff"]
        assert tab.locator(f"{ROW}:visible").count() == len(wanted)
        tab.get_by_role("button", name="Share").click()
        shares = tab.locator(f"{ROW}:visible td:nth-child(7)").evaluate_all(
            "(cells) => cells.map((cell) => Number(cell.dataset.value))"
        )
        expected = sorted(100 * cell.sessions.lost / cell.sessions.at_fault for cell in wanted)
        assert shares == pytest.approx(expected, abs=0.001)
        heat = tab.get_by_role("region", name="Sessions lost, frameworks")
        assert heat.get_by_text("13 of 40").count() > 0, "express-memory, sticky, killed"
        if IMAGES:
            tab.locator("section", has=heat).screenshot(path=Path(IMAGES) / "results.png")

    look(page, what)
    look(page, lambda tab: None, width=390)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_text_of_a_record_is_text(keep: Callable[[Summary, str], Path], tmp_path: Path) -> None:
    found = published("default")
    cells = tuple(replace(cell, service=NASTY, variant=NASTY) for cell in found.cells)
    home = keep(replace(found, experiment=NASTY, run=NASTY, cluster=NASTY, cells=cells), "nasty")
    page = tmp_path / "index.html"
    page.write_text(render_index(home, page)[0])
    look(page, lambda tab: tab.get_by_text("<img src=x onerror=alert(1)>").first.wait_for())


def test_repeats_stand_together_and_runs_make_a_trend(
    keep: Callable[[Summary, str], Path], tmp_path: Path
) -> None:
    found = published("default")
    twice = (*found.cells, *(replace(cell, name=f"{cell.name}-2", repeat=2) for cell in found.cells))
    keep(replace(found, cells=twice), "first")
    home = keep(replace(found, run="later", started_at="2026-11-30T00:00:00+00:00"), "second")
    text, left_out = render_index(home, tmp_path / "index.html")
    assert left_out == ()
    sticky = next(c for c in found.cells if c.service == "stateful" and c.balancer.value == "sticky")
    lost, alive = sticky.sessions.lost, sticky.sessions.at_fault
    assert f"2026-11-24: {2 * lost} of {2 * alive}" in text, "of the repeats"
    assert f"2026-11-30: {lost} of {alive}" in text
    assert text.count("<polyline") == len(found.cells)


def test_what_cannot_be_shown_costs_a_line(
    keep: Callable[[Summary, str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = keep(published("default"), "whole")
    (home / "damaged").mkdir()
    (home / "damaged" / "summary.json").write_text('{"schema": "statefall/summ')
    page = tmp_path / "page" / "index.html"
    assert invoke(["results", "--out", str(home), "--page", str(page)]) == 0
    said = capsys.readouterr()
    assert said.out == f"page: {page}\n"
    (line,) = said.err.splitlines()
    assert line.startswith(f"not shown: {home / 'damaged'}: ")
    assert "1 recorded run, 4 cells" in page.read_text()


def test_a_folder_that_is_not_there_is_unusable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["results", "--out", str(tmp_path / "no"), "--page", str(tmp_path / "p.html")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()


def test_an_empty_folder_is_a_page_too(tmp_path: Path) -> None:
    text, _ = render_index(tmp_path, tmp_path / "index.html")
    assert "No runs yet." in text
