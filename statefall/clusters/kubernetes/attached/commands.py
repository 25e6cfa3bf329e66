"""What is run in a container of somebody else's image: with its `sh`, and what else it may have.

Linux hides the first process of a container from the signals of all others in it: `kill -KILL 1` does
nothing. Where that first process is the service itself, it is killed through the kernel's own
PTRACE_O_EXITKILL (ptrace(2)): whoever asks for it and ends takes the traced process along, first or not. That
takes no more rights than the container has, but a program that can make the call (perl, as every Debian image
has it, or python), and a node whose Yama lets it (`kernel.yama.ptrace_scope` 0, or no Yama).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SEIZE: Final = 0x4206
_EXITKILL: Final = 0x100000
_PERL: Final = (
    "chomp(my $m = `uname -m`); my $n = $m eq q(x86_64) ? 101 : 117; "
    f"exit(syscall($n, {_SEIZE}, 1, 0, {_EXITKILL}) == 0 ? 0 : 1)"
)
_PYTHON: Final = (
    "import ctypes,sys; c=ctypes.CDLL(None); c.ptrace.argtypes=[ctypes.c_long]*4; "
    f"sys.exit(0 if c.ptrace({_SEIZE},1,0,{_EXITKILL}) == 0 else 1)"
)
KILL: Final = (
    "sh",
    "-c",
    "exec 2>/dev/null; if [ /proc/1/ns/mnt -ef /proc/self/ns/mnt ]; then "
    f"perl -e '{_PERL}' || python3 -c '{_PYTHON}' || python -c '{_PYTHON}'; fi; kill -KILL -1",
)
"""SIGKILL of the first process, where that is one of the container and can be had; it takes all others
along. Else of those. (Where the containers of a pod share their processes, the first one holds the pod: with
it would go the pod's address, and the answer to this command.)"""
LOOK: Final = (
    "sh",
    "-c",
    "exec 2>/dev/null; for p in /proc/[1-9]*; do [ -r $p/status ] && while read -r k v r; do "
    '[ "$k" = PPid: ] && echo "process ${p#/proc/} $v"; done < $p/status; done; echo "self $$"; '
    'for t in perl python3 python; do command -v $t >/dev/null && echo "tool $t"; done; '
    'read -r y < /proc/sys/kernel/yama/ptrace_scope && echo "yama $y"; true',
)
"""What runs in the container and what could be used there; see `Inside`."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a container told."""

    others: int
    """Processes beside the first one and those of the look itself."""
    tools: tuple[str, ...]
    yama: str

    @property
    def first_can_be_killed(self) -> bool:
        """Whether the way of PTRACE_O_EXITKILL is open."""
        return bool(self.tools) and self.yama in {"", "0"}


def inside(output: str) -> Inside:
    """Read what LOOK printed."""
    parents: dict[str, str] = {}
    tools, yama, own = [], "", ""
    for line in output.splitlines():
        match line.split():
            case ["process", number, parent]:
                parents[number] = parent
            case ["self", number]:
                own = number
            case ["tool", name]:
                tools.append(name)
            case ["yama", level]:
                yama = level
    others = [n for n, parent in parents.items() if n not in {"1", own} and parent != own]
    return Inside(len(others), tuple(tools), yama)
