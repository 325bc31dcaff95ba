"""A client's connection: HTTP/1.1 requests in, replies out, one at a time; bodies pass through and are not
kept.

Pipelined requests wait in a bounded buffer until the reply before them is out. Reading pauses while the
store takes no more of a body, and the store's reply pauses while the client takes no more, so that memory
stays constant however large the objects are. A request that cannot be framed is answered with 400 and its
connection closed; no other connection notices.
"""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from continuum.store.gateway.bodies import ClientGoneError, Discarder, ReplyBody, RequestBody
from continuum.store.gateway.framing import END_OF_HEAD, FramingError, Head, parse_head
from continuum.store.gateway.replies import CONTINUE, Reply, format_head, make_request_id
from continuum.store.gateway.settings import Limits

log = logging.getLogger(__name__)

DRAIN_BYTES = 1024 * 1024
LINGER_S = 2.0


class Request:
    """A request as the handler gets it. `client_address` is the other end of its connection, `is_secure` says
    that the connection is TLS."""

    __slots__ = (
        *("body", "client_address", "headers", "is_secure", "method", "raw_path", "raw_query", "request_id"),
    )

    def __init__(
        self,
        head: Head,
        body: RequestBody,
        request_id: str,
        *,
        client_address: str = "",
        is_secure: bool = False,
    ) -> None:
        self.method = head.method
        self.raw_path = head.raw_path
        self.raw_query = head.raw_query
        self.headers = head.headers
        self.body = body
        self.request_id = request_id
        self.client_address = client_address
        self.is_secure = is_secure

    def replaced(self, headers: dict[str, str], body: Any) -> "Request":
        """Return the request as if it had come with these headers and this body."""
        other = copy.copy(self)
        other.headers, other.body = headers, body
        return other


Handler = Callable[[Request], Awaitable[Reply]]


