"""Bodies as they were before they were compressed for the way: gzip and deflate, within a limit."""

from __future__ import annotations

import zlib
from typing import Final

from statefall.load.wire import MAX_BODY_BYTES, Malformed

ACCEPTED: Final = "gzip, deflate"
"""What a request says that it understands."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_LAYERS: Final = 3
_MOST_STREAMS: Final = 16
"""Of one gzip body: each costs a copy of what is left, and services send one."""


def decoded(body: bytes, content_encoding: str, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body with its codings undone, last one first. Raises Malformed, also where it grows too long."""
    codings = [coding for part in content_encoding.split(",") if (coding := part.strip().lower())]
    if len(codings) > _MOST_LAYERS:
        raise Malformed("the body is encoded too often")
    for coding in reversed(codings):
        if coding == "identity" or not body:
            continue
        if coding in ("gzip", "x-gzip"):
            body = _gunzipped(body, limit_bytes)
        elif coding == "deflate":
            # Named for zlib's format; some servers send the bare stream instead.
            zlib_head = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
            body, _ = _inflated(body, zlib.MAX_WBITS if zlib_head else -zlib.MAX_WBITS, limit_bytes)
        else:
            raise Malformed(f"the body is encoded as {coding[:20]!r}, which was not asked for")
    return body


def _gunzipped(body: bytes, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = limit_bytes
    while True:
        part, body = _inflated(body, _GZIP, left)
        parts.append(part)
        left -= len(part)
        if not body.startswith(b"\x1f\x8b"):  # what follows and is no member is padding
            return b"".join(parts)
        if len(parts) == _MOST_STREAMS:
            raise Malformed(f"the body has more than {_MOST_STREAMS} gzip streams")


def _inflated(data: bytes, window_bits: int, limit_bytes: int) -> tuple[bytes, bytes]:
    """The plain bytes of one stream, and what follows it."""
    stream = zlib.decompressobj(window_bits)
    try:
        plain = stream.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise Malformed(f"the body cannot be decompressed: {error}") from None
    if len(plain) > limit_bytes:
        raise Malformed("the body is too long when it is decompressed")
    if not stream.eof:
        raise Malformed("the compressed body is cut off")
    return plain, stream.unused_data
