"""Who is known to have written which value: the proof that a value is another session's."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from typing import Any, Final

SHARED: Final = object()
"""Several sessions wrote it, so it proves nothing."""


def fingerprint(key: Hashable, value: Any) -> int:
    """32 bits of a key and a value, the same in every process. A value need not be hashable."""
    return _wide("", key, value) & 0xFFFFFFFF


class KnownWrites:
    """The newest writes of all sessions of a process, in bounded memory.

    A value proves a leak only if exactly one session ever wrote it. So that a forgotten second writer
    does not make a common value look unique, every value that was ever noted leaves a bit behind;
    bits that collide make proof impossible, never false. Values that are drawn at random, or that
    carry their session's name, prove most.
    """

    __slots__ = ("_bits", "_capacity", "_mask", "_writers")

    def __init__(self, capacity: int = 200_000) -> None:
        """`capacity`: how many values are kept, about 150 bytes each."""
        self._capacity = capacity
        self._writers: dict[int, Hashable] = {}
        self._mask = (1 << max(10, (capacity * 32).bit_length())) - 1
        self._bits = bytearray((self._mask + 1) >> 3)

    def __len__(self) -> int:
        return len(self._writers)

    def note(self, owner: Hashable, name: str, key: Hashable, value: Any) -> None:
        """A session writes a value to its object `name`, or tries to."""
        print_ = _wide(name, key, value)
        known = self._writers.get(print_)
        if known is not None:
            if known is not SHARED and known != owner:
                self._writers[print_] = SHARED
            return
        place = print_ & self._mask
        seen_before = self._bits[place >> 3] >> (place & 7) & 1
        self._bits[place >> 3] |= 1 << (place & 7)
        if len(self._writers) >= self._capacity:
            del self._writers[next(iter(self._writers))]
        self._writers[print_] = SHARED if seen_before else owner

    def other_writer(self, owner: Hashable, name: str, key: Hashable, value: Any) -> Hashable | None:
        """The one session that is known to have written it, when that is another than `owner`."""
        writer = self._writers.get(_wide(name, key, value))
        return None if writer is SHARED or writer == owner else writer


def _wide(name: str, key: Hashable, value: Any) -> int:
    """64 bits. Not Python's own hash: with it a text's bits differ from process to process, and whoever
    judges a recorded history would not always find the same proofs."""
    written = f"{name}\0{_text(key)}\0{_text(value)}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(written, digest_size=8).digest())


def _text(value: Any) -> str:
    """Alike for values that are equal: 1, 1.0 and True are one number."""
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, int | float):
        return str(hash(value))
    if isinstance(value, tuple):
        return f"({','.join(map(_text, value))})"
    return repr(value)
