"""Frozen dataclasses to JSON and back, so that each record of a run has one definition.

Reading is strict about what is missing or of the wrong type and lenient about fields it does not
know: a run recorded by a later version of the same schema can still be drawn.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from foundation.errors import InputError

T = TypeVar("T")


def encode(value: Any) -> str:
    """The JSON document of a dataclass: indented, fields in their order, one newline at the end."""
    return json.dumps(dataclasses.asdict(value), indent=2, allow_nan=False) + "\n"


def decode(kind: type[T], document: str | bytes, *, where: str) -> T:
    """Read a document that `encode` wrote. Raises InputError naming `where` and the field."""
    try:
        value = json.loads(document)
    except ValueError as error:
        raise InputError(f"not JSON: {error}", where=where, hint="the file is damaged") from error
    return cast("T", build(kind, value, where=where))


def build(kind: Any, value: Any, *, where: str) -> Any:
    """`value`, as JSON gives it, as an instance of the annotated type `kind`.

    Knows dataclasses, enums, `tuple[X, ...]`, `dict[str, X]`/`Mapping[str, X]`, `X | None` and
    JSON's own types. Raises InputError naming the field that does not fit.
    """
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return build(next(a for a in arguments if a is not NoneType), value, where=where)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(build(arguments[0], item, where=f"{where}[{i}]") for i, item in enumerate(items))
    if origin is not None and issubclass(origin, Mapping):
        pairs = _expect(dict, value, where)
        return {
            build(arguments[0], key, where=where): build(arguments[1], item, where=f"{where}.{key}")
            for key, item in pairs.items()
        }
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise InputError(str(error), where=where) from error
    if kind is float:
        return float(_expect((int, float), value, where))
    return _expect(kind, value, where)


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    given = _expect(dict, value, where)
    hints = get_type_hints(kind)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in given:
            fields[field.name] = build(hints[field.name], given[field.name], where=f"{where}: {field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"`{field.name}` is missing", where=where, hint="the file is damaged or foreign")
    return kind(**fields)


def _expect(kind: Any, value: Any, where: str) -> Any:
    boolean_for_number = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or boolean_for_number:
        raise InputError(f"unexpected {type(value).__name__} {value!r:.60}", where=where)
    return value
