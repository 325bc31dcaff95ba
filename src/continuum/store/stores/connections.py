"""A connection to a store: HTTP/1.1 over TCP, TLS or a unix socket, kept open between exchanges.

Of a reply's head only what frames the body is read here, in one search; the rest is parsed when somebody
asks for it. Bytes of a body with a length are only counted; httptools decodes chunked bodies, which only
small replies have.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httptools

from continuum.store.stores.exchanges import Exchange, StoreProtocolError, StoreUnavailableError

MAX_REPLY_HEAD_BYTES = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_NO_BODY = frozenset({204, 304})
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?=[ \r]|$)")
_FRAMING_HEADERS = re.compile(
    rb"\r\n((?i:content-length|transfer-encoding|connection))[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)"
)


class _Framing:
    """What the head of a reply says of its body and of the connection."""

    __slots__ = ("is_chunked", "is_last", "length")

    def __init__(self, head: bytes) -> None:
        self.length: int | None = None
        self.is_chunked = False
        self.is_last = False
        for name, value in _FRAMING_HEADERS.findall(head):
            field = name.lower()
            if field == b"content-length":
                self._take_length(value)
            elif field == b"transfer-encoding":
                self.is_chunked = b"chunked" in value.lower()
            else:
                self.is_last = b"close" in value.lower()

    def _take_length(self, value: bytes) -> None:
        length = int(value) if value.isdigit() else -1
        if length < 0 or self.length not in {None, length}:
            raise ValueError("its reply has an unclear length")
        self.length = length


class _ChunkedBody:
    """Receives the pieces of a chunked reply from httptools."""

    __slots__ = ("_head", "is_complete", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True


class StoreConnection(asyncio.Protocol):
    """A connection to a store: one exchange at a time, kept open between them."""

    def __init__(
        self,
        released: Callable[["StoreConnection"], None],
        lost: Callable[["StoreConnection", bool], None],
    ) -> None:
        self._released = released
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._exchange: Exchange | None = None
        self._buffer = b""
        self._left = 0
        self._chunked: tuple[Any, _ChunkedBody] | None = None
        self._in_body = False
        self._keep_alive = True
        self._is_reading = True
        self.is_full = False
        self.progress_at = self._loop.time()
        self.is_lost = False
        self.exchanges = 0

    # ---- used by the pool ----

    def begin(self, method: str, head: bytes, body_bytes: int) -> Exchange:
        """Start an exchange; nothing is sent yet."""
        self.exchanges += 1
        self.progress_at = self._loop.time()
        exchange = self._exchange = Exchange(self, method, head, body_bytes)
        return exchange

    def waits_for_store(self) -> bool:
        """Whether it is the store that must act now (so that its time counts)."""
        exchange = self._exchange
        if exchange is None:
            return False
        return self.is_full or (exchange.body_left == 0 and self._is_reading)

    def time_out(self) -> None:
        """Give up on a store that does not go on."""
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None:
            exchange.fail(StoreUnavailableError("the store did not answer in time"))

    def close(self) -> None:
        """Close the connection at once."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()

    # ---- used by the exchange ----

    def send(self, data: bytes | memoryview) -> None:
        """Write to the store."""
        if not self.is_lost:
            self._transport.write(data)

    def drop(self) -> None:
        """Leave the exchange unfinished; the connection cannot be used again."""
        self._exchange = None
        self.close()

    def pause_reading(self) -> None:
        """Stop reading."""
        if self._is_reading and not self.is_lost:
            self._is_reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._is_reading and not self.is_lost:
            self._is_reading = True
            self.progress_at = self._loop.time()
            self._transport.resume_reading()

    # ---- called by the event loop ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = transport

    def connection_lost(self, problem: Exception | None) -> None:
        """The connection is gone; an exchange that was under way fails."""
        self.is_lost = True
        exchange, self._exchange = self._exchange, None
        self._lost(self, exchange is not None)
        if exchange is not None:
            reason = f": {problem}" if problem else ""
            exchange.fail(StoreUnavailableError(f"the store cut the connection{reason}"))

    def pause_writing(self) -> None:
        """The store takes no more for now."""
        self.is_full = True
        if self._exchange is not None and self._exchange.source is not None:
            self._exchange.source.pause()

    def resume_writing(self) -> None:
        """The store takes more."""
        self.is_full = False
        self.progress_at = self._loop.time()
        if self._exchange is not None and self._exchange.source is not None:
            self._exchange.source.resume()

    def data_received(self, data: bytes) -> None:
        """Bytes came from the store."""
        exchange = self._exchange
        if exchange is None:
            self.close()
            return
        self.progress_at = self._loop.time()
        if self._chunked is not None:
            self._receive_chunked(exchange, self._chunked, data)
        elif self._in_body:
            self._receive_body(exchange, data)
        else:
            self._receive_head(exchange, self._buffer + data if self._buffer else data)

    def _receive_body(self, exchange: Exchange, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            exchange.deliver(data)
            return
        if left < 0:
            self._keep_alive = False
            data = data[:left]
        if data:
            exchange.deliver(data)
        self._finish(exchange)

    def _receive_head(self, exchange: Exchange, data: bytes) -> None:
        end = data.find(_END_OF_HEAD)
        if end < 0:
            self._buffer = data
            if len(data) > MAX_REPLY_HEAD_BYTES:
                self._fail(exchange, "its reply has an endless head")
            return
        self._buffer = b""
        head, rest = data[:end], data[end + len(_END_OF_HEAD) :]
        status_line = _STATUS_LINE.match(head)
        if status_line is None:
            self._fail(exchange, "its reply is not HTTP")
            return
        status = int(status_line[2])
        if status < 200:  # noqa: PLR2004 - an interim reply, such as 100 Continue
            if rest:
                self._receive_head(exchange, rest)
            return
        self._begin_body(exchange, status, head, rest, is_old=status_line[1] == b"0")

    def _begin_body(self, exchange: Exchange, status: int, head: bytes, rest: bytes, *, is_old: bool) -> None:
        try:
            framing = _Framing(head)
        except ValueError as problem:
            self._fail(exchange, str(problem))
            return
        self._keep_alive = not (framing.is_last or is_old)
        if exchange.method == "HEAD" or status in _NO_BODY:
            exchange.begin_reply(status, head, 0)
            self._finish(exchange)
        elif framing.is_chunked:
            self._begin_chunked(exchange, status, head, rest)
        elif framing.length is None:
            self._fail(exchange, "its reply has no length")
            return
        else:
            self._left = framing.length
            self._in_body = True
            exchange.begin_reply(status, head, self._left)
            if rest or not self._left:
                self._receive_body(exchange, rest)
        exchange.announce()

    def _begin_chunked(self, exchange: Exchange, status: int, head: bytes, rest: bytes) -> None:
        body = _ChunkedBody()
        parser = httptools.HttpResponseParser(body)
        parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        self._chunked = (parser, body)
        exchange.begin_reply(status, head, None)
        if rest:
            self._receive_chunked(exchange, self._chunked, rest)

    def _receive_chunked(self, exchange: Exchange, chunked: "tuple[Any, _ChunkedBody]", data: bytes) -> None:
        parser, body = chunked
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._fail(exchange, f"its reply is not HTTP: {problem}")
            return
        pieces, body.pieces = body.pieces, []
        for piece in pieces:
            exchange.deliver(piece)
        if body.is_complete:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        if self._exchange is not exchange:  # the sink gave the exchange up while it was fed
            return
        self._exchange = None
        self._chunked = None
        self._in_body = False
        exchange.source = None
        self.resume_reading()
        if self._keep_alive and exchange.body_left == 0 and not self.is_lost:
            self._released(self)
        else:
            self.close()
        exchange.complete()

    def _fail(self, exchange: Exchange, reason: str) -> None:
        self._exchange = None
        self.close()
        exchange.fail(StoreProtocolError(f"the store at fault: {reason}"))
