"""Pages over several runs, in the style of the report: one environment, one sheet of styles, no network.

Text of a record is escaped wherever it stands; a page asks nobody for anything.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from statefall.results import report

HERE: Final = Path(__file__).parent
_REPORT: Final = Path(report.__file__).parent


def draw(template: str, **view: Any) -> str:
    """The page as text: equal bytes for equal views."""
    text: str = _environment().get_template(template).render(style=stylesheet(), **view)
    return text


def stylesheet() -> str:
    """The report's sheet, and what other pages need besides."""
    return _text(_REPORT / "page.css") + _text(HERE / "pages.css")


def script(name: str) -> str:
    """One of the scripts that lie beside the templates."""
    return _text(HERE / name)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
