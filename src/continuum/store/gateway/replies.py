"""Replies and how their heads are written."""

import secrets
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from typing import Any

import msgspec

_REASONS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_requests = count(secrets.randbits(40))
_process = f"{secrets.randbits(24):06X}"


class Reply(msgspec.Struct, kw_only=True):
    """What an operation answers. Either `body` is all of it, or `stream` (a `ReplyBody`) pushes `length`
    bytes.

    For HEAD, `length` is given without a body.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    stream: Any = None
    length: int = -1


def make_request_id() -> str:
    """Return an id for a request: 16 characters, like S3's."""
    return f"{_process}{next(_requests) & 0xFFFFFFFFFF:010X}"


@lru_cache(maxsize=4)
def format_date(second: int) -> str:
    """Format an instant as HTTP does."""
    return formatdate(second, usegmt=True)


def format_head(
    status: int, headers: Mapping[str, str], request_id: str, length: int, *, keep_alive: bool
) -> bytes:
    """Write the head of a reply. `length` below zero: none (a status without body)."""
    lines = [_REASONS.get(status) or f"HTTP/1.1 {status} Unknown\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if length >= 0 and status not in _NO_BODY:
        lines.append(f"content-length: {length}\r\n")
    if not keep_alive:
        lines.append("connection: close\r\n")
    date = format_date(int(time.time()))
    lines.append(f"x-amz-request-id: {request_id}\r\ndate: {date}\r\nserver: continuum\r\n\r\n")
    return "".join(lines).encode("latin-1", "replace")
