"""What it costs to know a repeated write: `python -m benchmarks.repeated_writes [--rounds N]`.

The same session with a full window of writes and without one, by turns in one run, in opposite order
every other round; ratios are taken within a round. `write` is a change that memory keeps (with the
window: the search for the id and the undo), `seal` and `open` are what a session pays beside that
wherever it leaves the process. The time is the thread's own processor time. Prints Markdown; the figures
are in docs/decisions/0072.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Final

from benchmarks.sealing import KEYS, shopper, spread
from services.sessions.codec import SessionCodec, serialise
from services.sessions.memory import MemorySessions
from services.sessions.protocol import Change
from services.sessions.session import Session
from services.sessions.writes import REMEMBERED_WRITES, operation_digest, remembering
from services.settings import Serialisation
from services.stateless.client_state import ClientSideStateService, ClientState

REPEATS: Final = 1000
"""Of each step in a round."""
NONCE: Final = "0123456789abcdef.17"
"""What the load puts before the number of an operation."""
ACTION: Final = "looked at product 1000"


@dataclass(slots=True)
class Step:
    """Something that a replica does with a session, without and with the window."""

    name: str
    without: Callable[[], object]
    with_window: Callable[[], object]
    without_us: list[float] = field(default_factory=list)
    with_us: list[float] = field(default_factory=list)

    def measure(self, *, backwards: bool) -> None:
        """One round."""
        turns = [(self.without, self.without_us), (self.with_window, self.with_us)]
        for step, times in reversed(turns) if backwards else turns:
            begin = time.thread_time()
            for _ in range(REPEATS):
                step()
            times.append((time.thread_time() - begin) / REPEATS * 1e6)


def act(held: Session) -> Session:
    """The most frequent write."""
    return held.with_action(ACTION, held.last_activity_at_s)


def remembered(session: Session) -> Session:
    """The session after as many writes as it remembers; its other fields are as before, in size."""
    for number in range(REMEMBERED_WRITES):
        change = remembering(act, operation_digest(f"POST /activity {NONCE}.{number}"), 1_790_000_400.125)
        session = replace(change(session), version=session.version)
    return session


def write(sessions: MemorySessions, key: str, change: Callable[[], Change]) -> None:
    """As a request does it."""
    assert sessions.update(key, change()) is not None


def steps() -> list[Step]:
    """All of them."""
    plain, full = shopper(), remembered(shopper())
    numbers = count(REMEMBERED_WRITES)
    one, other = MemorySessions(3600), MemorySessions(3600)
    one.create(plain)
    other.create(full)

    def once() -> Change:
        name = f"POST /activity {NONCE}.{next(numbers)}"
        return remembering(act, operation_digest(name), 1_790_000_400.125)

    found = [
        Step("write", partial(write, one, plain.key, lambda: act), partial(write, other, full.key, once))
    ]
    for how in Serialisation:
        codec = SessionCodec(KEYS, how)
        sealed = [codec.seal(session) for session in (plain, full)]
        known = {"key": plain.key, "version": plain.version, "epoch": plain.epoch}
        found.append(Step(f"seal, {how}", partial(codec.seal, plain), partial(codec.seal, full)))
        found.append(
            Step(
                f"open, {how}",
                partial(codec.open, sealed[0], **known),  # type: ignore[arg-type]
                partial(codec.open, sealed[1], **known),  # type: ignore[arg-type]
            )
        )
    tokens, state, knowing = ClientSideStateService(KEYS, 3600), client_state(()), client_state(full_names())
    found.append(Step("issue a token", partial(tokens.issue, state), partial(tokens.issue, knowing)))
    issued = tokens.issue(state), tokens.issue(knowing)
    found.append(Step("read a token", partial(tokens.read, issued[0]), partial(tokens.read, issued[1])))
    return found


def client_state(operations: tuple[str, ...]) -> ClientState:
    """The same shopper with the stateless twin."""
    held = shopper()
    return ClientState(
        held.user_id, held.permissions, held.preferences, 3, held.activity, held.version, operations
    )


def full_names() -> tuple[str, ...]:
    """A full window of a token."""
    return tuple(operation_digest(f"{NONCE}.{number}") for number in range(REMEMBERED_WRITES))


def sizes() -> list[tuple[str, int, int]]:
    """Bytes without and with the window."""
    plain, full, found = shopper(), remembered(shopper()), []
    for how in Serialisation:
        codec = SessionCodec(KEYS, how)
        found.append((f"{how}, in the clear", len(serialise(plain, how)), len(serialise(full, how))))
        found.append((f"{how}, sealed", len(codec.seal(plain)), len(codec.seal(full))))
    tokens = ClientSideStateService(KEYS, 3600)
    issued = [len(tokens.issue(client_state(names))) for names in ((), full_names())]
    return [*found, ("token", issued[0], issued[1])]


def table(measured: Sequence[Step]) -> str:
    """All figures as Markdown."""
    lines = ["| step | without, us | with, us | more, us | times as much |", "|---|--:|--:|--:|--:|"]
    for step in measured:
        pairs = list(zip(step.without_us, step.with_us, strict=True))
        more, ratio = [b - a for a, b in pairs], [b / a for a, b in pairs]
        medians = f"{statistics.median(step.without_us):.1f} | {statistics.median(step.with_us):.1f}"
        lines.append(f"| {step.name} | {medians} | {spread(more, 1)} | {spread(ratio, 2)} |")
    lines += ["", "| bytes | without | with | times as much |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {a:,} | {b:,} | {b / a:.2f} |" for name, a, b in sizes()]
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds, measured = parser.parse_args().rounds, steps()
    for number in range(rounds):
        for step in measured:
            step.measure(backwards=bool(number % 2))
    when = datetime.now(UTC).date().isoformat()
    print(f"{when}, a machine of {os.cpu_count()} cores, Python {platform.python_version()}:")
    print(f"median of {rounds} rounds of {REPEATS:,}, and the lowest and highest.\n")
    print(table(measured))


if __name__ == "__main__":
    main()
