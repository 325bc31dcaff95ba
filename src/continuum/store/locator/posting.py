"""Sending a message to a target: over HTTPS to an URL, or over the backbone on a subject.

An URL has the message when it answers with a status of 2xx within the time. Redirects are not followed (what
was meant for one place never goes to another), certificates are verified, replies are read no further than
their head, and the whole exchange has one deadline.

On a subject somebody has the message when the backbone's server passed it on to a listener; if nobody
listens, the server says so and the message is tried again. A target that acknowledges must answer, as a
JetStream stream that takes the subject does; an answer that tells of an error is a refusal.
"""

import asyncio
import ssl
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httptools
import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, InvalidInputError, UnavailableError
from continuum.security import client_context
from continuum.store.locator.messages import Target

SUBJECTS = "notifications."
POST_S = 10.0
MAX_REPLY_BYTES = 65_536
MAX_ADDRESS_CHARACTERS = 2048
_OK = range(200, 300)


class NotTakenError(UnavailableError):
    """A target did not take a message."""

    code = "NotTaken"


def check_address(address: str) -> None:
    """Refuse what is neither a subject that we may use nor an https URL."""
    if len(address) > MAX_ADDRESS_CHARACTERS or not address.isascii() or not address.isprintable():
        raise InvalidInputError("the address of a target is too long, or not plain text")
    if address.startswith(SUBJECTS):
        tokens = address.split(".")
        if not all(tokens) or any(set(token) & set(" *>$") for token in tokens):
            raise InvalidInputError(f"{address!r} is no subject", hint="for example notifications.photos")
        return
    try:
        url = urlsplit(address)
        is_right = url.scheme == "https" and bool(url.hostname) and (url.port or 443) > 0
    except ValueError:
        is_right = False
    if not is_right or " " in address or "@" in urlsplit(address).netloc:
        raise InvalidInputError(
            f"{address!r} is no address of a target",
            hint=f"a subject under {SUBJECTS} or a URL with https:// and without a password",
        )


async def send(
    target: Target, body: bytes, headers: dict[str, str], backbone: Backbone, *, limit_s: float = POST_S
) -> None:
    """Send a message. Raises `NotTakenError`."""
    try:
        if target.address.startswith(SUBJECTS):
            await _say(target, body, backbone, limit_s)
        else:
            async with asyncio.timeout(limit_s):
                await _post(target, body, headers)
    except NotTakenError:
        raise
    except TimeoutError as problem:
        raise NotTakenError(f"no answer within {limit_s:.0f} s") from problem
    except (OSError, ContinuumError, httptools.HttpParserError) as problem:
        raise NotTakenError(_words(problem)) from problem


def _words(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"[:300]


# ---- over the backbone ----


async def _say(target: Target, body: bytes, backbone: Backbone, limit_s: float) -> None:
    answer = await backbone.tell(
        target.address, body, is_acknowledged=target.is_acknowledged, timeout_s=limit_s
    )
    if target.is_acknowledged and _is_refusal(answer):
        raise NotTakenError(f"refused: {answer[:200].decode(errors='replace')}")


def _is_refusal(answer: bytes) -> bool:
    if answer.startswith(b"-"):
        return True
    try:
        told = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return False
    return isinstance(told, dict) and bool(told.get("error"))


# ---- over HTTPS ----


class _Reply:
    """What httptools tells of a reply; only its status matters."""

    is_head_complete = False

    def on_headers_complete(self) -> None:
        self.is_head_complete = True


async def _post(target: Target, body: bytes, headers: dict[str, str]) -> None:
    url = urlsplit(target.address)
    context = client_context(None, ca_pem=target.ca_pem)
    reader, writer = await _connect(url, context)
    try:
        writer.write(_head(url, headers, len(body)) + body)
        await writer.drain()
        status = await _read_status(reader)
    finally:
        writer.transport.abort()
    if status not in _OK:
        raise NotTakenError(f"answered with status {status}")


async def _connect(url: SplitResult, context: ssl.SSLContext) -> tuple[Any, Any]:
    return await asyncio.open_connection(
        url.hostname, url.port or 443, ssl=context, server_hostname=url.hostname, limit=MAX_REPLY_BYTES
    )


def _head(url: SplitResult, headers: dict[str, str], length: int) -> bytes:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    fields = {
        "host": url.netloc,
        "user-agent": "continuum",
        "content-type": "application/json",
        "content-length": str(length),
        "connection": "close",
        **headers,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _read_status(reader: asyncio.StreamReader) -> int:
    reply = _Reply()
    parser = httptools.HttpResponseParser(reply)
    read_bytes = 0
    while not reply.is_head_complete:
        data = await reader.read(4096)
        read_bytes += len(data)
        if not data or read_bytes > MAX_REPLY_BYTES:
            raise NotTakenError("the reply was cut off or has no end")
        parser.feed_data(data)
    return int(parser.get_status_code())
