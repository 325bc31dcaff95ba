"""Checksums of bodies: which one a request declares, computing it on the way, comparing; and those of objects
that came in parts.

A request may bring the value before the body (`x-amz-checksum-…`, `Content-MD5`, the SHA-256 of the
signature) or announce it as a trailer; it may bring at most one `x-amz-checksum-…`. An object that came in
parts has either the checksum of its parts' checksums (`COMPOSITE`, ends in `-N`) or that of its whole bytes
(`FULL_OBJECT`), which for CRCs can be computed from the parts' values and lengths. CRC-32C, CRC-64/NVME,
xxHash and the combination of CRCs are awscrt's, in C, by the vendor of the format. Source: Amazon S3 User
Guide, "Checking object integrity in Amazon S3".
"""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from re import compile as regex
from typing import Protocol

import msgspec
from awscrt import checksums as crt

from continuum.store.errors import S3Error

PREFIX = "x-amz-checksum-"
_MD5_BYTES = 16
_SHA256_HEX = regex(r"[0-9a-fA-F]{64}")
_NOT_VALUES = frozenset({"mode", "type", "algorithm"})  # headers with the prefix that are no checksum


class ChecksumType(StrEnum):
    """What the checksum of an object that came in parts is computed over."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


class RunningHash(Protocol):
    """A checksum under way, in the manner of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes."""


class _Crc:
    """A running CRC in the manner of `hashlib`."""

    __slots__ = ("_function", "_size_bytes", "_value")

    def __init__(self, function: Callable[[bytes | memoryview, int], int], size_bytes: int) -> None:
        self._function = function
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, data: bytes | memoryview) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


class _XxHash:
    """An xxHash of awscrt in the manner of `hashlib`."""

    __slots__ = ("_hash",)

    def __init__(self, hashing: "crt.XXHash") -> None:
        self._hash = hashing

    def update(self, data: bytes | memoryview) -> None:
        self._hash.update(bytes(data))  # it takes nothing else

    def digest(self) -> bytes:
        return bytes(self._hash.finalize())


class _Algorithm(msgspec.Struct, frozen=True):
    start: Callable[[], RunningHash]
    size_bytes: int
    combine: Callable[[int, int, int], int] | None = None
    composite: bool = True


_ALGORITHMS: dict[str, _Algorithm] = {
    "crc32": _Algorithm(lambda: _Crc(zlib.crc32, 4), 4, crt.combine_crc32),
    "crc32c": _Algorithm(lambda: _Crc(crt.crc32c, 4), 4, crt.combine_crc32c),
    "crc64nvme": _Algorithm(lambda: _Crc(crt.crc64nvme, 8), 8, crt.combine_crc64nvme, composite=False),
    "sha1": _Algorithm(lambda: hashlib.sha1(usedforsecurity=False), 20),
    "sha256": _Algorithm(hashlib.sha256, 32),
    "sha512": _Algorithm(hashlib.sha512, 64),
    "md5": _Algorithm(lambda: hashlib.md5(usedforsecurity=False), 16),
    "xxhash64": _Algorithm(lambda: _XxHash(crt.XXHash.new_xxhash64()), 8),
    "xxhash3": _Algorithm(lambda: _XxHash(crt.XXHash.new_xxhash3_64()), 8),
    "xxhash128": _Algorithm(lambda: _XxHash(crt.XXHash.new_xxhash3_128()), 16),
}
ALGORITHMS = frozenset(_ALGORITHMS)


def start_hash(algorithm: str) -> RunningHash:
    """Return a checksum that is computed as bytes come: `update`, then `digest`."""
    return _ALGORITHMS[algorithm].start()


# ---- one body ----


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of its body. `algorithm` empty: no checksum; `expected` None: its value comes as a
    trailer.

    `content_md5` and `content_sha256` are digests, None if not given. All values are raw bytes.
    """

    algorithm: str = ""
    expected: bytes | None = None
    content_md5: bytes | None = None
    content_sha256: bytes | None = None


def parse_declaration(headers: Mapping[str, str], payload_hash: str = "") -> Declaration:
    """Return the checksums that a request declares for its body; `payload_hash` is the signature's
    (`VerifiedRequest`).

    Not for CompleteMultipartUpload, whose checksum headers speak of the object (`check_object_checksum`).
    Raises `S3Error`: `InvalidRequest`, `InvalidDigest`.
    """
    values = _declared_values(headers)
    announced = _announced(headers)
    if len(values) + len(announced) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    algorithm = next(iter([*values, *announced]), "")
    _check_sdk_algorithm(headers.get("x-amz-sdk-checksum-algorithm"), algorithm)
    expected = decode_value(algorithm, values[algorithm]) if algorithm in values else None
    return Declaration(
        algorithm=algorithm,
        expected=expected,
        content_md5=_decode_content_md5(headers.get("content-md5")),
        content_sha256=bytes.fromhex(payload_hash) if _SHA256_HEX.fullmatch(payload_hash) else None,
    )


