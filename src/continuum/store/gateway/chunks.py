"""Bodies sent as `aws-chunked`: SDKs stream this way when checksum or signature are known only at the end.

    STREAMING-AWS4-HMAC-SHA256-PAYLOAD            every chunk carries a signature, chained from the request's
    STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER    the same, and signed trailing headers (a checksum)
    STREAMING-UNSIGNED-PAYLOAD-TRAILER            no signatures, trailing headers

The decoder is fed with the body's bytes in any pieces and gives back the payload as views of them, uncopied.
A signature of a chunk can be checked only at the chunk's end, when its bytes have been passed on: so who uses
the decoder must not publish anything before `finish`. What is kept between pieces is bounded: a line of a
chunk header or the trailers, 16 KiB at most. Source: Amazon S3 API Reference, "Signature Calculations for the
Authorization Header: Transferring Payload in Multiple Chunks", also "… Including Trailing Headers".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum, auto

from continuum.store.authorizations import STREAMING, STREAMING_SIGNED, STREAMING_UNSIGNED_TRAILER
from continuum.store.errors import S3Error
from continuum.store.signing import EMPTY_SHA256, VerifiedRequest

MAX_LINE_BYTES = 16 * 1024
MAX_TRAILERS_BYTES = 16 * 1024
MIN_CHUNK_BYTES = 8 * 1024
MAX_CHUNK_BYTES = 5 * 1024**3
"""No chunk can be longer than the longest object that one request may bring."""

_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[ \t]*chunk-signature=([0-9a-f]{64}))?[ \t]*")
_TRAILER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class _State(Enum):
    HEADER = auto()  # in the line with the size of the next chunk
    DATA = auto()
    DATA_END = auto()  # in the CRLF after a chunk's data
    TRAILERS = auto()  # after the chunk of size zero
    DONE = auto()


def open_decoder(verified: VerifiedRequest, headers: Mapping[str, str]) -> "ChunkDecoder | None":
    """Return the decoder for a request's body; None if it is not sent as `aws-chunked`.

    Raises `S3Error` `MissingContentLength` or `InvalidArgument` if `x-amz-decoded-content-length` is missing
    or no length.
    """
    if verified.payload_hash not in STREAMING:
        return None
    text = headers.get("x-amz-decoded-content-length")
    if text is None:
        raise S3Error(
            "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header."
        )
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**64))):
        raise S3Error("InvalidArgument", "x-amz-decoded-content-length must be a length in bytes.")
    names = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
    return ChunkDecoder(verified, length_bytes=int(text), trailers=frozenset(name for name in names if name))


class ChunkDecoder:
    """Decodes one body. `feed` every piece as it comes, then `finish`."""

    def __init__(self, verified: VerifiedRequest, *, length_bytes: int, trailers: frozenset[str]) -> None:
        self.length_bytes = length_bytes
        self._signatures = (
            None if verified.payload_hash == STREAMING_UNSIGNED_TRAILER else _Signatures(verified)
        )
        self._announced = trailers if verified.payload_hash != STREAMING_SIGNED else frozenset[str]()
        self._state = _State.HEADER
        self._kept = bytearray()
        self._chunk_left = 0
        self._short_chunk = False
        self._decoded = 0
        self._trailers: dict[str, str] = {}

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """Return the payload in `data` as views of it. Raises `S3Error` as soon as the body cannot be
        right."""
        view = memoryview(data)
        pieces: list[memoryview] = []
        at, end = 0, len(view)
        while at < end:
            if self._state is _State.DATA:
                piece = view[at : at + self._chunk_left]
                self._take(piece)
                pieces.append(piece)
                at += len(piece)
            else:
                at = self._take_line(view, at)
        return pieces

    def finish(self) -> dict[str, str]:
        """Return the trailing headers (lower-case names). Raises `IncompleteBody` if the body's end has not
        come."""
        if self._state is _State.TRAILERS and not self._kept and not self._announced and not self._trailers:
            self._end_trailers()  # some clients leave out the empty line after the last chunk
        if self._state is not _State.DONE:
            raise S3Error("IncompleteBody")
        return self._trailers

    # ---- data ----

    def _take(self, piece: memoryview) -> None:
        self._decoded += len(piece)
        if self._decoded > self.length_bytes:
            raise _wrong_length()
        if self._signatures:
            self._signatures.update(piece)
        self._chunk_left -= len(piece)
        if not self._chunk_left:
            self._state = _State.DATA_END

    # ---- lines ----

    def _take_line(self, view: memoryview, at: int) -> int:
        """Take what `view` has of the current line, from `at`; act on the line if it is complete."""
        if self._state is _State.DONE:
            raise S3Error("InvalidRequest", "The body goes on after its last chunk.")
        room = MAX_LINE_BYTES + 2 - len(self._kept)
        part = bytes(view[at : at + room])
        end = part.find(b"\n")
        if end < 0:
            self._kept += part
            if len(part) == room:
                raise _malformed(self._state)
            return at + len(part)
        line = bytes(self._kept) + part[: end + 1]
        self._kept.clear()
        if line.endswith(b"\r\n"):
            self._act_on_line(line[:-2])
        elif self._state is _State.TRAILERS:  # S3's own documentation ends a trailer's line with "\n\r\n"
            self._act_on_line(line[:-1])
        else:
            raise _malformed(self._state)
        return at + end + 1

    def _act_on_line(self, line: bytes) -> None:
        if self._state is _State.HEADER:
            self._begin_chunk(line)
        elif self._state is _State.DATA_END:
            self._end_chunk(line)
        elif line:
            self._add_trailer(line)
        elif not self._awaits_trailer_signature():
            self._end_trailers()

    def _begin_chunk(self, line: bytes) -> None:
        match = _HEADER.fullmatch(line)
        if match is None or (match[2] is not None) != (self._signatures is not None):
            raise _malformed(self._state)
        size_bytes = int(match[1], 16)
        if size_bytes > MAX_CHUNK_BYTES:
            raise S3Error("InvalidChunkSizeError", "The chunk is too long")
        if size_bytes and self._short_chunk:
            raise S3Error("InvalidChunkSizeError")
        if self._decoded + size_bytes > self.length_bytes:
            raise _wrong_length()
        if self._signatures:
            self._signatures.begin(match[2].decode())
        self._short_chunk = size_bytes < MIN_CHUNK_BYTES
        self._chunk_left = size_bytes
        self._state = _State.DATA if size_bytes else _State.TRAILERS
        if not size_bytes:
            self._end_data()

    def _end_data(self) -> None:
        if self._decoded != self.length_bytes:
            raise _wrong_length()
        if self._signatures:
            self._signatures.end()

    def _end_chunk(self, line: bytes) -> None:
        if line:
            raise _malformed(self._state)
        if self._signatures:
            self._signatures.end()
        self._state = _State.HEADER

    # ---- trailers ----

    def _add_trailer(self, line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if not colon or not _TRAILER_NAME.fullmatch(name) or name in self._trailers:
            raise S3Error("MalformedTrailerError")
        self._trailers[name] = value.strip(" \t")
        if sum(len(n) + len(v) for n, v in self._trailers.items()) > MAX_TRAILERS_BYTES:
            raise S3Error("MalformedTrailerError")

    def _awaits_trailer_signature(self) -> bool:
        """Whether an empty line belongs to the end of a trailer's line instead of ending the trailers."""
        return (
            self._signatures is not None and bool(self._trailers) and _TRAILER_SIGNATURE not in self._trailers
        )

    def _end_trailers(self) -> None:
        signature = self._trailers.pop(_TRAILER_SIGNATURE, None)
        if self._trailers.keys() != self._announced:
            raise S3Error("MalformedTrailerError")
        if self._signatures and self._announced:
            self._signatures.check_trailers(self._trailers, signature)
        self._state = _State.DONE


