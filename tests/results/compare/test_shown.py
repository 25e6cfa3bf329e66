"""A comparison as text, Markdown and a page: text of a record stays text."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from statefall.content import PUBLISHED
from statefall.results.compare import text
from statefall.results.compare.changes import Comparison, compare
from statefall.results.compare.page import render_comparison
from statefall.results.compare.sides import open_side
from statefall.results.model import SessionCounts
from tests.results.compare.runs import with_cell

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "</script><script>alert(1)</script> | `a` <img src=x onerror=alert(1)> [x](y) *b* & \"'"


@pytest.fixture(scope="module")
def worse() -> Comparison:
    before, after = (open_side(PUBLISHED / name) for name in ("default", "seed-7-local"))
    cell = after.summary.cells[0]
    lost = replace(cell.sessions, lost=cell.sessions.at_fault, kept=0)
    return compare([before, with_cell(after, 0, sessions=lost)])


@pytest.fixture(scope="module")
def hostile() -> Comparison:
    before, after = (open_side(PUBLISHED / name) for name in ("default", "seed-7-local"))
    named = replace(after.summary, run=NASTY, fingerprint={NASTY: NASTY}, experiment=NASTY)
    changed = with_cell(replace(after, summary=named), 0, variant=NASTY, service=NASTY)
    return compare([replace(before, summary=replace(before.summary, experiment=NASTY)), changed])


def test_markdown_is_one_table_for_what_matters_and_one_folded_for_the_rest(worse: Comparison) -> None:
    page = text.markdown(worse)
    assert page.startswith("### 1 figure got worse beyond the noise")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert {line.count(" | ") for line in rows} == {5}
    assert page.count("<details>") == page.count("</details>") == 1


def test_text_of_a_record_is_text_in_markdown(hostile: Comparison) -> None:
    page = text.markdown(hostile)
    assert "<script" not in page
    assert "<img" not in page
    table = [line for line in page.splitlines() if "alert" in line and line.startswith("| ")]
    assert all(line.replace("\\|", "").count("|") == 7 for line in table)


def test_the_document_is_plain_data(worse: Comparison) -> None:
    document = json.loads(json.dumps(text.document(worse), allow_nan=False))
    assert document["schema"] == "statefall/comparison/v1"
    assert len(document["regressions"]) == 1
    found = [f for cell in document["pairs"][0]["cells"] for f in cell["findings"] if f["change"] == "worse"]
    assert [each["key"] for each in found] == ["lost"]


def test_everything_is_shown_when_asked_for(worse: Comparison) -> None:
    short, long = text.plain(worse), text.plain(worse, everything=True)
    assert "not shown: " in short
    assert "not shown: " not in long
    assert long.count("\n") > short.count("\n") + 20


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_filters_and_fetches_nothing(
    tmp_path: Path, worse: Comparison, hostile: Comparison
) -> None:
    for name, comparison in (("worse", worse), ("hostile", hostile)):
        (tmp_path / f"{name}.html").write_text(render_comparison(comparison))
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 390, "height": 800})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto((tmp_path / "hostile.html").as_uri())
        assert NASTY.split(" ")[0] in tab.locator("body").inner_text()
        assert tab.locator("img").count() == 0
        tab.goto((tmp_path / "worse.html").as_uri())
        rows = tab.locator("tbody tr:visible")
        whole = rows.count()
        tab.get_by_label("Show").select_option("worse")
        assert rows.count() == 1
        tab.get_by_label("Show").select_option("")
        tab.get_by_label("Find a cell").fill("STATELESS")
        assert 0 < rows.count() < whole
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.emulate_media(color_scheme="dark")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 28)"
        browser.close()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert said == []


def test_a_page_needs_no_session_at_all(worse: Comparison) -> None:
    """A cell without a marked session has no share to show, and the page is drawn all the same."""
    pair = worse.pairs[0]
    bare = compare([with_cell(s, 0, sessions=SessionCounts()) for s in (pair.before, pair.after)])
    assert render_comparison(bare).count("<tr ") < render_comparison(worse).count("<tr ")
