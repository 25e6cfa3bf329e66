"""YAML as a hand writes it: what only an accident or an attack would hold is refused, with its line.

YAML can say more than a file of settings needs, and some of it takes all time and memory there is, or
means something else than it seems to. None of the limits below is near what an experiment needs.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

import yaml

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000
"""Keys and values, after each alias has been put in place."""
_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"


class NotPlain(Exception):
    """What is wrong with the text, in one line, and on which line of it, from 1 (None: unknown)."""

    def __init__(self, what: str, line: int | None = None) -> None:
        self.what, self.line = what, line
        super().__init__(what)


def read_text(path: Path) -> str:
    """The text of a file of settings. Raises NotPlain, and OSError when it cannot be opened."""
    # Without O_NONBLOCK a named pipe would be waited for until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotPlain(f"it is {'a directory' if stat.S_ISDIR(mode) else 'no regular file'}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise NotPlain(f"it is larger than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotPlain("it is not UTF-8 text") from None


class PlainYaml:
    """A document: `root` with the places of its parts (None when empty), `value` as Python has it."""

    def __init__(self, text: str) -> None:
        """Raises NotPlain."""
        try:
            loader = _Loader(text)
            self.root: yaml.Node | None = loader.get_single_node()
            if self.root is not None:
                _measure(self.root, {})
            self.value: Any = None if self.root is None else loader.construct_document(self.root)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            message = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise NotPlain(f"not YAML: {message}", mark.line + 1 if mark else None) from error


class _Loader(yaml.SafeLoader):
    """Counts how deep it is, and says where a scalar stands that is not what it looks like."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth > MAX_DEPTH:
            raise NotPlain(_TOO_DEEP, self.peek_event().start_mark.line + 1)  # type: ignore[no-untyped-call]
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            # A date that does not exist, an integer of thousands of digits, a tag on what it is not for.
            told = str(error).partition(";")[0]
            raise NotPlain(f"a value that cannot be read: {told}", node.start_mark.line + 1) from error


_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"


def _measure(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many nodes there are from here on and how deep they go, aliases in place. Raises NotPlain.

    An alias is of a node that was measured before, or is being measured: so the recursion goes no
    deeper than the text does.
    """
    if id(node) in known:
        measured = known[id(node)]
        if measured is None:
            raise NotPlain("an alias of what it is part of", node.start_mark.line + 1)
        return measured
    known[id(node)] = None
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _refuse_keys(node)
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    nodes, depth = 1, 0
    for child in children:
        more, below = _measure(child, known)
        nodes, depth = nodes + more, max(depth, below)
    if nodes > MAX_NODES:
        raise NotPlain(f"more than {MAX_NODES:,} keys and values", node.start_mark.line + 1)
    if depth + 1 > MAX_DEPTH:
        raise NotPlain(_TOO_DEEP, node.start_mark.line + 1)
    known[id(node)] = nodes, depth + 1
    return nodes, depth + 1


def _refuse_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise NotPlain("a key must be a word, not a list or a mapping", line)
        if key.tag not in (_TEXT, _MERGE):
            raise NotPlain(f"the key {key.value[:40]!r} is no text to YAML: put it in quotes", line)
        if key.value in seen:
            raise NotPlain(f"the key {key.value[:40]!r} stands twice", line)
        seen.add(key.value)
