"""The journey of a file: `FILE.py:CLASS`, imported once in each load process."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from locust import FastHttpUser, HttpUser

from statefall.content import file_of
from statefall.load.journey.acting import Acting
from statefall.load.journey.bare import BareShopper
from statefall.load.journey.with_promises import WithPromises
from statefall.records.errors import InputError

_HINT: Final = "`journey: FILE.py:CLASS` names a class that subclasses statefall.load.Shopper or WithPromises"


def load_journey(journey: str) -> type[BareShopper]:
    """The class. `{content}` in the path is the folder of what the tool brings along, wherever it lies here.

    Raises InputError, in one line, for whatever is wrong with the file.
    """
    file, _, name = journey.rpartition(":")
    if not file:
        raise InputError("the load has no journey", where="journey", hint=_HINT)
    module, path = _module(file_of(file)), str(file_of(file))
    kind: Any = getattr(module, name, None)
    if kind is None:
        there = ", ".join(sorted(each for each, value in vars(module).items() if _is_journey(value)))
        raise InputError(f"there is no class {name!r}", where=path, hint=f"there are: {there or 'none'}")
    if not _is_journey(kind):
        raise InputError(f"{name} is no Shopper", where=path, hint=_HINT)
    refuse_unfit_class(kind, path)
    found: type[BareShopper] = kind
    return found


def refuse_unfit_class(kind: type[Any], where: str) -> None:
    """A shopper needs something to do and to ask with. Raises InputError."""
    name = kind.__name__
    if not issubclass(kind, Acting):
        begin: Any = kind.begin
        bare: Any = BareShopper.begin
        if begin.__func__ is bare.__func__:
            hint = "subclass statefall.load.Shopper, or bring virtual users of your own"
            raise InputError(f"{name} defines no `begin`", where=where, hint=hint)
        return
    if issubclass(kind, WithPromises) and not issubclass(kind, HttpUser | FastHttpUser):
        hint = f"class {name}(WithPromises, HttpUser), or subclass statefall.load.Shopper"
        raise InputError(f"{name} is no HttpUser and no FastHttpUser", where=where, hint=hint)
    if not kind.tasks:
        raise InputError(f"{name} has no task", where=where, hint="mark its methods with @task")
    for task in kind.tasks:
        if isinstance(task, type) or not callable(task):
            raise InputError(
                f"{name}: the task {task!r} is no function", where=where, hint="nested TaskSets are not run"
            )


def _is_journey(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BareShopper) and not value.abstract


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), hint=_HINT)
    name = f"journey_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # what lies beside it can be imported, as Locust has it
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever its author wrote
        del sys.modules[name]
        raise InputError(_told(error, path), where=str(path)) from None
    return module


def _told(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"line {own[-1].lineno}: " if own else ""
    text = " ".join(str(error).split())
    return f"{place}{type(error).__name__}: {text}" if text else f"{place}{type(error).__name__}"
