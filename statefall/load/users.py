"""Who logs in: the users of a file, or made-up ones."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statefall.records.errors import InputError
from statefall.records.service import Reached

PASSWORD_LENGTH: Final = 20
_HINT: Final = "a user a line: `name` or `name,password`"


@dataclass(frozen=True, slots=True)
class User:
    """One user of the service under test."""

    name: str
    password: str
    """Empty where the file says none."""


def users_of(reached: Reached, count: int, seed: int) -> list[User]:
    """So many different users, the same ones for the same file or seed. Raises InputError."""
    if not reached.users:
        return _made_up(count, seed)
    found = list(_read(reached.users))
    if len(found) < count:
        raise InputError(
            f"{len(found)} users for {count} shoppers",
            where=reached.users,
            hint="add users, or set load.shoppers to fewer",
        )
    return found[:count]


def _made_up(count: int, seed: int) -> list[User]:
    """Names that a service takes for a sign-up: letters and digits, other ones for another seed."""
    source = random.Random(f"{seed}/users")
    letters = string.ascii_letters + string.digits
    family = "".join(source.choices(string.ascii_lowercase, k=6))
    # A letter, a capital and a digit, as rules for passwords ask for.
    return [
        User(f"{family}{index}", "aA1" + "".join(source.choices(letters, k=PASSWORD_LENGTH - 3)))
        for index in range(count)
    ]


def _read(file: str) -> Iterator[User]:
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=file, hint=_HINT) from None
    except ValueError:
        raise InputError("is not UTF-8", where=file, hint=_HINT) from None
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, comma, password = (part.strip() for part in line.partition(","))
        where = f"{file}, line {number}"
        if not name:
            raise InputError("there is no name before the comma", where=where, hint=_HINT)
        if comma and not password:
            raise InputError(f"there is no password after {name!r} and its comma", where=where, hint=_HINT)
        if not (name + password).isprintable():
            raise InputError("there are characters that nobody can type", where=where, hint=_HINT)
        if name in seen:
            raise InputError(f"{name!r} is in line {seen[name]} already", where=where, hint="each user once")
        seen[name] = number
        yield User(name, password)
