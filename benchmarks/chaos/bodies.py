"""Bytes that say who they are: every block carries the token of its write and its own place.

A body is blocks of 4,096 bytes. Each begins with the token (unique per write), the block's number and the
size of the whole; the rest is derived from the token. So a wrong, shifted, mixed, cut off or foreign byte is
recognised by comparing, and the first block tells whose bytes they are.
"""

import hashlib

BLOCK_BYTES = 4096
HEAD_BYTES = 128
MIN_BYTES = HEAD_BYTES


def make_body(token: str, size_bytes: int) -> bytes:
    """Return the body of the write `token`; at least `MIN_BYTES`, so that it names itself."""
    filler = _filler(token)
    count = -(-size_bytes // BLOCK_BYTES)
    blocks = [_head(token, index, size_bytes) + filler for index in range(count)]
    return b"".join(blocks)[:size_bytes]


def read_token(body: bytes) -> tuple[str, int]:
    """Return the token and the whole size that a body's first block tells; ("", 0) if it tells none."""
    words = body[:HEAD_BYTES].decode("ascii", "replace").split()
    if len(words) != 3 or words[1] != "0" or not words[2].isdigit():
        return "", 0
    return words[0], int(words[2])


def find_fault(body: bytes, token: str, size_bytes: int, start: int = 0) -> str:
    """Return what is wrong with bytes read from `start` of the body of `token`; nothing if they are right."""
    expected = make_body(token, size_bytes)[start : start + len(body)]
    if body == expected:
        return ""
    place = next((at for at, (one, two) in enumerate(zip(body, expected, strict=False)) if one != two), -1)
    if place < 0:
        return f"{len(body)} bytes from {start} of {token}, which has {size_bytes}"
    return f"byte {start + place} of {token} is wrong: {body[place : place + 48]!r}"


def _head(token: str, index: int, size_bytes: int) -> bytes:
    return f"{token} {index} {size_bytes}".encode().ljust(HEAD_BYTES - 1) + b"\n"


def _filler(token: str) -> bytes:
    digest = hashlib.sha256(token.encode()).digest()
    return digest * ((BLOCK_BYTES - HEAD_BYTES) // len(digest))