class Server(Protocol):
    """What a connection needs of the server that accepted it."""

    limits: Limits
    is_stopping: bool

    def admit(self, connection: "Connection") -> bool:
        """Whether one more connection is welcome."""

    def forget(self, connection: "Connection") -> None:
        """The connection is gone."""

    def shorten(self, request: Request, connection: "Connection") -> bool:
        """Take the short way to a reply, if there is one; `answer` or `start` of the connection follows."""

    async def handle(self, request: Request) -> Reply:
        """Answer a request; never raises but for cancellation."""

    def refuse(self, problem: FramingError, request_id: str) -> Reply:
        """Answer what is no request."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._buffer = b""
        self._head: Head | None = None
        self._body: RequestBody | None = None
        self._reply_body: ReplyBody | None = None
        self._reply_left = 0
        self._keep_alive = True
        self._is_reading = True
        self._is_full = False
        self._is_lingering = False
        self._is_lost = False
        self._is_tls = False
        self._address = ""
        self._is_busy = False
        self._task: asyncio.Task[None] | None = None
        self._progress_at = self._loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._is_busy

    # ---- called by the event loop ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = transport
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self._transport.set_write_buffer_limits(high=self._limits.buffer_bytes)
        if not self._server.admit(self):
            self._is_lost = True
            self._transport.abort()

    def connection_lost(self, problem: Exception | None) -> None:  # noqa: ARG002
        """The client is gone: nothing more of a body comes, nobody takes a reply. The handler finds out by
        itself."""
        self._is_lost = True
        self._server.forget(self)
        if self._body is not None:
            self._body.fail(ClientGoneError("the client closed the connection"))
        self._drop_reply()

    def data_received(self, data: bytes) -> None:
        """Bytes came from the client."""
        if self._is_lingering:
            return
        if self._is_busy or not self._buffer:  # a head that trickles in makes no progress
            self._progress_at = self._loop.time()
        body = self._body
        if body is not None and not body.is_complete:
            self._receive_body(body, data)
        elif self._is_busy:
            self._buffer += data
            if len(self._buffer) > self._limits.header_bytes:
                self.pause()
        else:
            self._receive_head(self._buffer + data if self._buffer else data)

    def eof_received(self) -> bool:
        """The client sends no more; a reply that is still to come can be sent unless the connection is
        TLS."""
        body = self._body
        self._keep_alive = False
        return self._is_busy and body is not None and body.is_complete and not self._is_tls

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self._is_full = True
        if self._reply_body is not None:
            self._reply_body.pause()

    def resume_writing(self) -> None:
        """The client takes more."""
        self._is_full = False
        self._progress_at = self._loop.time()
        if self._reply_body is not None:
            self._reply_body.resume()

    # ---- requests ----

    def _receive_head(self, data: bytes) -> None:
        if data[:2] == b"\r\n":  # RFC 9112, 2.2: an empty line before the request is to be ignored
            data = data.lstrip(b"\r\n")
        end = data.find(END_OF_HEAD, 0, self._limits.header_bytes)
        if end < 0:
            self._buffer = data
            if len(data) >= self._limits.header_bytes:
                self._refuse(FramingError("the head of the request is too long"))
            return
        self._buffer = b""
        try:
            head = parse_head(data[: end + 4])
        except FramingError as problem:
            self._refuse(problem)
            return
        self._begin(head, data[end + 4 :])

    def _begin(self, head: Head, rest: bytes) -> None:
        expects = head.headers.get("expect", "").lower() == "100-continue"
        body = RequestBody(self, head.length, expects_continue=expects)
        self._head, self._body = head, body
        self._keep_alive = head.is_keep_alive
        request = Request(head, body, make_request_id(), client_address=self._address, is_secure=self._is_tls)
        if body.is_complete:
            self._buffer = rest
            if expects:  # of nothing; botocore mistakes the next reply if it is not told to go on
                self._write(CONTINUE)
        elif rest:
            self._receive_body(body, rest)
        if self._is_lingering:
            return
        self._is_busy = True
        if not self._server.shorten(request, self):
            self.start(request)

    def _receive_body(self, body: RequestBody, data: bytes) -> None:
        try:
            self._buffer = body.receive(data)
        except FramingError as problem:
            body.fail(problem)
            self._keep_alive = False
            if not self._is_busy:
                self._refuse(problem)
        else:
            if body.is_complete and not self._is_busy and self._head is None:
                self._go_on()  # the rest of a body that nobody wanted was read and thrown away

    def _refuse(self, problem: FramingError) -> None:
        request_id = make_request_id()
        reply = self._server.refuse(problem, request_id)
        self._keep_alive = False
        self._write(format_head(reply.status, reply.headers, request_id, len(reply.body), keep_alive=False))
        self._write(reply.body)
        self._linger(unread=True)

    def start(self, request: Request) -> None:
        """Have the request handled in a task of its own."""
        self._task = self._loop.create_task(self._handle(request))

    async def _handle(self, request: Request) -> None:
        self.answer(request, await self._server.handle(request))

    def answer(self, request: Request, reply: Reply) -> None:
        """Send the reply, if the client is still there."""
        if not self._is_lost:
            self._send(request, reply)
            return
        self._rest()
        if reply.stream is not None:
            reply.stream.abort()

    # ---- replies ----

    def _send(self, request: Request, reply: Reply) -> None:
        self._decide_to_keep_alive(request)
        length = reply.length if reply.length >= 0 else len(reply.body)
        head = format_head(
            reply.status, reply.headers, request.request_id, length, keep_alive=self._keep_alive
        )
        stream = reply.stream
        if stream is None:
            self._write(head + reply.body if request.method != "HEAD" else head)
            self._finish()
            return
        first = stream.take_first()
        self._reply_body, self._reply_left = stream, length - len(first)
        self._write(head + first)
        stream.start(self)
        if self._is_full and self._reply_body is not None:
            stream.pause()

    def _decide_to_keep_alive(self, request: Request) -> None:
        """Close after this reply if more of the body may come than is sensible to read and throw away."""
        body = request.body
        if self._server.is_stopping:
            self._keep_alive = False
        if body.is_complete:
            return
        if body.awaits_continue or body.length is None or body.length > DRAIN_BYTES:
            self._keep_alive = False
            return
        body.start(Discarder())

    def feed(self, data: bytes) -> None:
        """Pass on bytes of the reply's body."""
        self._progress_at = self._loop.time()
        self._reply_left -= len(data)
        if not self._is_lost:
            self._transport.write(data)

    def end(self) -> None:
        """The reply's body is complete; if it is too short or too long the client must notice."""
        self._reply_body = None
        if self._reply_left:
            self.fail(AssertionError("the store sent a body of another length than the object has"))
            return
        self._finish()

    def fail(self, problem: Exception) -> None:
        """The reply's body cannot be completed: cut the connection, so that no short body passes for a
        whole one."""
        log.warning("a reply was cut off: %s", problem)
        self._reply_body = None
        self._rest()
        self.abort()

    def _drop_reply(self) -> None:
        stream, self._reply_body = self._reply_body, None
        if stream is not None:
            stream.abort()

    def _finish(self) -> None:
        """The reply is out."""
        self._rest()
        self._head = None
        body = self._body
        if self._is_lost:
            return
        if not self._keep_alive:
            self._linger(unread=body is not None and not body.is_complete)
        elif body is None or body.is_complete:
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, which may be here already."""
        self._body = None
        self.resume()
        if self._buffer:
            data, self._buffer = self._buffer, b""
            self._receive_head(data)

    def _linger(self, *, unread: bool) -> None:
        """Close; with unread bytes on the way let the client read the reply first, for closing would reset
        it."""
        self._is_lingering = True
        self._rest()
        if not unread:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.resume()
        self._loop.call_later(LINGER_S, self._transport.close)

    def _rest(self) -> None:
        """No request is under way."""
        self._is_busy = False
        self._task = None

    def _write(self, data: bytes) -> None:
        if not self._is_lost:
            self._transport.write(data)

    # ---- being a source: of the request's body ----

    def pause(self) -> None:
        """Read no more for now."""
        if self._is_reading and not self._is_lost:
            self._is_reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; a client that waits to be told so is told."""
        body = self._body
        if body is not None and body.awaits_continue and not self._is_lingering:
            body.confirm_continue()
            self._write(CONTINUE)
        if not self._is_reading and not self._is_lost:
            self._is_reading = True
            self._progress_at = self._loop.time()
            self._transport.resume_reading()

    # ---- called by the server ----

    def look(self, now: float) -> None:
        """Cut off a client that keeps a connection open and does nothing with it."""
        waited_s = now - self._progress_at
        limits = self._limits
        if not self._is_busy and self._reply_body is None:
            body_left = self._body is not None and not self._body.is_complete
            limit_s = limits.header_s if self._buffer or body_left else limits.idle_s
            if waited_s > limit_s:
                self.abort()
            return
        waits_for_client = self._is_full or (
            self._body is not None and not self._body.is_complete and self._is_reading
        )
        if waits_for_client and waited_s > limits.stall_s:
            self.abort()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is under way."""
        self._keep_alive = False
        if not self._is_busy and self._reply_body is None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def cancel(self) -> None:
        """Stop the handler that runs, and close."""
        if self._task is not None:
            self._task.cancel()
        self.abort()
