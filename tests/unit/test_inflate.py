"""Packed content comes out whole, in small steps, and never more than was asked for."""

import gzip
import zlib
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon.inflate import STEP_BYTES, InflateError, inflated, window


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(1, 400), st.booleans())
def test_members_of_any_number_and_pieces_of_any_size_are_one_content(
    contents: list[bytes], size: int, large: bool
) -> None:
    contents = [content * (100 if large else 1) for content in contents]
    packed = b"".join(gzip.compress(content) for content in contents)
    assert b"".join(inflated(cut(packed, size), 31)) == b"".join(contents)


def test_no_step_is_larger_than_it_may_be_and_a_bomb_is_unpacked_only_as_far_as_it_is_read() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    steps = list(islice(inflated([bomb], 31), 5))
    assert [len(step) for step in steps] == [STEP_BYTES] * 5


def test_what_is_behind_the_end_is_left_alone() -> None:
    assert b"".join(inflated([zlib.compress(b"content"), b"rest"], 15)) == b"content"
    assert b"".join(inflated([gzip.compress(b"content") + bytes(9)], 31)) == b"content"


def test_what_is_cut_ends_and_what_is_broken_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)) * 900)
    assert len(b"".join(inflated(cut(packed[:-30], 100), 31))) < 256 * 900
    with pytest.raises(InflateError):
        list(inflated([packed[:20] + bytes(500)], 31))


@pytest.mark.parametrize(
    ("head", "named", "bits"),
    [
        (gzip.compress(b""), "", 31),
        (gzip.compress(b""), "br", 31),
        (zlib.compress(b""), "", 15),
        (zlib.compress(b""), "deflate", 15),
        (b"\x03\x00", "aws-chunked, Deflate", -15),
        (b"\x03\x00", "deflated", None),
        (b"{}", "gzip", None),
        (b"", "gzip", None),
    ],
    ids=range(8),
)
def test_what_is_packed_shows_in_its_first_bytes(head: bytes, named: str, bits: int | None) -> None:
    assert window(head, named) == bits
