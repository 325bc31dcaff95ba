"""One HTTP/1.1 request to a store and its reply, pushed from socket to socket.

Bytes are handed on synchronously, in the callback that received them: no queue, no task, no copy between a
store and a client. Back-pressure is two calls: whoever cannot take more calls `pause` on its source and
`resume` later. What one side sent while the other was not yet ready is kept, and reading pauses meanwhile,
so that memory stays constant.

An exchange that fails after its reply began tells its sink (`fail`); a short body never ends with `end`.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from continuum.model.errors import ContinuumError, UnavailableError

MAX_GATHERED_BYTES = 32 * 1024 * 1024
_ETAG = re.compile(rb'\r\n(?i:etag)[ \t]*:[ \t]*"?([^"\r\n]*)')


class StoreUnavailableError(UnavailableError):
    """A store does not answer now."""

    code = "StoreUnavailable"


class StoreUnreachableError(StoreUnavailableError):
    """A store cannot be reached: nothing of the request was sent."""


class StoreProtocolError(ContinuumError):
    """A store answered with something that is not HTTP, or cut its reply short."""

    code = "StoreProtocol"


class Sink(Protocol):
    """Takes the bytes of a body. Exactly one of `end` and `fail` is called, last."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def end(self) -> None:
        """The body is complete."""

    def fail(self, problem: Exception) -> None:
        """The body will never be complete."""


class Source(Protocol):
    """Gives bytes and can be told to wait."""

    def pause(self) -> None:
        """Give no more for now."""

    def resume(self) -> None:
        """Go on."""


class Wire(Protocol):
    """What an exchange needs of the connection that carries it."""

    def send(self, data: bytes | memoryview) -> None:
        """Write to the store."""

    def drop(self) -> None:
        """Leave the exchange unfinished."""

    def pause_reading(self) -> None:
        """Stop reading."""

    def resume_reading(self) -> None:
        """Read on."""


def parse_headers(raw_head: bytes) -> dict[str, str]:
    """Return the headers in the head of a reply, lower-case names; of one given twice the last counts."""
    headers: dict[str, str] = {}
    for line in raw_head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name:
            headers[name.lower()] = value.strip()
    return headers


class Gatherer:
    """A sink that keeps a small body in memory: XML and errors, never objects of unknown size."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._pieces: list[bytes] = []
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        """Keep the next bytes; too many make the result an error."""
        self._size_bytes += len(data)
        if self._size_bytes <= self._limit_bytes:
            self._pieces.append(data)

    def end(self) -> None:
        """Give the result."""
        if self.done.done():
            return
        if self._size_bytes > self._limit_bytes:
            self.done.set_exception(StoreProtocolError(f"a reply of more than {self._limit_bytes} bytes"))
        else:
            self.done.set_result(b"".join(self._pieces))

    def fail(self, problem: Exception) -> None:
        """Give the problem instead."""
        if not self.done.done():
            self.done.set_exception(problem)


class Exchange:
    """A request under way and its reply.

    Write the request's body with `write` (the head goes out with the first bytes) and `await reply()`; then
    give the reply's body a sink with `start`, or `await read()` a small one. `source` is paused while the
    store takes no more of the request's body.
    """

    __slots__ = (
        "_connection",
        "_head",
        "_headers",
        "_pieces",
        "_problem",
        "_sink",
        "_waiter",
        "body_left",
        "bytes_received",
        "is_complete",
        "length",
        "method",
        "on_over",
        "raw_head",
        "source",
        "status",
    )

    def __init__(self, connection: Wire, method: str, head: bytes, body_bytes: int) -> None:
        self._connection: Wire | None = connection
        self._head = head
        self._pieces: list[bytes] = []
        self._problem: Exception | None = None
        self._sink: Sink | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.body_left = body_bytes
        self.bytes_received = 0
        self._headers: dict[str, str] | None = None
        self.is_complete = False
        self.length: int | None = None
        self.method = method
        self.on_over: Callable[[], None] | None = None
        self.raw_head = b""
        self.source: Source | None = None
        self.status = 0

    @property
    def is_over(self) -> bool:
        """Whether the store needs no more of the request: it replied, or it is gone."""
        return self._connection is None or self.status != 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the reply, lower-case names. Read when they are asked for: most are not."""
        if self._headers is None:
            self._headers = parse_headers(self.raw_head)
        return self._headers

    @property
    def etag(self) -> str:
        """The ETag of the reply without quotes, empty if it has none; does not read the other headers."""
        found = _ETAG.search(self.raw_head)
        return found[1].decode("latin-1").strip() if found is not None else ""

    # ---- the request ----

    def write(self, data: bytes | memoryview) -> None:
        """Send more of the request's body; nothing happens when the exchange is over already."""
        connection = self._connection
        if connection is None:
            return
        self.body_left -= len(data)
        if self.body_left < 0:
            raise AssertionError("more of a body than was announced")
        head, self._head = self._head, b""
        connection.send(head + data if head else data)

    def flush_head(self) -> None:
        """Send the head now if nothing went out yet (requests without a body)."""
        if self._head and self._connection is not None:
            head, self._head = self._head, b""
            self._connection.send(head)

    async def reply(self) -> "Exchange":
        """Wait for the head of the reply. Raises `StoreUnavailableError` or `StoreProtocolError`."""
        if self._head:
            self.flush_head()
        if self.status == 0 and self._problem is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._problem is not None and not self.status:
            raise self._problem
        return self

    def abort(self) -> None:
        """Cut the exchange off: the connection is closed, the store never gets a complete request."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._problem = self._problem or StoreUnavailableError("the exchange was given up")
            connection.drop()

    # ---- the reply's body ----

    def start(self, sink: Sink) -> None:
        """Hand the body to `sink`: what came already at once, the rest as it comes."""
        self._sink = sink
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            sink.feed(piece)
        if self.is_complete:
            sink.end()
        elif self._problem is not None:
            sink.fail(self._problem)
        else:
            self.resume()

    def take_first(self) -> bytes:
        """Return what of the body came already, to be written in one go with a head; `start` gives the
        rest."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self, limit_bytes: int = MAX_GATHERED_BYTES) -> bytes:
        """Return the whole body, if it is small."""
        if self.is_complete and len(self._pieces) <= 1:
            return self.take_first()
        gatherer = Gatherer(limit_bytes)
        self.start(gatherer)
        return await gatherer.done

    def pause(self) -> None:
        """Stop reading from the store."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.resume_reading()

    # ---- called by the connection ----

    def begin_reply(self, status: int, raw_head: bytes, length: int | None) -> None:
        """The head of the reply is there; `announce` follows when what came with it is taken."""
        self.status, self.raw_head, self.length = status, raw_head, length

    def deliver(self, data: bytes) -> None:
        """Bytes of the body are there."""
        self.bytes_received += len(data)
        if self._sink is not None:
            self._sink.feed(data)
        else:
            self._pieces.append(data)
            self.pause()

    def complete(self) -> None:
        """The reply is complete; the connection is not ours any more."""
        self._connection = None
        self.is_complete = True
        if self._sink is not None:
            self._sink.end()

    def fail(self, problem: Exception) -> None:
        """The connection is gone before the reply was complete."""
        self._connection = None
        self._problem = self._problem or problem
        self.announce()
        if self._sink is not None:
            self._sink.fail(self._problem)

    def announce(self) -> None:
        """Tell who waits that the reply began or failed."""
        if self.on_over is not None:
            self.on_over()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
