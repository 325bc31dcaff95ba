"""Headers in the query of a presigned URL count as headers, but for those that would do harm."""

import pytest

from continuum.store.errors import S3Error
from continuum.store.gateway.hoisting import hoist_headers

HEADERS = {"host": "h", "x-amz-meta-a": "1"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"x-amz-acl": "private"}, {"x-amz-acl": "private"}),
        ({"X-Amz-Meta-Colour": "blue"}, {"x-amz-meta-colour": "blue"}),
        ({"x-amz-meta-a": "1"}, {}),
        ({"x-amz-meta-b": "ü"}, {"x-amz-meta-b": "\u00c3\u00bc"}),  # UTF-8 read as Latin-1, as in a header
        ({"x-amz-checksum-mode": "ENABLED"}, {"x-amz-checksum-mode": "ENABLED"}),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}, {}),
        ({"X-Amz-Signature": "0", "X-Amz-Expires": "60", "X-Amz-Security-Token": "t", "x-id": "P"}, {}),
    ],
)
def test_parameters_with_the_prefix_are_headers(query: dict[str, str], found: dict[str, str]) -> None:
    assert hoist_headers(query, HEADERS) == HEADERS | found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"x-amz-meta-a": "2"}, "InvalidArgument"),
        ({"x-amz-acl": "private", "X-Amz-Acl": "public-read"}, "InvalidArgument"),
        ({"x-amz-meta-b": "x\r\nSet-Cookie: a"}, "InvalidArgument"),
        ({"x-amz-meta-b: c\r\n": "x"}, "InvalidArgument"),
        ({"x-amz-copy-source": "/b/k"}, "NotImplemented"),
    ],
)
def test_what_contradicts_or_cannot_be_a_header_is_refused(query: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error) as problem:
        hoist_headers(query, HEADERS)
    assert problem.value.code == code
