"""Files to and from the body of an exchange, a piece at a time; the disk is touched in threads only."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from continuum.model.errors import InvalidInputError
from continuum.store.stores.exchanges import Exchange
from continuum.store.stores.s3 import raise_reply

PIECE_BYTES = 256 * 1024
_FAILED_STATUS = 300


def size_of(path: Path) -> int:
    """Return how long a file is. Raises `InvalidInputError`."""
    try:
        return path.stat().st_size
    except OSError as problem:
        raise InvalidInputError(f"cannot read {path}: {problem.strerror}") from problem


class _Valve:
    """The source of an exchange that is fed by a coroutine: open or closed."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def pause(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    async def wait(self, exchange: Exchange) -> None:
        """Wait until there is room, or until the reply came early."""
        while not self._open.is_set() and not exchange.is_over:
            try:
                async with asyncio.timeout(1.0):
                    await self._open.wait()
            except TimeoutError:
                continue


async def send_file(exchange: Exchange, path: Path, start: int, length: int) -> str:
    """Write a range of a file as the body of `exchange`; return the reply's ETag."""
    valve = _Valve()
    exchange.source = valve
    try:
        with await asyncio.to_thread(path.open, "rb") as file:
            file.seek(start)
            left = length
            while left and not exchange.is_over:
                piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
                left -= len(_require(piece, path))
                exchange.write(piece)
                await valve.wait(exchange)
        await exchange.reply()
    except BaseException:
        exchange.abort()
        raise
    if exchange.status >= _FAILED_STATUS:
        await raise_reply(exchange)
    await exchange.read()
    return exchange.headers.get("etag", "").strip('"')


def _require(piece: bytes, path: Path) -> bytes:
    if not piece:
        raise InvalidInputError(f"{path} became shorter while it was read")
    return piece


class _FileSink:
    """Takes a body; a coroutine writes it to a file in a thread, so that a slow disk never blocks the event
    loop."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._problem: Exception | None = None
        self._ended = False
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size_bytes += len(data)
        if self._size_bytes >= PIECE_BYTES * 4:
            self._exchange.pause()
        self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def fail(self, problem: Exception) -> None:
        self._problem = problem
        self._news.set()

    async def write_to(self, file: BinaryIO) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            pieces, self._pieces, self._size_bytes = self._pieces, [], 0
            if pieces:
                await asyncio.to_thread(file.writelines, pieces)
            if self._problem is not None:
                raise self._problem
            if self._ended and not self._pieces:
                return
            self._exchange.resume()


async def save_body(exchange: Exchange, path: Path) -> None:
    """Write the body of a reply to a file beside `path`, then give it that name."""
    try:
        descriptor, name = await asyncio.to_thread(tempfile.mkstemp, dir=path.parent, prefix=f".{path.name}.")
    except OSError as problem:
        exchange.abort()
        raise InvalidInputError(f"cannot write {path}: {problem.strerror}") from problem
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            sink = _FileSink(exchange)
            exchange.start(sink)
            await sink.write_to(file)
        await asyncio.to_thread(written.replace, path)
    except BaseException as problem:
        exchange.abort()
        await asyncio.shield(asyncio.to_thread(written.unlink, missing_ok=True))
        if isinstance(problem, OSError):
            raise InvalidInputError(f"cannot write {path}: {problem.strerror}") from problem
        raise
