"""What it costs to write and read a session at rest: `python benchmarks/sealing.py [--rounds N]`.

JSON and MessagePack, each in the clear and sealed, take turns in one run, in opposite order every other
round, so that a busy machine disturbs all of them alike; ratios are taken within a round. The time is
the thread's own processor time. Prints Markdown; the figures are in docs/decisions/0011.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from services.contract import ACTIVITY_WINDOW
from services.sessions.codec import SessionCodec, deserialise, serialise
from services.sessions.conversation import Conversation, Exchange
from services.sessions.session import Session
from services.settings import Serialisation
from services.shop.cart import CartLine

KEYS: Final = ("a key of at least thirty-two bytes for benchmarks",)
REPEATS: Final = 1000
"""Of each way in a round."""
JSON, MESSAGEPACK = Serialisation.JSON, Serialisation.MSGPACK
RATIOS: Final = (
    ("MessagePack for JSON, in the clear", f"{MESSAGEPACK}, in the clear", f"{JSON}, in the clear"),
    ("MessagePack for JSON, sealed", f"{MESSAGEPACK}, sealed", f"{JSON}, sealed"),
    ("sealed for in the clear, JSON", f"{JSON}, sealed", f"{JSON}, in the clear"),
    ("sealed for in the clear, MessagePack", f"{MESSAGEPACK}, sealed", f"{MESSAGEPACK}, in the clear"),
)


class Way:
    """One way to write a session and to read it again."""

    def __init__(
        self, session: Session, write: Callable[[Session], bytes], read: Callable[[bytes], Session]
    ) -> None:
        self._session, self._write, self._read = session, write, read
        self.document = write(session)
        assert read(self.document) == session
        self.writing_us: list[float] = []
        self.reading_us: list[float] = []

    def measure(self) -> None:
        """One round."""
        begin = time.thread_time()
        for _ in range(REPEATS):
            self._write(self._session)
        written = time.thread_time()
        for _ in range(REPEATS):
            self._read(self.document)
        self.writing_us.append((written - begin) / REPEATS * 1e6)
        self.reading_us.append((time.thread_time() - written) / REPEATS * 1e6)


def shopper() -> Session:
    """A session in the middle of a visit."""
    return Session(
        key="0123456789abcdef" * 4,
        user_id=4711,
        name="Shopper 4711",
        permissions=("buy",),
        preferences={"theme": "dark", "language": "en", "currency": "EUR", "newsletter": "no"},
        preferences_version=3,
        login_at_s=1_790_000_000.123456,
        last_activity_at_s=1_790_000_321.654321,
        cart=tuple(CartLine(100 + n, 1 + n, 1999 + n, 1_790_000_100.5 + n) for n in range(7)),
        activity=tuple(f"looked at product {1000 + n}" for n in range(ACTIVITY_WINDOW)),
        conversation=Conversation(
            tuple(
                Exchange("which lamp goes with it?", "Of the lamps, product 12 is bought most.")
                for _ in range(2)
            ),
            count=2,
        ),
        version=27,
    )


def ways(session: Session) -> dict[str, Way]:
    """All of them, by name."""
    found = {}
    for how in Serialisation:
        codec = SessionCodec(KEYS, how)
        read = partial(codec.open, key=session.key, version=session.version, epoch=session.epoch)
        found[f"{how}, in the clear"] = Way(session, partial(serialise, serialisation=how), deserialise)
        found[f"{how}, sealed"] = Way(session, codec.seal, read)
    return found


def spread(values: Sequence[float], digits: int) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratio(over: Sequence[float], under: Sequence[float]) -> str:
    """Of the same rounds."""
    return spread([a / b for a, b in zip(over, under, strict=True)], 2)


def table(measured: Mapping[str, Way]) -> str:
    """All figures as Markdown."""
    lines = ["| session | bytes | write, us | read, us |", "|---|--:|--:|--:|"]
    for name, way in measured.items():
        times = f"{spread(way.writing_us, 0)} | {spread(way.reading_us, 0)}"
        lines.append(f"| {name} | {len(way.document):,} | {times} |")
    lines += ["", "| times as much, within each round | bytes | write | read |", "|---|--:|--:|--:|"]
    for text, over, under in RATIOS:
        a, b = measured[over], measured[under]
        times = f"{ratio(a.writing_us, b.writing_us)} | {ratio(a.reading_us, b.reading_us)}"
        lines.append(f"| {text} | {len(a.document) / len(b.document):.2f} | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    measured = ways(shopper())
    for number in range(rounds):
        order = list(measured.values())
        for way in reversed(order) if number % 2 else order:
            way.measure()
    when = datetime.now(UTC).date().isoformat()
    print(f"{when}, a machine of {os.cpu_count()} cores, Python {platform.python_version()}:")
    print(f"median of {rounds} rounds of {REPEATS:,}, and the lowest and highest.\n")
    print(table(measured))


if __name__ == "__main__":
    main()