def require_digest(headers: Mapping[str, str]) -> None:
    """Raise `S3Error` `InvalidRequest` unless a request with object lock parameters declares a checksum of
    its body, other than by its signature."""
    if not _has_digest(headers):
        raise S3Error(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required for requests with Object Lock parameters",
        )


def require_list_digest(headers: Mapping[str, str]) -> None:
    """Raise `S3Error` `InvalidRequest` unless a list of what to delete comes with a checksum of its own."""
    if not _has_digest(headers):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")


def _has_digest(headers: Mapping[str, str]) -> bool:
    declared = parse_declaration(headers)
    return bool(declared.algorithm) or declared.content_md5 is not None


def _declared_values(headers: Mapping[str, str]) -> dict[str, str]:
    names = [name[len(PREFIX) :] for name in headers if name.startswith(PREFIX)]
    return {_known(name): headers[f"{PREFIX}{name}"] for name in names if name not in _NOT_VALUES}


def _known(algorithm: str) -> str:
    if algorithm not in _ALGORITHMS:
        raise S3Error("InvalidRequest", f"The checksum algorithm {algorithm[:40]!r} is not supported.")
    return algorithm


def _announced(headers: Mapping[str, str]) -> list[str]:
    if "x-amz-trailer" not in headers:
        return []
    names = [name.strip().lower() for name in headers["x-amz-trailer"].split(",")]
    return [_known(name[len(PREFIX) :]) for name in names if name.startswith(PREFIX)]


def _check_sdk_algorithm(given: str | None, algorithm: str) -> None:
    if given is None:
        return
    if given.lower() not in _ALGORITHMS:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if given.lower() != algorithm:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer"
            " headers were found.",
        )


def decode_value(algorithm: str, text: str) -> bytes:
    """Return the raw bytes of a checksum. Raises `S3Error` `InvalidRequest` if it is none."""
    value = _decode_base64(text)
    if value is None or len(value) != _ALGORITHMS[algorithm].size_bytes:
        raise S3Error("InvalidRequest", f"Value for {PREFIX}{algorithm} header is invalid.")
    return value


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("latin-1", "replace"), validate=True)
    except binascii.Error:
        return None


def _decode_content_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    value = _decode_base64(text)
    if value is None or len(value) != _MD5_BYTES:
        raise S3Error("InvalidDigest", extra={"Content-MD5": text[:100]})
    return value


