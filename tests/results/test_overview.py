"""The index over many runs: what it counts, that text stays text, and that a damaged run costs one line."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from statefall.cli.main import invoke
from statefall.content import PUBLISHED
from statefall.results.index import runs
from statefall.results.overview.page import INDEX, render_overview
from statefall.results.overview.shares import Combination, found_in
from statefall.results.record import SUMMARY
from statefall.results.stored import StoredRun

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \"'"
FOLDER = "javascript:alert(1) <script>alert(2)<#&?\"'"
"""As a name of a folder, which holds no slash."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs: two of the default experiment, and one whose every text is hostile."""
    for name in ("default", "seed-7-local"):
        copy(tmp_path / name, name)
    summary = StoredRun(PUBLISHED / "default").summary()
    cells = tuple(replace(cell, service=f"{cell.service}{NASTY}", variant=NASTY) for cell in summary.cells)
    hostile = replace(
        summary, run=NASTY, experiment=NASTY, cluster=NASTY, fingerprint={NASTY: NASTY}, cells=cells
    )
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / SUMMARY).write_text(hostile.to_json())
    (tmp_path / FOLDER / "report.html").write_text("<title>its report</title>")
    return tmp_path


def copy(path: Path, name: str) -> None:
    path.mkdir()
    shutil.copy(PUBLISHED / name / SUMMARY, path)


def test_the_published_page_is_what_the_command_writes(capsys: pytest.CaptureFixture[str]) -> None:
    again = render_overview(runs(PUBLISHED), PUBLISHED)
    assert again == (PUBLISHED / INDEX).read_text(), "`statefall results results/published --page` writes it"
    assert invoke(["results", "--out", str(PUBLISHED)]) == 0
    assert "designs" in capsys.readouterr().out


def test_each_run_stands_by_itself_with_the_exact_interval() -> None:
    found = found_in(runs(PUBLISHED))
    wanted = Combination("stateful (memory)", "sticky", "kill")
    of = {share.entry.path.name: share for share in found.shares if share.combination == wanted}
    assert of.keys() >= {"default", "seed-7-local", "seed-7-kubernetes", "designs", "live"}
    default = of["default"]
    assert (default.lost, default.at_fault) == (33, 99)
    # R: binom.test(33, 99)$conf.int
    assert (round(default.low, 3), round(default.high, 3)) == (0.242, 0.435)


def test_behind_a_balancer_by_address_a_cell_is_one_trial() -> None:
    shares = {share.entry.path.name: share for share in found_in(runs(PUBLISHED)).shares}
    lost = shares["client-ip"]
    assert (lost.lost, lost.at_fault, lost.high) == (99, 99, 1.0)
    assert round(lost.low, 3) == 0.025


def test_sessions_with_wrong_state_are_told_where_none_was_lost() -> None:
    shares = found_in(runs(PUBLISHED)).shares
    assert any(share.wrong and not share.lost for share in shares if share.entry.path.name == "frameworks")


@pytest.mark.parametrize("damage", ["{", "", "null", "[1, 2", '{"schema": "statefall/summary/v9"}'])
def test_a_damaged_run_costs_one_line_and_nothing_else(
    folder: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(folder / "half", "default")
    (folder / "half" / SUMMARY).write_text(damage)
    assert invoke(["results", str(folder), "--page"]) == 0
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("half: not shown: ")
    page = (folder / INDEX).read_text()
    assert page.count("half: ") == 1
    assert page.count('<td data-label="Started"') == 3


def test_a_folder_whose_name_is_no_text_is_shown_and_linked(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9")
    copy(path, "default")
    (path / "report.html").write_text("")
    assert invoke(["results", str(tmp_path), "--page"]) == 0
    assert 'href="./caf%E9/report.html">caf?</a>' in (tmp_path / INDEX).read_text()


def test_a_run_without_a_verdict_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cut").mkdir()
    shutil.copy(PUBLISHED / "default" / "run.json", folder / "cut")
    assert invoke(["results", str(folder), "--page"]) == 0
    assert capsys.readouterr().err == ("cut: not shown: it ended without a verdict, or is still running\n")


def test_counts_that_contradict_each_other_are_not_shown(folder: Path) -> None:
    document = json.loads((folder / "default" / SUMMARY).read_text())
    document["cells"][0]["sessions"]["lost"] = 1000
    (folder / "default" / SUMMARY).write_text(json.dumps(document))
    found = found_in(runs(folder))
    assert [(entry.path.name, entry.verdict) for entry in found.unread] == [("default", "unreadable")]
    assert "1000 of 99 sessions lost" in found.unread[0].headline


def test_a_folder_without_runs_gives_a_page_that_says_so(tmp_path: Path) -> None:
    assert invoke(["results", str(tmp_path), "--page"]) == 0
    assert "No judged runs yet" in (tmp_path / INDEX).read_text()


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["nowhere", "--page"], [str(tmp_path), "--out", str(tmp_path)]):
        assert invoke(["results", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_filters_sorts_and_fetches_nothing(folder: Path) -> None:
    assert invoke(["results", str(folder), "--page"]) == 0
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto((folder / INDEX).as_uri())
        rows, tiles = tab.locator("#runs tbody tr:visible"), tab.locator("#matrix .tile:visible")
        assert (rows.count(), tiles.count()) == (3, 12)
        assert tab.locator("img").count() == 0
        assert tab.locator(".trend").count() == 1
        tab.get_by_role("combobox", name="Experiment").select_option("default")
        assert (rows.count(), tiles.count()) == (2, 8)
        assert tab.locator("[data-count]").inner_text() == "2 of 3 runs"
        tab.get_by_role("combobox", name="Experiment").select_option(NASTY)
        assert (rows.count(), tiles.count(), tab.locator(".trend:visible").count()) == (1, 4, 0)
        tab.get_by_role("combobox", name="Experiment").select_option("")
        lost = tab.get_by_role("button", name="Lost")
        lost.focus()
        tab.keyboard.press("Enter")
        values = [int(cell) for cell in rows.evaluate_all("rows => rows.map(r => r.cells[5].dataset.value)")]
        assert values == sorted(values)
        assert tab.locator("th[aria-sort=ascending]").inner_text().startswith("Lost")
        tab.set_viewport_size({"width": 390, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.emulate_media(color_scheme="dark")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 28)"
        tab.locator("#runs tbody a").first.click()
        assert tab.title() == "its report"
        browser.close()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert said == []
