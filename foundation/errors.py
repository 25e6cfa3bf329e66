"""One exception tree; each branch knows the exit code that the command line ends with.

StatefallError               1  something of ours broke
├── InputError               2  what the user gave cannot be used
│   └── EnvironmentUnfit     2  the machine or the cluster lacks what the run needs
├── GateFailed               3  the run is sound and a gate of the experiment failed
├── RegressionFound          4  a comparison found the newer run worse
└── RunInvalid               5  the run cannot be trusted, or says nothing either way
    └── Interrupted          5  the user ended it early; what was recorded is marked partial
"""

from __future__ import annotations


class StatefallError(Exception):
    """Base of all errors that Statefall raises on purpose; its text is one line."""

    exit_code = 1


class InputError(StatefallError):
    """Unusable input: says what is wrong, where, and how to mend it, in one line."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line} ({hint})" if hint else line)


class EnvironmentUnfit(InputError):
    """A program, a permission, a port or a cluster that the run needs is not there."""


class GateFailed(StatefallError):
    """A gate of the experiment failed on a valid run."""

    exit_code = 3


class RegressionFound(StatefallError):
    """A comparison found that the newer run loses more or is slower."""

    exit_code = 4


class RunInvalid(StatefallError):
    """The run cannot support a verdict (for example a fault without observed effect)."""

    exit_code = 5


class Interrupted(RunInvalid):
    """The run was ended early by a signal."""
