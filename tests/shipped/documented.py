"""Finds the commands that the documentation, and comments of what ships, tell a reader to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted(page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md"),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("k8s/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
)
FILES = (
    *sorted(ROOT.glob("chaos/**/*.yaml")),
    *sorted(ROOT.glob("k8s/**/*.yaml")),
    *sorted(ROOT.glob("loadtests/*.py")),
)
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:statefall|make|locust|kubectl|curl|pytest|pip|docker|kind|minikube) [^`\n]+)`")
_COMMENT = re.compile(r"^(?:#|    )(?:.*:)?\s*((?:statefall|kubectl|locust) -?[a-z].+)$", re.MULTILINE)
_REMARK = re.compile(r"\s{2,}#.*$")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is to be typed, and the pages that show it."""

    text: str
    pages: tuple[str, ...]


def commands() -> dict[str, Command]:
    """Every command, by its text: typed in console blocks (`$ `), named in running text, or told by a
    comment of a file that ships."""
    found: dict[str, list[str]] = {}
    for page in (*PAGES, *FILES):
        text = page.read_text()
        here = (*_typed(text), *_mentioned(text)) if page in PAGES else _COMMENT.findall(text)
        for command in here:
            pages = found.setdefault(command, [])
            if (name := str(page.relative_to(ROOT))) not in pages:
                pages.append(name)
    return {text: Command(text, tuple(pages)) for text, pages in found.items()}


def _typed(text: str) -> list[str]:
    """From console blocks; a line that ends with a backslash goes on in the next."""
    found = []
    for block in _BLOCK.findall(text):
        joined = re.sub(r"\s*\\\n\s*", " ", block)
        found += [_REMARK.sub("", line[2:]).strip() for line in joined.splitlines() if line.startswith("$ ")]
    return found


def _mentioned(text: str) -> list[str]:
    """From running text, in backticks."""
    return [command.replace("\\|", "|") for command in _INLINE.findall(_FENCED.sub("", text))]
