"""The report: one offline file, readable by everyone, that redraws itself from the run folder alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from statefall.records.events import FaultObserved, SessionLost
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import RealtimeCounts
from statefall.results.conclude import conclude
from statefall.results.judge import judge_run
from statefall.results.record import REPORT, SUMMARY
from statefall.results.report import render
from statefall.results.report.page import HERE, plotly_js
from statefall.results.stored import StoredRun
from tests.results.simulation import SimulatedRun, cell_plan, default_plan, simulate

VOID = {"meta", "link", "br", "img", "input", "hr"}
LOADS_SOMETHING = {
    "src", "href", "srcset", "data", "action", "poster", "formaction", "background", "xlink:href", "ping",
}  # fmt: skip


@dataclass
class Element:
    """A start tag, the text right inside it, and what it stands in."""

    tag: str
    attributes: dict[str, str]
    parents: tuple[str, ...]
    text: str = ""


class Page(HTMLParser):
    """The elements of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {k: v or "" for k, v in attrs}, tuple(e.tag for e in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop().tag != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].text += data

    def all(self, *tags: str) -> Iterator[Element]:
        return (element for element in self.elements if element.tag in tags)


@dataclass
class Drawn:
    """A run folder with its page."""

    folder: Path
    text: str
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.page = Page(self.text.replace(plotly_js(), ""))


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(simulate(), tmp_path_factory.mktemp("runs"))


def draw(run: SimulatedRun, folder: Path, *, partial: str = "") -> Drawn:
    path = run.record(folder)
    conclude(path, partial=partial)
    return Drawn(path, (path / REPORT).read_text(encoding="utf-8"))


def redrawn(folder: Path) -> str:
    stored = StoredRun(folder)
    return render(judge_run(stored.head(), stored.events(), stored.loads()))


def small(**more: Any) -> SimulatedRun:
    cell = cell_plan("c1-memory", Service.STATEFUL, Balancer.STICKY, gates=())
    return simulate(replace(default_plan(), cells=(cell,)), shoppers=12, **more)


# -- one file, the same bytes -------------------------------------------------------------------------


def test_an_old_run_redraws_byte_for_byte(default: Drawn) -> None:
    assert redrawn(default.folder) == default.text


