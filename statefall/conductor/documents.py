"""Reads a YAML file into a model, with overrides; a mistake is told with its line and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from yaml import MappingNode, Node, SequenceNode

from statefall.conductor.plain_yaml import MAX_DEPTH, NotPlain, PlainYaml, read_text
from statefall.records.errors import InputError
from statefall.service.file import UNION_TAGS

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
LONGEST_SHOWN: Final = 200


def read_document(path: Path, model: type[Model], overrides: Iterable[str] = ()) -> Model:
    """The content of a file, with `KEY=VALUE` overrides applied. Raises InputError."""
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except NotPlain as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    try:
        read = PlainYaml(text)
    except NotPlain as error:
        raise InputError(str(error), where=f"{path}:{error.line}" if error.line else str(path)) from error
    root, document = read.root, read.value
    if root is None or not isinstance(document, dict):
        raise InputError("the file must be a mapping of keys to values", where=str(path))
    lines = dict(_lines(root))
    sources: dict[Location, str] = {}
    for override in overrides:
        location = _apply(document, override)
        sources[location] = f"--set {_shown(override)}"
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _explain(error, model, path, lines, sources) from error


def _apply(document: dict[str, Any], override: str) -> Location:
    """Set one value, given as `load.shoppers=120`; a list's places are numbers from 0."""
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise InputError(
            f"--set {_shown(override)}: expected KEY=VALUE", hint="for example --set load.shoppers=120"
        )
    try:
        value = PlainYaml(text).value
    except NotPlain as error:
        raise InputError(f"--set {_shown(override)}: the value is {error}") from error
    parts = key.strip().split(".")
    if len(parts) > MAX_DEPTH:
        raise InputError(f"--set {_shown(override)}: nested deeper than {MAX_DEPTH} levels")
    at: Any = document
    last: Any
    location: list[str | int] = []
    for part in parts[:-1]:
        place = _place(at, part, override)
        location.append(place)
        if isinstance(at, dict) and at.get(place) is None:
            at[place] = {}
        at = at[place]
    if not isinstance(at, dict | list):
        raise InputError(f"--set {_shown(override)}: {key.rpartition('.')[0]} holds a single value")
    last = _place(at, parts[-1], override)
    at[last] = value
    return (*location, last)


def _place(at: Any, part: str, override: str) -> str | int:
    """Where in a mapping or a list this part of a key leads."""
    if isinstance(at, dict):
        return part
    if isinstance(at, list) and part.isdecimal() and len(part) < 10 and int(part) < len(at):
        return int(part)
    raise InputError(f"--set {_shown(override)}: there is no {_shown(part)} in it")


def _lines(node: Node, at: Location = ()) -> Iterable[tuple[Location, int]]:
    """Each location of the document with its line, from 1."""
    yield at, node.start_mark.line + 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            for location, line in _lines(value, (*at, key.value)):
                yield location, key.start_mark.line + 1 if location == (*at, key.value) else line
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*at, index))


def _explain(
    error: ValidationError,
    model: type[BaseModel],
    path: Path,
    lines: Mapping[Location, int],
    sources: Mapping[Location, str],
) -> InputError:
    """The first problem, as one line with its place and a hint."""
    problem = error.errors()[0]
    location: Location = tuple(part for part in problem["loc"] if part not in UNION_TAGS)
    key = ".".join(map(str, location))
    where = _where(location, path, lines, sources)
    more = f"; and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    match problem["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(location[-1]), _known(model, location[:-1]), n=1)
            hint = (
                f"did you mean {close[0]!r}?"
                if close
                else f"known are {', '.join(_known(model, location[:-1]))}"
            )
            return InputError(f"unknown key {key!r}{more}", where=where, hint=hint)
        case "missing":
            return InputError(f"key {key!r} is missing{more}", where=where)
        case _:
            text = problem["msg"].removeprefix("Value error, ")
            given = problem["input"]
            said = f", not {_shown(repr(given))}" if not isinstance(given, dict | list | tuple) else ""
            text = text[0].lower() + text[1:]
            return InputError(f"{key}: {text}{said}{more}" if key else f"{text}{more}", where=where)


def _where(
    location: Location, path: Path, lines: Mapping[Location, int], sources: Mapping[Location, str]
) -> str:
    prefixes = [location[:length] for length in range(len(location), 0, -1)]
    for prefix in prefixes:
        if prefix in sources:
            return sources[prefix]
    for prefix in prefixes:
        if prefix in lines:
            return f"{path}:{lines[prefix]}"
    return next(iter(sources.values())) if sources else str(path)


def _known(root: type[BaseModel], location: Location) -> list[str]:
    """The keys that the model at this location has."""
    model: Any = root
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return []
        model = field.annotation
        while get_origin(model) in (Annotated, Union, UnionType):
            candidates = [m for m in get_args(model) if get_origin(m) or hasattr(m, "model_fields")]
            if not candidates:
                break
            model = candidates[0]
        arguments = [a for a in getattr(model, "__args__", ()) if hasattr(a, "model_fields")]
        model = arguments[0] if arguments else model
    return list(getattr(model, "model_fields", {}))


def _shown(text: str) -> str:
    """A piece of what was given, for an error of one line."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
