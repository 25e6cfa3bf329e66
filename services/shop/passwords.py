"""Password hashes: argon2id with OWASP's minimum (19 MiB, two passes, one lane).

The minimum and not more, because a hundred shoppers log in within seconds on two cores.
Source: OWASP Password Storage Cheat Sheet.
"""

from __future__ import annotations

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE: Final = 4
"""Each takes 19 MiB, and a replica has sixteen threads and a limit (docs/decisions/0018)."""
_turns: Final = threading.BoundedSemaphore(AT_ONCE)
_NOBODY: Final = _HASHER.hash("no password", salt=b"statefall-nobody")


def hash_with_salt(password: str, salt: bytes) -> str:
    """A hash in the PHC string format with a given salt (at least 8 bytes), for generated users."""
    return _HASHER.hash(password, salt=salt)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is right; takes as long for a user that does not exist (None)."""
    try:
        with _turns:
            _HASHER.verify(password_hash if password_hash is not None else _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None
