"""What sixteen threads that hash passwords take of memory: `python benchmarks/password_memory.py`.

With and without a limit of hashes at once, and with large blocks from the threads' heaps or mapped for
themselves. Each measurement is a process of its own, which the kernel tells the most and the latest
memory of; all four take turns in each round. Prints Markdown; the figures are in docs/decisions/0018.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.shop.passwords import AT_ONCE

THREADS: Final = 16
VERIFICATIONS: Final = 8
"""Of each thread."""
PROGRAM: Final = f"""
import sys, threading
from pathlib import Path
from services.allocator import return_large_blocks
from services.shop import passwords

passwords._turns = threading.BoundedSemaphore(int(sys.argv[1]))
if sys.argv[2] == "mapped":
    return_large_blocks()
known = passwords.hash_with_salt("shopper", b"a salt of its own")
right = []
def verify():
    right.extend(passwords.matches(known, "shopper") for _ in range({VERIFICATIONS}))
threads = [threading.Thread(target=verify) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert right == [True] * {THREADS * VERIFICATIONS}
print(Path("/proc/self/status").read_text())
"""
CASES: Final = tuple((at_once, blocks) for at_once in (THREADS, AT_ONCE) for blocks in ("heaps", "mapped"))
WORDS: Final = {"heaps": "from the threads' heaps (glibc's default)", "mapped": "mapped for themselves"}


def measure(at_once: int, blocks: str) -> tuple[float, float]:
    """MiB of the process: at most, and after the last hash."""
    command = [sys.executable, "-c", PROGRAM, str(at_once), blocks]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return mebibytes("VmHWM", status), mebibytes("VmRSS", status)


def mebibytes(name: str, status: str) -> float:
    """A size in what the kernel says of a process."""
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    if found is None:
        raise SystemExit(f"the kernel tells no {name}")
    return int(found[1]) / 1024


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    taken = [[measure(*case) for case in CASES] for _ in range(rounds)]
    when = datetime.now(UTC).date().isoformat()
    print(f"{when}, a machine of {os.cpu_count()} cores, Python {platform.python_version()}:")
    print(f"median of {rounds} rounds, and the lowest and highest.\n")
    print("| at once | large blocks | at most, MiB | afterwards, MiB |\n|--:|---|--:|--:|")
    for (at_once, blocks), sizes in zip(CASES, zip(*taken, strict=True), strict=True):
        highest, latest = zip(*sizes, strict=True)
        print(f"| {at_once} | {WORDS[blocks]} | {spread(highest)} | {spread(latest)} |")


if __name__ == "__main__":
    main()