class _Signatures:
    """The chain of chunk signatures: each covers the one before, the first the request's own."""

    def __init__(self, verified: VerifiedRequest) -> None:
        self._key = verified.signing_key
        self._stamp = f"{verified.timestamp}\n{verified.scope}"
        self._previous = verified.seed_signature
        self._expected = ""
        self._hash = hashlib.sha256()

    def begin(self, signature: str) -> None:
        self._expected = signature
        self._hash = hashlib.sha256()

    def update(self, piece: memoryview) -> None:
        self._hash.update(piece)

    def end(self) -> None:
        hashed = f"{EMPTY_SHA256}\n{self._hash.hexdigest()}"
        self._check(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._stamp}\n{self._previous}\n{hashed}", self._expected)

    def check_trailers(self, trailers: Mapping[str, str], signature: str | None) -> None:
        if signature is None:
            raise S3Error("MalformedTrailerError")
        text = "".join([f"{name}:{value}\n" for name, value in trailers.items()])
        hashed = hashlib.sha256(text.encode("latin-1")).hexdigest()
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{self._stamp}\n{self._previous}\n{hashed}", signature)

    def _check(self, text: str, signature: str) -> None:
        computed = hmac.digest(self._key, text.encode("latin-1"), "sha256").hex()
        if not hmac.compare_digest(computed.encode(), signature.encode("latin-1")):
            raise S3Error("SignatureDoesNotMatch")
        self._previous = computed


def _malformed(state: _State) -> S3Error:
    if state is _State.TRAILERS:
        return S3Error("MalformedTrailerError")
    return S3Error("InvalidRequest", "The aws-chunked body is not well-formed.")


def _wrong_length() -> S3Error:
    return S3Error(
        "IncompleteBody", "The body does not have the length that x-amz-decoded-content-length promised."
    )
