"""Which bytes of an object a read asks for: the `Range` header, or a part of an object that came in parts.

As S3 does it: one range of bytes, open at either side; a header that cannot be read, and more than one range,
are ignored and the whole object is sent; a range that begins behind the end is `InvalidRange` (416).
"""

import re
from collections.abc import Sequence

import msgspec

from continuum.store.errors import S3Error

MAX_PARTS = 10_000

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})[ \t]*-[ \t]*([0-9]{0,19})[ \t]*", re.IGNORECASE)


class ByteRange(msgspec.Struct, frozen=True):
    """Bytes `first` to `last`, both included, of an object of `size_bytes`."""

    first: int
    last: int
    size_bytes: int

    @property
    def length_bytes(self) -> int:
        """How many bytes that are."""
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        """The value of the `Content-Range` header of a 206 reply."""
        return f"bytes {self.first}-{self.last}/{self.size_bytes}"


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the range that a `Range` header asks of an object; None for the whole object.

    Raises `S3Error` `InvalidRange`.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return _suffix(int(last), size_bytes, header or "")
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        raise _unsatisfiable(header or "", size_bytes)
    return ByteRange(int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1, size_bytes)


def _suffix(length_bytes: int, size_bytes: int, header: str) -> ByteRange:
    if not length_bytes or not size_bytes:
        raise _unsatisfiable(header, size_bytes)
    return ByteRange(max(size_bytes - length_bytes, 0), size_bytes - 1, size_bytes)


def _unsatisfiable(header: str, size_bytes: int) -> S3Error:
    return S3Error(
        "InvalidRange",
        extra={"RangeRequested": header[:100], "ActualObjectSize": str(size_bytes)},
        headers={"Content-Range": f"bytes */{size_bytes}"},
    )


def find_part(part_number: int, size_bytes: int, part_sizes: Sequence[int]) -> ByteRange | None:
    """Return the bytes of a part; None if the part is empty.

    `part_sizes` is empty if the object came in one piece, which then is its only part.
    Raises `S3Error` `InvalidPartNumber` (416), or `InvalidArgument` for a number that no part can have.
    """
    if not 1 <= part_number <= MAX_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive",
            extra={"ArgumentName": "partNumber", "ArgumentValue": str(part_number)},
        )
    sizes = part_sizes or (size_bytes,)
    if part_number > len(sizes):
        raise S3Error(
            "InvalidPartNumber",
            extra={"PartNumberRequested": str(part_number), "ActualPartCount": str(len(sizes))},
        )
    first = sum(sizes[: part_number - 1])
    length_bytes = sizes[part_number - 1]
    return ByteRange(first, first + length_bytes - 1, size_bytes) if length_bytes else None
