"""What many logins at once cost a replica in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

MANY_LOGINS: Final = """
import threading
from pathlib import Path
from services.allocator import return_large_blocks
from services.shop.passwords import hash_with_salt, matches

return_large_blocks()
known = hash_with_salt("shopper", b"a salt of its own")
right = []
threads = [threading.Thread(target=lambda: right.extend(matches(known, "shopper") for _ in range(4)))
           for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert right == [True] * 64
print(Path("/proc/self/status").read_text())
"""


def mebibytes(name: str, status: str) -> float:
    """A size in what the kernel says of a process."""
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found is not None, status
    return int(found[1]) / 1024


def test_sixteen_logins_at_once_take_the_memory_of_four_and_give_it_back() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_LOGINS], capture_output=True, text=True, check=True)
    highest, now = (mebibytes(name, done.stdout) for name in ("VmHWM", "VmRSS"))
    assert highest < 180, "16 at once would take 290 MiB"
    assert now < 60, "kept by the threads' heaps, it would be about as much as at the highest"
