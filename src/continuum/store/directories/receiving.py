"""Receiving a body into a file: decoded and checked as it comes, hashed and written by threads.

Bytes are gathered to batches; while one is written the next is gathered, and the client waits when both are
full, so that memory stays constant. A small body that came whole is written in one step with its publication.
"""

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from continuum.store.errors import S3Error
from continuum.store.gateway.bodies import RequestBody
from continuum.store.gateway.checksums import BodyChecksums, parse_declaration
from continuum.store.gateway.chunks import open_decoder
from continuum.store.signing import VerifiedRequest

BATCH_BYTES = 1024 * 1024
SMALL_BYTES = 128 * 1024
MAX_PUT_BYTES = 5 * 1024**3

Piece = bytes | memoryview


class Payload:
    """What the body of a request carries, checked as it declares."""

    def __init__(self, body: RequestBody, headers: Mapping[str, str], verified: VerifiedRequest) -> None:
        self._decoder = open_decoder(verified, headers)
        self._checksums = BodyChecksums(parse_declaration(headers, verified.payload_hash))
        length = body.length if self._decoder is None else self._decoder.length_bytes
        if length is None:
            raise S3Error("MissingContentLength")
        if length > MAX_PUT_BYTES:
            raise S3Error("EntityTooLarge")
        self.length: int = length
        self._left: int = length

    def take(self, data: bytes) -> Sequence[Piece]:
        """Return the payload in `data`. Raises `S3Error`."""
        pieces: Sequence[Piece] = [data] if self._decoder is None else self._decoder.feed(data)
        for piece in pieces:
            self._left -= len(piece)
            self._checksums.update(piece)
        return pieces

    def finish(self) -> None:
        """Raise `S3Error` unless all that was declared holds."""
        trailers = self._decoder.finish() if self._decoder is not None else {}
        if self._left:
            raise S3Error("IncompleteBody")
        self._checksums.finish(trailers)


class FileWriter:
    """Writes pieces one after another into a file and computes their MD5."""

    def __init__(self, descriptor: int, start: int = 0) -> None:
        self._descriptor = descriptor
        self._at = start
        self._digest = hashlib.md5(usedforsecurity=False)

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write pieces. Blocking."""
        for piece in pieces:
            self._digest.update(piece)
            left = memoryview(piece)
            while left:
                done = os.pwrite(self._descriptor, left, self._at)
                self._at += done
                left = left[done:]

    @property
    def etag(self) -> str:
        """The MD5 of what was written."""
        return self._digest.hexdigest()


class FileSink:
    """The sink between a request's body and a file. `done`: all of it was written, and is as declared."""

    def __init__(self, payload: Payload, writer: FileWriter, body: RequestBody, executor: Executor) -> None:
        self._payload = payload
        self._writer = writer
        self._body = body
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Piece] = []
        self._gathered_bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_complete = False
        self._problem: BaseException | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._problem is not None:
            return
        try:
            for piece in self._payload.take(data):
                self._gathered.append(piece)
                self._gathered_bytes += len(piece)
        except S3Error as problem:
            self.fail(problem)
            return
        if self._gathered_bytes >= BATCH_BYTES:
            self._write()
            if self._writing is not None and self._gathered_bytes >= BATCH_BYTES and not self._is_paused:
                self._is_paused = True
                self._body.pause()

    def end(self) -> None:
        """The body is complete."""
        if self._problem is not None:
            return
        try:
            self._payload.finish()
        except S3Error as problem:
            self.fail(problem)
            return
        self._is_complete = True
        self._write()
        self._settle()

    def fail(self, problem: BaseException) -> None:
        """The rest will not come, or is not wanted."""
        if self._problem is None:
            self._problem = problem
            self._gathered, self._gathered_bytes = [], 0
        self._settle()

    def _write(self) -> None:
        if self._writing is not None or not self._gathered:
            return
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._writing = self._loop.run_in_executor(self._executor, self._writer.write, pieces)
        self._writing.add_done_callback(self._was_written)

    def _was_written(self, writing: "asyncio.Future[None]") -> None:
        self._writing = None
        problem = None if writing.cancelled() else writing.exception()
        if problem is not None:
            self.fail(problem)
            return
        if self._is_complete or self._gathered_bytes >= BATCH_BYTES:
            self._write()
        if self._is_paused and self._gathered_bytes < BATCH_BYTES:
            self._is_paused = False
            self._body.resume()
        self._settle()

    def _settle(self) -> None:
        """Give the result, once nothing writes to the file any more."""
        if self._writing is not None or self.done.done():
            return
        if self._problem is not None:
            self.done.set_exception(self._problem)
        elif self._is_complete and not self._gathered:
            self.done.set_result(None)


async def receive(body: RequestBody, payload: Payload, writer: FileWriter, executor: Executor) -> None:
    """Write the body of a request to a file. Raises `S3Error`, `ClientGoneError`, `OSError`.

    Nothing writes to the file any more when it returns, also if it is cancelled.
    """
    sink = FileSink(payload, writer, body, executor)
    body.start(sink)
    try:
        await asyncio.shield(sink.done)
    except asyncio.CancelledError:
        sink.fail(S3Error("IncompleteBody"))
        await asyncio.wait([sink.done])
        sink.done.exception()
        raise


def receive_whole(data: bytes, payload: Payload) -> Sequence[Piece]:
    """Return the payload of a body that is there whole. Raises `S3Error`."""
    pieces = list(payload.take(data))
    payload.finish()
    return pieces
