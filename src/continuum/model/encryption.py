"""How the bytes of an encrypted version lie in its stores: sizes and ranges. No cryptography.

The stored bytes are one or more *streams* in a row: one for an object that came in one piece, one for each
part of a multipart upload. A stream is Tink's streaming AEAD (AES-GCM-HKDF): a header, then segments of
`segment_bytes`, each with an authentication tag; the header counts as the beginning of the first segment, so
segment `k` begins at `k * segment_bytes`. Whoever compares a replica with its version, or reads a range of
it, has to reckon with stored sizes; replicas of a version are alike byte by byte.
"""

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.objects import Version

FORM = 1
SEGMENT_BYTES = 64 * 1024  # a range decrypts little more than it needs; larger ones are hardly faster
SALT_BYTES = 32
NONCE_PREFIX_BYTES = 7
HEADER_BYTES = 1 + SALT_BYTES + NONCE_PREFIX_BYTES
TAG_BYTES = 16

SSE_S3 = "sse-s3"
SSE_C = "sse-c"


class UnknownEncryptionError(InvalidInputError):
    """A version says that it is encrypted in a way that is not known here."""


class Encryption(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a version's (or an upload's) encryption: `Version.encryption` is this in MessagePack.

    `mode` is `SSE_S3` (the data key is in `wrapped_key`, under the master key `key_id`) or `SSE_C` (it comes
    from the customer's key and `salt`; `check` tells whether a key is the right one). `header` is that of
    the only stream, empty if there are several. `stored_etag` is what the store calls the stored bytes.
    `stream_sizes` are the plain sizes of the streams where `Version.part_sizes` does not tell them.
    `part_numbers` are those of the streams, empty for 1, 2, 3 … or an object in one piece.
    """

    form: int
    mode: str
    segment_bytes: int = SEGMENT_BYTES
    key_id: str = ""
    wrapped_key: bytes = b""
    salt: bytes = b""
    check: bytes = b""
    header: bytes = b""
    stored_etag: str = ""
    stream_sizes: tuple[int, ...] = ()
    part_numbers: tuple[int, ...] = ()
    is_in_parts: bool = False

    def __repr__(self) -> str:
        return f"Encryption(mode={self.mode!r}, key_id={self.key_id!r})"


class Stream(msgspec.Struct, frozen=True):
    """One stream: `part_number` is 0 for an object in one piece."""

    part_number: int
    size_bytes: int


class ReadPlan(msgspec.Struct, frozen=True):
    """Which stored bytes give a range of the plain ones.

    Reading begins at `segment` of the stream of index `stream`; of what that gives, `skip_bytes` are before
    the range. If `segment` is not 0 the stream's header is not among the bytes and has to be known.
    """

    stored_start: int
    stored_bytes: int
    stream: int
    stream_start: int
    segment: int
    skip_bytes: int
    size_bytes: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Encryption).decode


def format_encryption(encryption: Encryption) -> bytes:
    """Return what `read_encryption` reads."""
    return _encode(encryption)


def read_encryption(document: bytes) -> Encryption | None:
    """Return how the bytes of a version or an upload are encrypted; None: they are not.

    Raises `UnknownEncryptionError`.
    """
    if not document:
        return None
    try:
        found = _decode(document)
    except msgspec.DecodeError as problem:
        raise UnknownEncryptionError(f"the description of an encryption is damaged: {problem}") from problem
    if found.form != FORM or found.mode not in {SSE_S3, SSE_C} or found.segment_bytes <= HEADER_BYTES * 2:
        raise UnknownEncryptionError("the version is encrypted in a way that is not known here")
    return found


def list_streams(version: Version, encryption: Encryption) -> tuple[Stream, ...]:
    """Return the streams of an encrypted version in their order."""
    if not encryption.is_in_parts:
        return (Stream(0, version.size_bytes),)
    sizes = encryption.stream_sizes or version.part_sizes
    numbers = encryption.part_numbers or range(1, len(sizes) + 1)
    return tuple(map(Stream, numbers, sizes))


def stored_size(version: Version) -> int:
    """Return how many bytes a replica of a version has in its store."""
    encryption = read_encryption(version.encryption)
    if encryption is None:
        return version.size_bytes
    segment_bytes = encryption.segment_bytes
    return sum(sealed_size(stream.size_bytes, segment_bytes) for stream in list_streams(version, encryption))


def stored_etag(version: Version) -> str:
    """Return the ETag of a version's bytes in the store that was written first; an MD5 if it has no dash."""
    encryption = read_encryption(version.encryption)
    return version.etag if encryption is None else encryption.stored_etag


def sealed_size(plain_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> int:
    """Return the size of a stream that holds so many plain bytes."""
    room = segment_bytes - TAG_BYTES
    segments = max(-(-(plain_bytes + HEADER_BYTES) // room), 1)
    return HEADER_BYTES + plain_bytes + TAG_BYTES * segments


def opened_size(stored_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> int:
    """Return how many plain bytes a stream of this size holds. Raises `UnknownEncryptionError` if none can
    have it."""
    segments = max(-(-stored_bytes // segment_bytes), 1)
    plain_bytes = stored_bytes - HEADER_BYTES - TAG_BYTES * segments
    if plain_bytes < 0 or sealed_size(plain_bytes, segment_bytes) != stored_bytes:
        raise UnknownEncryptionError(f"no encrypted stream has {stored_bytes} bytes")
    return plain_bytes


def plan_read(
    streams: Sequence[Stream], start: int, size_bytes: int, segment_bytes: int = SEGMENT_BYTES
) -> ReadPlan:
    """Return which stored bytes to read for `size_bytes` (at least one) plain bytes from `start`."""
    if size_bytes < 1 or start < 0:
        raise AssertionError("a range of nothing")
    ends = list(accumulate(stream.size_bytes for stream in streams))
    begins = list(
        accumulate((sealed_size(stream.size_bytes, segment_bytes) for stream in streams), initial=0)
    )
    first = _find(ends, start)
    last = _find(ends, start + size_bytes - 1)
    inside = start - (ends[first] - streams[first].size_bytes)
    segment = _segment_of(inside, segment_bytes)
    end_inside = start + size_bytes - 1 - (ends[last] - streams[last].size_bytes)
    stored_start = begins[first] + segment * segment_bytes
    stored_end = min(
        begins[last] + (_segment_of(end_inside, segment_bytes) + 1) * segment_bytes, begins[last + 1]
    )
    return ReadPlan(
        stored_start=stored_start,
        stored_bytes=stored_end - stored_start,
        stream=first,
        stream_start=begins[first],
        segment=segment,
        skip_bytes=inside - _begin_of(segment, segment_bytes),
        size_bytes=size_bytes,
    )


def _find(ends: Sequence[int], offset: int) -> int:
    for index, end in enumerate(ends):
        if offset < end:
            return index
    raise AssertionError("a range beyond the end")


def _segment_of(offset: int, segment_bytes: int) -> int:
    """Return the segment in which a plain byte of a stream lies."""
    return (offset + HEADER_BYTES) // (segment_bytes - TAG_BYTES)


def _begin_of(segment: int, segment_bytes: int) -> int:
    """Return the offset of a segment's first plain byte."""
    return max(segment * (segment_bytes - TAG_BYTES) - HEADER_BYTES, 0)
