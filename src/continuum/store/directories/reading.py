"""The body of a reply: bytes of a file, pushed as the client takes them.

What the kernel has in memory is read at once, without waiting and without a thread; the rest by a thread. A
file that changes while it is read is noticed before its last bytes go out: then the reply is cut off, and is
never a mixture that looks whole.
"""

import asyncio
import errno
import os
from concurrent.futures import Executor

from continuum.store.directories.trees import OpenFile
from continuum.store.stores.exchanges import Sink, StoreProtocolError

PIECE_BYTES = 256 * 1024


class FileBody:
    """Gives `length` bytes of a file from `start` on; closes it at the end."""

    def __init__(self, file: OpenFile, start: int, length: int, executor: Executor) -> None:
        self._file = file
        self._at = start
        self._left = length
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._sink: Sink | None = None
        self._is_paused = False
        self._is_pushing = False
        self._reading: asyncio.Future[bytes] | None = None
        self._is_over = False
        self._problem: Exception | None = None

    def take_first(self) -> bytes:
        """Return what can be read without waiting."""
        try:
            data = self._read_now()
            if data is None:
                return b""
            self._take(data)
        except (OSError, StoreProtocolError) as problem:
            self._problem = problem
            return b""
        return data

    def start(self, sink: Sink) -> None:
        """Push the rest into `sink`."""
        self._sink = sink
        if self._problem is not None:
            self._fail(self._problem)
            return
        self._push()

    def pause(self) -> None:
        """Give no more for now."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on."""
        self._is_paused = False
        if self._sink is not None and not self._is_pushing:
            self._push()

    def abort(self) -> None:
        """Nobody wants the rest."""
        self._is_over = True
        if self._reading is None:
            self._file.close()

    # ---- one piece after the other ----

    def _push(self) -> None:
        self._is_pushing = True
        try:
            while not (self._is_over or self._is_paused or self._reading is not None):
                if not self._left:
                    self._finish()
                    return
                try:
                    data = self._read_now()
                except OSError as problem:
                    self._fail(StoreProtocolError(f"the file cannot be read: {problem}"))
                    return
                if data is None:
                    self._read_later()
                    return
                self._give(data)
        finally:
            self._is_pushing = False

    def _give(self, data: bytes) -> None:
        try:
            self._take(data)
        except StoreProtocolError as problem:
            self._fail(problem)
            return
        if self._sink is not None:
            self._sink.feed(data)

    def _take(self, data: bytes) -> None:
        """Count bytes. Raises `StoreProtocolError` if they are not what the object had when it was opened."""
        self._at += len(data)
        self._left -= len(data)
        if not data or (not self._left and not self._file.is_unchanged()):
            raise StoreProtocolError("the file was changed while it was read")

    def _read_now(self) -> bytes | None:
        """Return bytes that are in memory; None if the disk has to be asked."""
        data = bytearray(min(self._left, PIECE_BYTES))
        try:
            size = os.preadv(self._file.descriptor, [data], self._at, os.RWF_NOWAIT)
        except OSError as problem:
            if problem.errno in {errno.EAGAIN, errno.EOPNOTSUPP}:
                return None
            raise
        return bytes(data) if size == len(data) else bytes(memoryview(data)[:size])

    def _read_later(self) -> None:
        size = min(self._left, PIECE_BYTES)
        self._reading = self._loop.run_in_executor(
            self._executor, os.pread, self._file.descriptor, size, self._at
        )
        self._reading.add_done_callback(self._was_read)

    def _was_read(self, reading: "asyncio.Future[bytes]") -> None:
        self._reading = None
        if self._is_over:
            self._file.close()
            return
        problem = reading.exception()
        if problem is not None:
            self._fail(StoreProtocolError(f"the file cannot be read: {problem}"))
            return
        self._give(reading.result())
        if not self._is_pushing:
            self._push()

    def _finish(self) -> None:
        self._is_over = True
        self._file.close()
        if self._sink is not None:
            self._sink.end()

    def _fail(self, problem: Exception) -> None:
        self._is_over = True
        self._file.close()
        if self._sink is not None:
            self._sink.fail(problem)
