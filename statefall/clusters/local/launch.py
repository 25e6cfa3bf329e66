"""Becomes a child program that cannot outlive the harness. Run by path, with the standard library alone.

Between fork and exec a multi-threaded process may do next to nothing safely, so what must happen
there (dropping privileges, asking for the parent-death signal) happens in this small program of
its own, which then turns into the real one: same pid, same process group.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""`man 2 prctl`. Linux only; elsewhere what a killed harness left is for `recover` to end."""
CANNOT_START = 127
"""Exit code of a shell whose command is not there."""


def main(arguments: list[str]) -> None:
    """`launch.py PARENT SIGNAL UID GID COMMAND...`; a UID of -1 keeps the user."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which would have cleared it.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # died before the signal was asked for
        os._exit(CANNOT_START)
    try:
        os.execvp(command[0], command)  # noqa: S606 - that is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
