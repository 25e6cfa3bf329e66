"""The forms of an HTML page, with what a browser would send: hidden fields, checked boxes, selections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

from statefall.load.answers import HttpAnswer, UnreadableAnswer

MOST_CHARACTERS: Final = 2_000_000
"""Of a page; a longer one is not searched."""
_NEVER_SENT: Final = frozenset({"button", "file", "image", "reset", "submit"})
_CHOSEN: Final = frozenset({"checkbox", "radio"})

Attributes = Mapping[str, str]
"""Of a tag, by their names in lower case; one without a value is empty."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it stands on its page."""

    action: str
    """Where it is sent, absolute where the page's URL is known."""
    method: str
    """`GET` or `POST`."""
    fields: dict[str, str | list[str]]
    """What a browser would send of it untouched; a list where a name comes several times."""
    id: str = ""
    name: str = ""


def form(page: HttpAnswer | str, which: str | int | None = None, *, url: str = "") -> Form:
    """One form of a page: by its id, name or action, or by its place from 0.

    With neither: the only one, or of several the only one that is posted. Raises UnreadableAnswer.
    """
    where, html = url or "the page", page if isinstance(page, str) else page.text
    if isinstance(page, HttpAnswer):
        url, where = page.url, f"{page.request.target} (answered {page.status})"
    found = forms(html, url)
    if not found:
        raise UnreadableAnswer(f"{where} has no form")
    fitting = list(_fitting(found, which, url))
    if len(fitting) == 1 or (fitting and isinstance(which, str)):
        return fitting[0]
    wanted = "" if which is None else f" {which!r}"
    there = ", ".join(f"{f.id or f.name or '-'} ({f.method} {f.action})" for f in found[:10])
    raise UnreadableAnswer(f"{where} has {len(found)} forms and none is the one{wanted} meant: {there}")


def forms(html: str, url: str = "") -> list[Form]:
    """All forms of a page, in its order. Raises UnreadableAnswer where it is too long."""
    if len(html) > MOST_CHARACTERS:
        raise UnreadableAnswer(f"a page of {len(html)} characters is not searched for forms")
    page = _Page()
    try:
        page.feed(html)
        page.close()
    except AssertionError as error:  # html.parser's word for declarations that it cannot read
        raise UnreadableAnswer(f"the page cannot be read: {error}") from None
    return [
        Form(
            _joined(url, draft.attributes.get("action", "")),
            "POST" if draft.attributes.get("method", "").strip().lower() == "post" else "GET",
            _by_name(draft.controls),
            draft.attributes.get("id", ""),
            draft.attributes.get("name", ""),
        )
        for draft in page.drafts()
    ]


def _fitting(found: list[Form], which: str | int | None, url: str) -> Iterator[Form]:
    if which is None:
        posted = [one for one in found if one.method == "POST"]
        yield from found if len(found) == 1 else posted
    elif isinstance(which, int):
        yield from found[which : which + 1] if which >= 0 else ()
    else:
        for says in _SELECTORS:
            yield from (one for one in found if says(one) == which)
        yield from (one for one in found if one.action == _joined(url, which))


_SELECTORS: Final[tuple[Callable[[Form], str], ...]] = (lambda f: f.id, lambda f: f.name, lambda f: f.action)


def _joined(url: str, action: str) -> str:
    try:
        return urljoin(url, action.strip())
    except ValueError:
        return action.strip()  # no URL: the client will say so when it is sent


