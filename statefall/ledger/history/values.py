"""What answers show and writes carry, as JSON and back, with nothing that a comparison would miss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

TUPLE, PAIRS, FLOAT, OTHER = "$tuple", "$pairs", "$float", "$repr"
"""Keys of the objects that stand for what JSON has no word for."""
_PLAIN: Final = (str, int, bool, type(None))


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of which a history knows no more than how it is written."""

    text: str

    def __repr__(self) -> str:
        return self.text


def pack(value: Any) -> Any:
    """As JSON's types."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT: repr(value)}
    if isinstance(value, list):
        return [pack(each) for each in value]
    if isinstance(value, tuple):
        return {TUPLE: [pack(each) for each in value]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: pack(each) for key, each in value.items()}
        return {PAIRS: [[pack(key), pack(each)] for key, each in value.items()]}
    return {OTHER: repr(value)}


def unpack(value: Any) -> Any:
    """What `pack` was given. Raises ValueError for what it never makes."""
    if isinstance(value, list):
        return [unpack(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$tuple": list(parts)}:
            return tuple(unpack(each) for each in parts)
        case {"$float": str(text)}:
            return float(text)
        case {"$repr": str(text)}:
            return Opaque(text)
        case {"$pairs": list(pairs)}:
            return {unpack(key): unpack(each) for key, each in pairs}
    if any(key.startswith("$") for key in value):
        raise ValueError(f"no value is written {value!r:.60}")
    return {key: unpack(each) for key, each in value.items()}


def step(before: Any, now: Any) -> dict[str, Any]:
    """What is shown now, by what was shown before where that is shorter; both are packed."""
    if isinstance(before, dict) and isinstance(now, dict) and not (_odd(before) or _odd(now)):
        plus = {key: each for key, each in now.items() if key not in before or before[key] != each}
        minus = [key for key in before if key not in now]
        if len(plus) + len(minus) < len(now):
            return {"plus": plus, "minus": minus} if minus else {"plus": plus}
    if isinstance(before, list) and isinstance(now, list) and now:
        begin = before.index(now[0]) if now[0] in before else 0
        kept = _alike(before[begin:], now)
        if kept:
            return {"from": begin, "keep": kept, "then": now[kept:]}
    return {"seen": now}


def stepped(before: Any, given: Mapping[str, Any]) -> Any:
    """What is shown, packed, from what was shown before. Raises ValueError where that does not fit."""
    if "seen" in given:
        return given["seen"]
    if "plus" in given and isinstance(before, dict):
        plus, minus = given["plus"], given.get("minus", [])
        if isinstance(plus, dict) and isinstance(minus, list):
            return {key: each for key, each in before.items() if key not in minus} | plus
    if "keep" in given and isinstance(before, list):
        begin, kept, then = given.get("from"), given["keep"], given.get("then")
        if isinstance(begin, int) and isinstance(kept, int) and isinstance(then, list):
            return [*before[begin : begin + kept], *then]
    raise ValueError("it does not say what was shown")


def _odd(packed: dict[str, Any]) -> bool:
    return any(key.startswith("$") for key in packed)


def _alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many of their first elements are the same."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
