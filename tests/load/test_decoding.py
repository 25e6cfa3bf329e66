"""Compressed bodies: what is whole, what is too much, and what is neither."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.decoding import decoded
from statefall.load.wire import Malformed


@given(
    parts=st.lists(st.binary(max_size=50), min_size=1, max_size=5), padding=st.just(b"") | st.just(b"\0\0")
)
def test_several_gzip_streams_are_one_body(parts: list[bytes], padding: bytes) -> None:
    body = b"".join(gzip.compress(part) for part in parts) + padding
    assert decoded(body, "gzip") == b"".join(parts)


def test_more_streams_than_any_service_sends_are_refused() -> None:
    with pytest.raises(Malformed, match="16 gzip streams"):
        decoded(gzip.compress(b"x") * 17, "gzip")


@pytest.mark.parametrize("parts", [1, 3])
def test_the_limit_holds_for_all_streams_together(parts: int) -> None:
    body = gzip.compress(bytes(30 // parts)) * parts
    assert decoded(body, "gzip", limit_bytes=30) == bytes(30)
    with pytest.raises(Malformed, match="too long"):
        decoded(body, "gzip", limit_bytes=29)


def test_an_empty_body_is_empty_whatever_it_says() -> None:
    assert decoded(b"", "gzip") == decoded(b"", "br") == b""


@given(text=st.binary(max_size=200), cut=st.integers(1, 200))
def test_a_body_that_is_cut_off_is_never_taken_for_whole(text: bytes, cut: int) -> None:
    for coding, body in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        rest = body[:-cut]
        if rest:
            with pytest.raises(Malformed):
                decoded(rest, coding)


@given(
    body=st.binary(max_size=100) | st.binary(max_size=30).map(lambda b: b"\x1f\x8b\x08\x00" + b),
    coding=st.sampled_from(["gzip", "deflate", "x-gzip, deflate", "identity", ",", "Br"]),
)
def test_garbage_is_malformed_and_never_another_error(body: bytes, coding: str) -> None:
    try:
        decoded(body, coding)
    except Malformed:
        return
