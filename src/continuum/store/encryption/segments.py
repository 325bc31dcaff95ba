"""Tink's streaming AEAD, AES256-GCM-HKDF: bytes in authenticated segments, sealed and opened as they pass.

Header: one byte with the header's length, 32 bytes of salt, 7 of nonce prefix. The stream's key is
HKDF-SHA256(data key, salt, info = associated data). A segment's nonce is prefix, counter (4 bytes), and 1 for
the last segment or 0, so that a segment that is moved, left out, repeated or cut off does not open. Each
stream has a salt of its own, so a data key may seal any number of streams. Readable by Tink itself
(`AesGcmHkdfStreaming`, SHA-256, derived key of 32 bytes).

At most one segment is held at a time. What `Opener` gives was authenticated before.

AES-GCM does not commit to its key: whoever made two keys that open the same bytes differently could have
made them so. The check value of a customer's key (`masterkeys`) is compared first for that reason.
"""

import secrets
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from continuum.model.encryption import (
    HEADER_BYTES,
    NONCE_PREFIX_BYTES,
    SALT_BYTES,
    SEGMENT_BYTES,
    TAG_BYTES,
    ReadPlan,
    Stream,
    sealed_size,
)
from continuum.model.errors import ContinuumError

KEY_BYTES = 32


class CorruptError(ContinuumError):
    """Stored bytes are not what was stored, or belong to another key."""

    code = "Corrupt"


def associate(part_number: int) -> bytes:
    """Return the associated data of a stream: a part cannot stand for another."""
    return b"continuum part %d" % part_number if part_number else b"continuum object"


def derive(key: bytes, salt: bytes, info: bytes, size_bytes: int = KEY_BYTES) -> bytes:
    """Return a key derived by HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=size_bytes, salt=salt, info=info).derive(key)


class _Cipher:
    """Opens or seals the segments of one stream."""

    __slots__ = ("_aead", "_prefix")

    def __init__(self, key: bytes, header: bytes, associated: bytes) -> None:
        if len(header) != HEADER_BYTES or header[0] != HEADER_BYTES:
            raise CorruptError("the header of an encrypted stream is damaged")
        self._aead = AESGCM(derive(key, header[1 : 1 + SALT_BYTES], associated))
        self._prefix = header[1 + SALT_BYTES :]

    def seal(self, plain: bytes | bytearray | memoryview, number: int, *, is_last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(number, is_last), plain, None)

    def open(self, sealed: bytes | bytearray | memoryview, number: int, *, is_last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(number, is_last), sealed, None)
        except InvalidTag as problem:
            raise CorruptError(f"segment {number} of an encrypted stream does not open") from problem

    def _nonce(self, number: int, is_last: bool) -> bytes:
        return self._prefix + number.to_bytes(4, "big") + (b"\1" if is_last else b"\0")


class Digest(Protocol):
    """A running hash in the manner of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the hash of all bytes."""


class Sealer:
    """Seals one stream. The last segment is given by `finish` only, so whoever checks a body before `finish`
    has not let it out whole. `digest` (None at first) is shown the plain bytes."""

    __slots__ = ("_cipher", "_held", "_number", "_room", "_segment_bytes", "digest", "header")

    def __init__(self, key: bytes, part_number: int = 0, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.header = (
            bytes([HEADER_BYTES]) + secrets.token_bytes(SALT_BYTES) + secrets.token_bytes(NONCE_PREFIX_BYTES)
        )
        self._cipher = _Cipher(key, self.header, associate(part_number))
        self._segment_bytes = segment_bytes
        self._room = segment_bytes - TAG_BYTES - HEADER_BYTES
        self._held = bytearray()
        self._number = 0
        self.digest: Digest | None = None

    def measure(self, plain_bytes: int) -> int:
        """Return the size of the stream that holds so many bytes."""
        return sealed_size(plain_bytes, self._segment_bytes)

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Take the next bytes; return the segments that are full and not the last."""
        held, left = self._held, memoryview(data)
        if self.digest is not None:
            self.digest.update(data)
        segments: list[bytes] = []
        while len(held) + len(left) > self._room:
            taken = self._room - len(held)
            if held:
                held += left[:taken]
                segments.append(self._seal(held, is_last=False))
                held.clear()
            else:
                segments.append(self._seal(left[:taken], is_last=False))
            left = left[taken:]
        held += left
        return segments

    def finish(self) -> bytes:
        """Return the last segment."""
        last = self._seal(self._held, is_last=True)
        self._held.clear()
        return last

    def seal_whole(self, data: bytes) -> bytes:
        """Return the whole stream of a small body."""
        return b"".join([*self.feed(data), self.finish()])

    def _seal(self, plain: bytearray | memoryview, *, is_last: bool) -> bytes:
        number = self._number
        sealed = self._cipher.seal(plain, number, is_last=is_last)
        self._number = number + 1
        if number:
            return sealed
        self._room = self._segment_bytes - TAG_BYTES
        return self.header + sealed