def _by_name(controls: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in controls:
        values.setdefault(name, []).append(value)
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


@dataclass(slots=True)
class _Draft:
    attributes: Attributes
    controls: list[tuple[str, str]] = field(default_factory=list)
    submits: bool = False
    """Whether the button is found that Enter would press: the first one."""


@dataclass(slots=True)
class _Select:
    attributes: Attributes
    options: list[tuple[Attributes, list[str]]] = field(default_factory=list)

    def chosen(self) -> list[str]:
        """The values of what is selected; of a list to pick one from, the first unless one is."""
        able = [(attributes, text) for attributes, text in self.options if "disabled" not in attributes]
        picked = [option for option in able if "selected" in option[0]]
        if "multiple" not in self.attributes:
            picked = picked[-1:] or able[:1]
        return [attributes.get("value", " ".join("".join(text).split())) for attributes, text in picked]


class _Page(HTMLParser):
    """Gathers forms and their controls while it reads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._drafts: list[_Draft] = []
        self._open: _Draft | None = None
        self._outside: list[tuple[str, str, str]] = []
        """Controls that name their form instead of standing in it: the form's id, name and value."""
        self._select: _Select | None = None
        self._textarea: tuple[Attributes, list[str]] | None = None
        self._fieldsets: list[bool] = []
        """Those that are open, and whether each is switched off."""

    def drafts(self) -> list[_Draft]:
        """What was found, once all is read."""
        self._end_select()
        self._end_textarea()
        for owner, name, value in self._outside:
            for draft in self._drafts:
                if draft.attributes.get("id") == owner:
                    draft.controls.append((name, value))
                    break
        return self._drafts

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """`<![if ...]>` is a comment to a browser; html.parser stumbles over it."""
        return self.parse_bogus_comment(i, report)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a form or a list, or take a control."""
        if self._textarea is not None:
            self._textarea[1].append(self.get_starttag_text() or "")
            return
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        if tag == "form" and self._open is None:
            self._open = _Draft(attributes)
            self._drafts.append(self._open)
        elif tag == "fieldset":
            self._fieldsets.append("disabled" in attributes)
        elif tag == "input":
            self._input(attributes)
        elif tag == "button" and attributes.get("type", "submit").lower() == "submit":
            self._button(attributes)
        elif tag == "select":
            self._end_select()
            self._select = _Select(attributes)
        elif tag == "option" and self._select is not None:
            self._select.options.append((attributes, []))
        elif tag == "textarea":
            self._textarea = (attributes, [])

    def handle_endtag(self, tag: str) -> None:
        """Close it; a control is taken when its text is known."""
        if self._textarea is not None and tag != "textarea":
            self._textarea[1].append(f"</{tag}>")
        elif tag == "textarea":
            self._end_textarea()
        elif tag == "select":
            self._end_select()
        elif tag == "fieldset" and self._fieldsets:
            self._fieldsets.pop()
        elif tag == "form":
            self._end_select()
            self._open = None

    def handle_data(self, data: str) -> None:
        """The text of what is open."""
        if self._textarea is not None:
            self._textarea[1].append(data)
        elif self._select is not None and self._select.options:
            self._select.options[-1][1].append(data)

    def _input(self, attributes: Attributes) -> None:
        kind = attributes.get("type", "text").strip().lower()
        if kind == "submit":
            self._button(attributes)
        elif kind in _CHOSEN:
            if "checked" in attributes:
                self._take(attributes, attributes.get("value", "on"))
        elif kind not in _NEVER_SENT:
            self._take(attributes, attributes.get("value", ""))

    def _button(self, attributes: Attributes) -> None:
        """The first button that sends the form goes with it, as when somebody presses Enter."""
        if self._open is not None and not self._open.submits and "disabled" not in attributes:
            self._open.submits = True
            self._take(attributes, attributes.get("value", ""))

    def _end_select(self) -> None:
        if self._select is not None:
            for value in self._select.chosen():
                self._take(self._select.attributes, value)
            self._select = None

    def _end_textarea(self) -> None:
        if self._textarea is not None:
            attributes, text = self._textarea
            self._textarea = None
            self._take(attributes, "".join(text).removeprefix("\n"))

    def _take(self, attributes: Attributes, value: str) -> None:
        name = attributes.get("name", "")
        if not name or "disabled" in attributes or any(self._fieldsets):
            return
        if "form" in attributes:
            self._outside.append((attributes["form"], name, value))
        elif self._open is not None:
            self._open.controls.append((name, value))
