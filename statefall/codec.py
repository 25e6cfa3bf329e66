"""The one place where records become JSON and JSON becomes records.

Rooms hand each other frozen dataclasses; files and other processes get what is written here. Reading
is strict about what is missing, of the wrong type or not finite, and lenient about fields and kinds
of events that it does not know: what a later version recorded can still be drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import Annotated, Any, Final, Generic, TypeVar, cast

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json

from statefall.records.errors import InputError
from statefall.records.events import KINDS, Event

T = TypeVar("T")

CONFIG: Final = ConfigDict(allow_inf_nan=False)
MOMENT_DIGITS: Final = 6
"""Clocks tell no more than microseconds."""


def formerly(*names: str) -> Any:
    """Of a field: its name, and those under which older records hold it."""
    return Field(validation_alias=AliasChoices(*names))


def unless_empty() -> Any:
    """Of a field: it is written only where it holds something."""
    return Field(exclude_if=lambda value: not value)


class Codec(Generic[T]):
    """The JSON of one type: a dataclass, or anything else that pydantic has a schema for."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def schema(self) -> str:
        """The JSON schema of what is written, as text."""
        return json.dumps(self._adapter.json_schema(mode="serialization"))

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self._kind)

    def encode(self, value: T, *, indent: int | None = None) -> str:
        """The document; fields in their order. Raises ValueError for a figure that is not finite."""
        plain = self._adapter.dump_python(value, mode="json", warnings=False)
        separators = (",", ":") if indent is None else None
        return json.dumps(plain, indent=indent, separators=separators, allow_nan=False)

    def decode(self, document: str | bytes, *, where: str) -> T:
        """Read a document that `encode` wrote. Raises InputError naming `where` and the field."""
        try:
            value = self._adapter.validate_json(document, strict=True)
        except ValidationError as error:
            place, what = _first(error)
            raise InputError(
                what, where=f"{where}: {place}" if place else where, hint="the file is damaged or foreign"
            ) from None
        if value is None:
            raise InputError("unexpected null", where=where, hint="the file is damaged or foreign")
        return cast("T", value)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # pydantic takes a configuration for a union, and not for a dataclass of the standard library.
    return TypeAdapter(kind | None, config=CONFIG)


def _first(error: ValidationError) -> tuple[str, str]:
    """Where the first thing is that does not fit, and what it is, in words of one line."""
    found = error.errors(include_url=False)[0]
    *above, last = found["loc"] or ("",)
    if found["type"] == "missing":
        return _path(above), f"`{last}` is missing"
    if found["type"] in ("json_invalid", "value_error"):
        return _path(found["loc"]), found["msg"].replace("\n", " ")
    value = found["input"]
    return _path(found["loc"]), f"unexpected {type(value).__name__} {value!r:.60}"


def _path(steps: Iterable[int | str]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


# -- events -----------------------------------------------------------------------------------------


def event_fields(event: Event) -> dict[str, Any]:
    """The event as one flat object of plain data."""
    kind: Any = type(event)
    fields = _adapter(kind).dump_python(event, mode="json", warnings=False)
    at = fields.pop("at")
    moment = {name: round(at[name], MOMENT_DIGITS) for name in ("monotonic_s", "wall_s")}
    cell = {"cell": fields.pop("cell")} if "cell" in fields else {}
    return {"kind": event.kind, **moment, **cell, **fields}


def event_line(event: Event, **more: str) -> str:
    """The event as one line of JSON, newline included; `more` are fields that stand beside its own.

    Raises ValueError for a figure that is not finite.
    """
    return json.dumps(event_fields(event) | more, separators=(",", ":"), allow_nan=False) + "\n"


def read_event(line: str | bytes) -> Event | None:
    """The event of a line; None where its kind is not known. Raises ValueError saying what is wrong."""
    return _event(from_json(line))


def _event(fields: Any) -> Event | None:
    if not isinstance(fields, dict):
        raise ValueError(f"unexpected {type(fields).__name__} {fields!r:.60}")
    given = dict(fields)
    name = given.pop("kind", None)
    if not isinstance(name, str):
        raise ValueError("`kind` is missing")
    kind: Any = KINDS.get(name)
    if kind is None:
        return None
    for part in ("monotonic_s", "wall_s"):
        if part not in given:
            raise ValueError(f"`{part}` is missing")
    given["at"] = {"monotonic_s": given.pop("monotonic_s"), "wall_s": given.pop("wall_s")}
    try:
        return cast("Event", _adapter(kind).validate_python(given))
    except ValidationError as error:
        place, what = _first(error)
        raise ValueError(f"{place}: {what}" if place else what) from None


def _known(given: Any) -> tuple[Event, ...]:
    if not isinstance(given, list):
        raise ValueError(f"unexpected {type(given).__name__} {given!r:.60}")
    return tuple(event for fields in given if (event := _event(fields)) is not None)


def _plain(events: Iterable[Event]) -> list[Mapping[str, Any]]:
    return [event_fields(event) for event in events]


Events = Annotated[tuple[Event, ...], PlainValidator(_known), PlainSerializer(_plain)]
"""Events within a document; those of an unknown kind are left out."""
