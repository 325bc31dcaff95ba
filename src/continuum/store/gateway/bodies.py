"""Bodies on their way through the gateway: what a client sends, what a reply carries.

The protocol is that of `stores.exchanges`: a source pushes bytes into a sink in the callback that received
them and is paused by whoever cannot take more.
"""

import asyncio
from typing import Protocol

from continuum.store.errors import S3Error
from continuum.store.gateway.framing import ChunkedBody, CountedBody
from continuum.store.stores.exchanges import Sink, Source


class ReplyBody(Source, Protocol):
    """The streamed body of a reply; an `Exchange` with a store is one."""

    def take_first(self) -> bytes:
        """Return what is there already."""

    def start(self, sink: Sink) -> None:
        """Push the rest into `sink`."""

    def abort(self) -> None:
        """Nobody wants the rest."""


class ClientGoneError(Exception):
    """The client closed its connection, or said nothing for too long, before its request was complete."""


class HeldBody:
    """A body that keeps what came before anybody took it."""

    __slots__ = ("_pieces", "_problem", "_sink")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._problem: Exception | None = None
        self._sink: Sink | None = None

    @property
    def is_complete(self) -> bool:
        """Whether everything was received (not necessarily taken)."""
        raise NotImplementedError

    def resume(self) -> None:
        """Let the client go on."""
        raise NotImplementedError

    def start(self, sink: Sink) -> None:
        """Hand the body to `sink`: what came already at once, the rest as it comes."""
        self._sink = sink
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            sink.feed(piece)
        if self._problem is not None:
            sink.fail(self._problem)
        elif self.is_complete:
            sink.end()
        else:
            self.resume()

    def take_all(self) -> bytes:
        """Return the body if all of it came already (`is_complete`)."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


_NOTHING = CountedBody(0)


class RequestBody(HeldBody):
    """The body that a client sends. `start` gives it a sink; what came before is kept, and the client waits
    meanwhile."""

    __slots__ = ("_continue", "_framing", "_source", "length")

    def __init__(self, source: Source, length: int | None, *, expects_continue: bool) -> None:
        super().__init__()
        self._source = source
        self._framing = ChunkedBody() if length is None else CountedBody(length) if length else _NOTHING
        self._continue = expects_continue
        self.length = length

    @property
    def is_complete(self) -> bool:
        """Whether everything was received (not necessarily taken)."""
        return self._framing.is_complete

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits to be told that its body is wanted."""
        return self._continue and not self.is_complete

    def confirm_continue(self) -> None:
        """The client was told."""
        self._continue = False

    @property
    def is_paused(self) -> bool:
        """Whether bytes wait because nobody takes them."""
        return self._sink is None and bool(self._pieces)

    # ---- used by whoever handles the request ----

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body. Raises `S3Error` MaxMessageLengthExceeded if it is larger than
        `limit_bytes`."""
        if self.length is not None and self.length > limit_bytes:
            raise S3Error("MaxMessageLengthExceeded")
        sink = _Collector(limit_bytes)
        self.start(sink)
        return await sink.done

    def pause(self) -> None:
        """Let the client wait."""
        self._source.pause()

    def resume(self) -> None:
        """Let the client go on."""
        self._source.resume()

    # ---- called by the connection ----

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire; return what follows the body. Raises `FramingError`."""
        pieces, rest = self._framing.feed(data)
        sink = self._sink
        if sink is None:
            self._pieces += pieces
            if pieces and not self.is_complete:
                self._source.pause()
            return rest
        for piece in pieces:
            sink.feed(piece)
        if self.is_complete:
            sink.end()
        return rest

    def fail(self, problem: Exception) -> None:
        """The rest of the body will not come."""
        if self._problem is None and not self.is_complete:
            self._problem = problem
            if self._sink is not None:
                self._sink.fail(problem)


class _Collector:
    """A sink that keeps a small body."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._pieces: list[bytes] = []
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        elif not self.done.done():
            self.done.set_exception(S3Error("MaxMessageLengthExceeded"))

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(b"".join(self._pieces))

    def fail(self, problem: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(problem)


class Discarder:
    """A sink for what nobody wants."""

    def feed(self, data: bytes) -> None:
        """Forget it."""

    def end(self) -> None:
        """Nothing to do."""

    def fail(self, problem: Exception) -> None:
        """Nothing to do."""
