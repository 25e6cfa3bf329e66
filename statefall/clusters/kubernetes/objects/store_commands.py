"""Shell commands for the session store's pod: Valkey is stopped and started, and its content stays."""

from __future__ import annotations

from typing import Final

STOP: Final = "valkey-cli config set bind 127.0.0.1 && valkey-cli client kill type normal skipme yes"
"""It listens on its own loopback alone, and cuts the connections that it has."""
START: Final = "valkey-cli config set bind '* -::*' && valkey-cli ping"
DATABASES: Final = (1, 2)
"""The store's numbered databases that the cells of a run use in turn: one begins with an empty one while the
pods of the one before end. What is applied by hand has its keys in database 0: a run that uses the same store
neither sees nor forgets them."""
BOUND_TO: Final = "valkey-cli config get bind"
STOPPED: Final = "127.0.0.1"
"""In what `BOUND_TO` prints while the store is stopped."""


def empty(database: int) -> str:
    """Have it forget all keys of one of its databases."""
    return f"valkey-cli -n {database} flushdb"


def pause(duration_s: float) -> str:
    """Have it hold all commands back for so long."""
    return f"valkey-cli client pause {round(duration_s * 1000)} all"