class Opener:
    """Opens the stored bytes that a `ReadPlan` names, as they come; gives the plain range and nothing else.

    `header` is that of the first stream, if the plan begins behind it. `verified_bytes` of the stored bytes
    were opened and given so far. `problem` is set when bytes came that do not open; nothing more is given
    then, until `rewind`, after which the bytes from `verified_bytes` on are to come again.
    """

    def __init__(
        self,
        key: bytes,
        streams: Sequence[Stream],
        plan: ReadPlan,
        *,
        header: bytes = b"",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._key = key
        self._streams = streams
        self._index = plan.stream
        self._number = plan.segment
        self._segment_bytes = segment_bytes
        self._skip = plan.skip_bytes
        self._left = plan.size_bytes
        self._held = bytearray()
        self._cipher: _Cipher | None = None
        self._stream_bytes = self._measure()
        if self._number:
            self._cipher = _Cipher(key, header, associate(streams[plan.stream].part_number))
        self.verified_bytes = 0
        self.problem: CorruptError | None = None

    def feed(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """Take the next stored bytes; return the plain ones that they complete."""
        held, left = self._held, memoryview(data)
        opened: list[bytes | memoryview] = []
        while self._left and self.problem is None:
            taken = self._wanted() - len(held)
            if taken > len(left):
                held += left
                break
            sealed = left[:taken]
            if held:
                sealed = memoryview(bytes(held) + sealed)
                held.clear()
            left = left[taken:]
            try:
                opened.append(self._open(sealed))
            except CorruptError as problem:
                self.problem = problem
            else:
                self.verified_bytes += len(sealed)
        return opened

    def rewind(self) -> None:
        """Forget what did not open: the bytes from `verified_bytes` come again."""
        self._held.clear()
        self.problem = None

    def finish(self) -> None:
        """Raise `CorruptError` unless the whole range was given."""
        if self.problem is not None:
            raise self.problem
        if self._left:
            raise CorruptError("an encrypted stream ended too early")

    def _measure(self) -> int:
        return sealed_size(self._streams[self._index].size_bytes, self._segment_bytes)

    def _wanted(self) -> int:
        """Return the stored size of the segment that comes next."""
        return min(self._segment_bytes, self._stream_bytes - self._number * self._segment_bytes)

    def _open(self, sealed: memoryview) -> bytes | memoryview:
        cipher = self._cipher
        if cipher is None:
            part_number = self._streams[self._index].part_number
            cipher = _Cipher(self._key, bytes(sealed[:HEADER_BYTES]), associate(part_number))
            sealed = sealed[HEADER_BYTES:]
        is_last = (self._number + 1) * self._segment_bytes >= self._stream_bytes
        plain = cipher.open(sealed, self._number, is_last=is_last)
        self._advance(None if is_last else cipher)
        return self._trim(plain)

    def _advance(self, cipher: _Cipher | None) -> None:
        self._cipher = cipher
        self._number += 1
        if cipher is None and self._index + 1 < len(self._streams):
            self._index += 1
            self._number = 0
            self._stream_bytes = self._measure()

    def _trim(self, plain: bytes) -> bytes | memoryview:
        skip, self._skip = self._skip, 0
        if not skip and len(plain) <= self._left:
            self._left -= len(plain)
            return plain
        wanted = memoryview(plain)[skip : skip + self._left]
        self._left -= len(wanted)
        return wanted
