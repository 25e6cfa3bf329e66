"""One exception tree, and the signal beside it; each knows the exit code that the command line ends with.

Exit code 3, a failed gate, is no error: the run went as it should (`EXIT_CODES` of `statefall run`).

StatefallError               1  something of ours broke
├── InputError               2  what the user gave cannot be used
│   └── EnvironmentUnfit     2  the machine or the cluster lacks what the run needs
└── RunInvalid               5  the run cannot be trusted, or says nothing either way
Interrupted                  5  the user ended it early; what was recorded is marked partial
"""

from __future__ import annotations


class StatefallError(Exception):
    """Base of all errors that Statefall raises on purpose; its text is one line."""

    exit_code = 1

    def __init__(self, line: str = "") -> None:
        super().__init__(" ".join(line.splitlines()))


class InputError(StatefallError):
    """Unusable input: says what is wrong, where, and how to mend it, in one line."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line} ({hint})" if hint else line)


class EnvironmentUnfit(InputError):
    """A program, a permission, a port or a cluster that the run needs is not there."""


class RunInvalid(StatefallError):
    """The run cannot support a verdict (for example a fault without observed effect)."""

    exit_code = 5


class Interrupted(BaseException):
    """The run was ended early by a signal. As with KeyboardInterrupt, no `except Exception` holds it up:
    it is raised wherever the code happens to be, in a library's too."""

    exit_code = RunInvalid.exit_code