class BodyChecksums:
    """Computes what a body's declaration asks for, piece by piece, and compares at the end."""

    def __init__(self, declared: Declaration, *, default: str = "") -> None:
        """`default` names an algorithm to compute and keep if the request declares none; empty: none is
        kept."""
        self._declared = declared
        self._kept = declared.algorithm or default
        self._hashes = {self._kept: _ALGORITHMS[self._kept].start()} if self._kept else {}
        if declared.content_md5 is not None and "md5" not in self._hashes:
            self._hashes["md5"] = _ALGORITHMS["md5"].start()
        if declared.content_sha256 is not None and "sha256" not in self._hashes:
            self._hashes["sha256"] = _ALGORITHMS["sha256"].start()
        self._updates = [hashing.update for hashing in self._hashes.values()]

    def update(self, data: bytes | memoryview) -> None:
        """Take the next piece of the payload."""
        for update in self._updates:
            update(data)

    def finish(self, trailers: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the object's checksum, `{algorithm: base64}` or nothing, once all that was declared holds.

        Raises `S3Error`: `BadDigest`, `XAmzContentSHA256Mismatch`, `MalformedTrailerError`, `InvalidRequest`.
        """
        digests = {name: hashing.digest() for name, hashing in self._hashes.items()}
        declared = self._declared
        if declared.content_sha256 is not None and not _same(digests["sha256"], declared.content_sha256):
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                extra={
                    "ClientComputedContentSHA256": declared.content_sha256.hex(),
                    "S3ComputedContentSHA256": digests["sha256"].hex(),
                },
            )
        if declared.content_md5 is not None and not _same(digests["md5"], declared.content_md5):
            raise _bad_digest("Content-MD5", declared.content_md5, digests["md5"])
        if declared.algorithm:
            expected = declared.expected
            if expected is None:
                expected = self._from_trailer(trailers or {})
            if not _same(digests[declared.algorithm], expected):
                raise _bad_digest(declared.algorithm.upper(), expected, digests[declared.algorithm])
        return {self._kept: _encode(digests[self._kept])} if self._kept else {}

    def _from_trailer(self, trailers: Mapping[str, str]) -> bytes:
        algorithm = self._declared.algorithm
        if f"{PREFIX}{algorithm}" not in trailers:
            raise S3Error("MalformedTrailerError")
        return decode_value(algorithm, trailers[f"{PREFIX}{algorithm}"])


def _same(computed: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(computed, expected)


def _encode(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _bad_digest(what: str, expected: bytes, computed: bytes) -> S3Error:
    return S3Error(
        "BadDigest",
        f"The {what} you specified did not match the calculated checksum.",
        extra={"ExpectedDigest": _encode(expected), "CalculatedDigest": _encode(computed)},
    )


# ---- objects that came in parts ----


def parse_upload_checksum(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return algorithm and type of the checksums of a new multipart upload (CreateMultipartUpload); both
    empty if none.

    Raises `S3Error` `InvalidRequest` for an unknown algorithm, or a type that the algorithm does not have.
    """
    algorithm = headers.get("x-amz-checksum-algorithm", "").lower()
    kind = headers.get("x-amz-checksum-type", "").upper()
    if not algorithm:
        if kind:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return "", ""
    if algorithm not in _ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    known = _ALGORITHMS[algorithm]
    chosen = kind or (ChecksumType.COMPOSITE if known.composite else ChecksumType.FULL_OBJECT)
    possible = {ChecksumType.COMPOSITE: known.composite, ChecksumType.FULL_OBJECT: known.combine is not None}
    if chosen not in possible:
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    if not possible[ChecksumType(chosen)]:
        raise S3Error(
            "InvalidRequest",
            f"The {chosen} checksum type cannot be used with the {algorithm} checksum algorithm.",
        )
    return algorithm, str(chosen)


def combine_parts(algorithm: str, checksum_type: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of an object from those of its parts in order: (base64 value, size in bytes) of
    each.

    `COMPOSITE`: the checksum of the parts' digests, with `-N`; `FULL_OBJECT`: that of the whole bytes.
    """
    digests = [(base64.b64decode(value), size_bytes) for value, size_bytes in parts]
    if checksum_type == ChecksumType.COMPOSITE:
        hashing = _ALGORITHMS[algorithm].start()
        for digest, _ in digests:
            hashing.update(digest)
        return f"{_encode(hashing.digest())}-{len(digests)}"
    combine = _ALGORITHMS[algorithm].combine
    if combine is None:
        raise S3Error("InvalidRequest", f"A {algorithm} of a whole object cannot be computed from its parts.")
    whole = 0
    for digest, size_bytes in digests:
        whole = combine(whole, int.from_bytes(digest, "big"), size_bytes)
    return _encode(whole.to_bytes(_ALGORITHMS[algorithm].size_bytes, "big"))


def pack_digests(values: Iterable[str]) -> bytes:
    """Return base64 checksums of parts as raw bytes, one after the other; nothing if one is missing."""
    digests = [base64.b64decode(value) for value in values]
    return b"".join(digests) if all(digests) else b""


def unpack_digest(digests: bytes, algorithm: str, position: int) -> str:
    """Return the base64 checksum at a position (from 0) of what `pack_digests` made; empty if there is
    none."""
    size_bytes = _ALGORITHMS[algorithm].size_bytes
    return _encode(digests[position * size_bytes : (position + 1) * size_bytes])


def check_object_checksum(headers: Mapping[str, str], algorithm: str, checksum_type: str, value: str) -> None:
    """Compare what a CompleteMultipartUpload says of the object with what its parts gave (all empty: nothing
    is known).

    Raises `S3Error`: `InvalidRequest` (another algorithm or type than the upload's), `BadDigest`.
    """
    kind = headers.get("x-amz-checksum-type")
    if kind and kind.upper() != checksum_type:
        raise S3Error(
            "InvalidRequest", f"The upload was created with the {checksum_type or 'null'} checksum type."
        )
    for given, expected in _declared_values(headers).items():
        if given != algorithm:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using the {algorithm or 'null'} checksum algorithm.",
            )
        if expected.partition("-")[0] != value.partition("-")[0]:
            extra = {"ExpectedDigest": expected[:200], "CalculatedDigest": value}
            raise S3Error(
                "BadDigest",
                f"The {algorithm.upper()} you specified did not match the calculated checksum.",
                extra=extra,
            )
