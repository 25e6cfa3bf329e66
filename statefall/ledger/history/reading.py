"""Takes in a history that was recorded, also one that a harness left which was killed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from statefall.records.errors import InputError

HISTORY: Final = "history.jsonl"
PACKED: Final = "history.jsonl.gz"
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one line."""


def history_file(path: Path) -> Path:
    """The history of a run's folder, or the file itself. Raises InputError where there is none."""
    if not path.is_dir():
        return path
    found = next((path / name for name in (HISTORY, PACKED) if (path / name).is_file()), None)
    if found is None:
        hint = "runs of an own journey record one"
        raise InputError(f"there is no {HISTORY} in this folder", where=str(path), hint=hint)
    return found


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Its lines. A last line that was cut off is left out. Raises InputError for what is no history."""
    try:
        with _open(path) as file:
            yield from _lines(file, str(path))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(file: gzip.GzipFile | BufferedReader, where: str) -> Iterator[dict[str, Any]]:
    number = 0
    while text := file.readline(MOST_BYTES):
        number += 1
        if not text.endswith(b"\n"):
            if len(text) == MOST_BYTES:
                raise _damaged(number, "it is too long", where)
            return  # whoever wrote it was stopped
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            raise _damaged(number, "it is no JSON", where) from None
        if not isinstance(line, dict) or not line or (number == 1 and "history" not in line):
            raise _damaged(number, "it is no line of a history", where)
        yield line


def _damaged(number: int, what: str, where: str) -> InputError:
    return InputError(f"line {number}: {what}", where=where, hint="the file is damaged or foreign")
