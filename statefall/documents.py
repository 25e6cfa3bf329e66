"""Reads a YAML file into a model, with overrides; a mistake is told with its line and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from foundation.errors import InputError

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def read_document(path: Path, model: type[Model], overrides: Iterable[str] = ()) -> Model:
    """The content of a file, with `KEY=VALUE` overrides applied. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {_reason(error)}", where=str(path)) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(f"not YAML: {getattr(error, 'problem', None) or error}", where=where) from error
    if root is None or not isinstance(document, dict):
        raise InputError("the file must be a mapping of keys to values", where=str(path))
    lines = dict(_lines(root))
    sources: dict[Location, str] = {}
    for override in overrides:
        location = _apply(document, override)
        sources[location] = f"--set {override}"
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _explain(error, model, path, lines, sources) from error


def _apply(document: dict[str, Any], override: str) -> Location:
    """Set one value, given as `load.shoppers=120`; a list's places are numbers from 0."""
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise InputError(f"--set {override}: expected KEY=VALUE", hint="for example --set load.shoppers=120")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: the value is not YAML") from error
    parts: list[str | int] = [int(part) if part.isdigit() else part for part in key.strip().split(".")]
    at: Any = document
    for part in parts[:-1]:
        at = _step(at, part, override)
    last = parts[-1]
    if isinstance(at, list):
        _step(at, last, override)
        at[int(last)] = value
    elif isinstance(at, dict):
        at[last] = value
    else:
        raise InputError(f"--set {override}: {key.rpartition('.')[0]} holds a single value")
    return tuple(parts)


def _step(at: Any, part: str | int, override: str) -> Any:
    if isinstance(at, dict):
        if at.get(part) is None:
            at[part] = {}
        return at[part]
    if isinstance(at, list) and isinstance(part, int) and part < len(at):
        return at[part]
    raise InputError(f"--set {override}: there is no {part!r} in it")


def _lines(node: yaml.Node, at: Location = ()) -> Iterable[tuple[Location, int]]:
    """Each location of the document with its line, from 1."""
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            for location, line in _lines(value, (*at, key.value)):
                yield location, key.start_mark.line + 1 if location == (*at, key.value) else line
    elif isinstance(node, yaml.SequenceNode):
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
    location: Location = tuple(problem["loc"])
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
            said = f", not {given!r}" if not isinstance(given, dict | list | tuple) else ""
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
        arguments = [a for a in getattr(model, "__args__", ()) if hasattr(a, "model_fields")]
        model = arguments[0] if arguments else model
    return list(getattr(model, "model_fields", {}))


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