def test_it_redraws_after_the_folder_has_moved(default: Drawn, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(default.folder, moved)
    assert redrawn(moved) == default.text


def test_no_element_refers_to_anything_outside_the_file(default: Drawn) -> None:
    for element in default.page.elements:
        for name, value in element.attributes.items():
            if name in LOADS_SOMETHING:
                assert value.startswith(("#", "data:,")), (element.tag, name, value)
        assert element.tag not in {"base", "iframe", "object", "embed", "form"}
        assert element.attributes.get("http-equiv", "Content-Security-Policy") == "Content-Security-Policy"


def test_the_page_forbids_itself_every_request(default: Drawn) -> None:
    policies = [e for e in default.page.all("meta") if "http-equiv" in e.attributes]
    assert [e.attributes["content"].split(";")[0] for e in policies] == ["default-src 'none'"]
    assert default.page.elements.index(policies[0]) < 5  # before anything that could ask


def test_neither_style_nor_own_script_nor_data_name_an_address(default: Drawn) -> None:
    own = default.text.replace(plotly_js(), "")
    assert re.findall(r"https?://|//cdn|@import|url\(", own) == []


def test_the_library_is_inlined_once(default: Drawn) -> None:
    assert default.text.count(plotly_js()) == 1


# -- readable by everyone ------------------------------------------------------------------------------


def test_the_page_is_well_formed_with_language_and_title(default: Drawn) -> None:
    assert default.page.unbalanced == []
    assert default.page.open == []
    assert next(default.page.all("html")).attributes["lang"] == "en"
    assert "what users lost" in next(default.page.all("title")).text
    assert any(e.attributes.get("name") == "viewport" for e in default.page.all("meta"))


def test_headings_begin_with_one_h1_and_skip_no_level(default: Drawn) -> None:
    levels = [int(e.tag[1]) for e in default.page.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_has_words(default: Drawn) -> None:
    pictures = [e for e in default.page.elements if e.attributes.get("role") == "img"]
    assert len(pictures) == 8  # a bar and a figure for each cell
    assert all(len(e.attributes["aria-label"]) > 20 for e in pictures)


def test_every_table_names_its_columns_and_can_be_scrolled_by_keyboard(default: Drawn) -> None:
    assert all(e.attributes.get("scope") in ("col", "row") for e in default.page.all("th"))
    for element in default.page.elements:
        if "scroll" in element.attributes.get("class", "").split():
            assert element.attributes["tabindex"] == "0"
            assert element.attributes["aria-label"]


def test_ids_are_unique_and_links_lead_somewhere(default: Drawn) -> None:
    ids = [e.attributes["id"] for e in default.page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    targets = {e.attributes["href"] for e in default.page.all("a")}
    assert targets <= {f"#{name}" for name in ids}


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    digits = colour.removeprefix("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_contrast() -> None:
    css = (HERE / "page.css").read_text()
    variables = dict(re.findall(r"--(ink|muted|link): (#[0-9a-f]{6})", css))
    texts = {*variables.values(), *re.findall(r"[{; ]color: (#[0-9a-f]{3,6})", css)}
    assert len(texts) >= 7
    for background in ("#ffffff", "#f5f7f9"):
        for text in texts:
            light, dark = sorted((_luminance(background), _luminance(text)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, background)


# -- what it shows -------------------------------------------------------------------------------------


def test_it_opens_with_the_sentences_and_the_verdict(default: Drawn) -> None:
    assert next(default.page.all("h1")).text == "One of three replicas was killed (SIGKILL) under load."
    assert "lost 33 of 99 sessions (33%)" in default.text
    assert "every gate that the experiment set for it was met" in default.text


def test_each_loss_is_listed_with_its_cause(default: Drawn) -> None:
    summary = json.loads((default.folder / SUMMARY).read_text())
    sticky = next(c for c in summary["cells"] if c["name"] == "c1-stateful-memory-sticky")
    section = default.text.split('id="cell-c1-stateful-memory-sticky"')[1].split(
        "</table></div>\n</details>"
    )[0]
    whole_list = section.split('class="more"')[1]
    assert whole_list.count("<td>pod killed</td>") == sticky["sessions"]["lost"]


def test_figures_mark_the_fault_and_every_phase(default: Drawn) -> None:
    data = [e for e in default.page.all("script") if e.attributes.get("type") == "application/json"]
    assert len(data) == 4
    for element in data:
        figure = json.loads(element.text)
        words = " ".join(a["text"] for a in figure["layout"]["annotations"])
        for word in ("warmup", "baseline", "fault", "recovery", "SIGKILL"):
            assert word in words
        bands = [s for s in figure["layout"]["shapes"] if s["type"] == "rect"]
        lines = [s for s in figure["layout"]["shapes"] if s["type"] == "line"]
        assert len(bands) == 5
        assert lines[0]["x0"] == pytest.approx(13.0, abs=0.1)


def test_it_says_how_to_run_it_again_and_where_it_ran(default: Drawn) -> None:
    assert "statefall run default --cluster local --seed 1" in default.text
    assert "Traefik 3.7.15" in default.text
    assert "5f" * 32 in default.text


def test_text_of_the_record_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    run = small()
    nasty = "</script><script>alert(1)</script><!-- <b>&\"'"
    for place, event in enumerate(run.events):
        if isinstance(event, SessionLost):
            run.events[place] = replace(event, evidence=nasty)
        if isinstance(event, FaultObserved):
            run.events[place] = replace(event, effect=nasty)
    run.plan = replace(run.plan, fingerprint={nasty: nasty}, rerun=nasty)
    drawn = draw(run, tmp_path)
    assert "alert(1)</script>" not in drawn.text.replace(plotly_js(), "")
    assert drawn.page.unbalanced == []
    assert any(nasty in e.text for e in drawn.page.all("td"))


@pytest.mark.parametrize("share", [0.02, 0.4, 0.8])
def test_a_run_that_ended_early_is_drawn_and_says_so(tmp_path: Path, share: float) -> None:
    run = simulate()
    run.events = run.events[: int(len(run.events) * share)]
    run.loads = {}
    drawn = draw(run, tmp_path, partial="interrupted after 12 s")
    assert "This run ended early" in drawn.text
    assert "interrupted after 12 s" in drawn.text
    assert drawn.page.unbalanced == []


def test_a_run_without_any_event_is_drawn(tmp_path: Path) -> None:
    drawn = draw(SimulatedRun(default_plan(), [], {}), tmp_path, partial="the balancer did not start")
    assert next(drawn.page.all("h1")).text == "No cell of the experiment ran, so nothing was measured."


def test_many_cells_are_folded(tmp_path: Path) -> None:
    plan = default_plan()
    cells = tuple(
        cell_plan(f"c{n}-memory", Service.STATEFUL, Balancer.STICKY, repeat=n, gates=()) for n in range(1, 9)
    )
    drawn = draw(simulate(replace(plan, cells=cells), shoppers=9), tmp_path)
    sections = [e for e in drawn.page.all("details") if e.attributes.get("class") == "cell"]
    assert len(sections) == 8
    assert not any("open" in e.attributes for e in sections)


# -- in a real browser -----------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_draws_the_figure_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    drawn = draw(small(), tmp_path)
    page = tmp_path / "page.html"
    page.write_text(drawn.text)
    asked: list[str] = []
    said: list[str] = []  # errors and refusals of the page's own policy
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(page.as_uri())
        tab.locator("[data-figure]").first.scroll_into_view_if_needed()
        tab.locator(".main-svg").first.wait_for()
        browser.close()
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert said == []


def test_websockets_and_messages_are_shown_where_shoppers_had_them(tmp_path: Path) -> None:
    run = small()
    assert "WebSockets and messages" not in draw(run, tmp_path / "without").text
    counts = RealtimeCounts(
        connections_opened=40,
        connections_kept=33,
        connections_broken=7,
        delivered=1234,
        published=99,
        missed=3,
    )
    (cell,) = run.loads
    live = replace(run, loads={cell: replace(run.loads[cell], realtime=counts)})
    drawn = draw(live, tmp_path / "with")
    assert "WebSockets and messages" in drawn.text
    for words in ("40 opened", "7 broken", "1,234 delivered", "3 missed while away"):
        assert words in drawn.text
    (summary,) = json.loads((drawn.folder / SUMMARY).read_text())["cells"]
    assert summary["realtime"]["connections_broken"] == 7
