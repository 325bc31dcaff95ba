"""Range headers and part numbers as S3 reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.errors import S3Error
from continuum.store.gateway.ranges import ByteRange, find_part, parse_range


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 0)),
        ("bytes=0-9", 10, (0, 9)),
        ("bytes=2-5", 10, (2, 5)),
        ("bytes=5-", 10, (5, 9)),
        ("bytes=5-100", 10, (5, 9)),
        ("bytes=9-9", 10, (9, 9)),
        ("bytes=-1", 10, (9, 9)),
        ("bytes=-10", 10, (0, 9)),
        ("bytes=-100", 10, (0, 9)),
        ("Bytes=0-1", 10, (0, 1)),
        (" bytes= 0 - 1 ", 10, (0, 1)),
        # ignored: the whole object
        (None, 10, None),
        ("", 10, None),
        ("bytes=-", 10, None),
        ("bytes=5-2", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes", 10, None),
        ("bytes=1", 10, None),
        ("bytes=--1", 10, None),
        ("items=0-1", 10, None),
        ("bytes=0-1,3-4", 10, None),
        (f"bytes=0-{'9' * 30}", 10, None),
        ("bytes=٠-١", 10, None),  # noqa: RUF001
    ],
)
def test_a_range_header_is_read_as_by_s3(header, size, expected):
    found = parse_range(header, size)
    assert (found and (found.first, found.last)) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_a_range_that_no_byte_can_satisfy_is_a_416_that_says_the_size(header, size):
    with pytest.raises(S3Error) as caught:
        parse_range(header, size)
    error = caught.value
    assert (error.code, error.status) == ("InvalidRange", 416)
    assert error.extra == {"RangeRequested": header, "ActualObjectSize": str(size)}
    assert error.headers == {"Content-Range": f"bytes */{size}"}


def test_a_range_tells_its_length_and_its_header():
    found = ByteRange(2, 5, 10)
    assert found.length_bytes == 4
    assert found.content_range == "bytes 2-5/10"


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_selects_what_slicing_selects(body, first, last):
    if first >= len(body) or last < first:
        return
    found = parse_range(f"bytes={first}-{last}", len(body))
    assert found is not None
    assert body[found.first : found.last + 1] == body[first : last + 1]
    assert found.length_bytes == len(body[first : last + 1])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_the_parts_of_an_object_cover_it_without_gaps(sizes):
    at = 0
    for number, size in enumerate(sizes, 1):
        found = find_part(number, sum(sizes), sizes)
        if size:
            assert found == ByteRange(at, at + size - 1, sum(sizes))
        else:
            assert found is None
        at += size


def test_an_object_in_one_piece_is_its_only_part():
    assert find_part(1, 10, ()) == ByteRange(0, 9, 10)
    assert find_part(1, 0, ()) is None


@pytest.mark.parametrize(
    ("number", "sizes", "code"),
    [
        (0, (), "InvalidArgument"),
        (10_001, (), "InvalidArgument"),
        (2, (), "InvalidPartNumber"),
        (3, (5, 5), "InvalidPartNumber"),
    ],
)
def test_parts_that_are_not_there_are_refused(number, sizes, code):
    with pytest.raises(S3Error) as caught:
        find_part(number, 10, sizes)
    assert caught.value.code == code
