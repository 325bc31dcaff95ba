"""Bytes that say who they are: every wrong one is recognised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.bodies import BLOCK_BYTES, MIN_BYTES, find_fault, make_body, read_token

SIZES = st.integers(MIN_BYTES, 3 * BLOCK_BYTES)


@given(SIZES)
def test_a_body_tells_its_token_and_its_size(size_bytes):
    body = make_body("7-edge-1-99", size_bytes)
    assert len(body) == size_bytes
    assert read_token(body) == ("7-edge-1-99", size_bytes)
    assert find_fault(body, "7-edge-1-99", size_bytes) == ""


@given(SIZES, st.data())
def test_any_part_is_right_in_its_place_only(size_bytes, data):
    body = make_body("7-edge-1-99", size_bytes)
    start = data.draw(st.integers(0, size_bytes - 1))
    assert find_fault(body[start:], "7-edge-1-99", size_bytes, start) == ""


@given(SIZES, st.data())
def test_one_wrong_byte_is_found(size_bytes, data):
    body = bytearray(make_body("7-edge-1-99", size_bytes))
    place = data.draw(st.integers(0, size_bytes - 1))
    body[place] ^= 1
    assert f"byte {place} of" in find_fault(bytes(body), "7-edge-1-99", size_bytes)


def test_blocks_of_two_writers_and_swapped_blocks_are_found():
    one, other = make_body("one", 3 * BLOCK_BYTES), make_body("other", 3 * BLOCK_BYTES)
    mixed = one[:BLOCK_BYTES] + other[BLOCK_BYTES:]
    swapped = one[:BLOCK_BYTES] + one[2 * BLOCK_BYTES :] + one[BLOCK_BYTES : 2 * BLOCK_BYTES]
    assert find_fault(mixed, "one", 3 * BLOCK_BYTES)
    assert find_fault(swapped, "one", 3 * BLOCK_BYTES)


@pytest.mark.parametrize("body", [b"", b"x" * 500, b"one 1 300".ljust(300), b"one 0 many".ljust(300)])
def test_bytes_of_nobody_have_no_token(body):
    assert read_token(body) == ("", 0)
