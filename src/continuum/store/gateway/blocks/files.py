"""Blocks as files: `ab/NAME.NUMBER`, the bytes of the block, then a checksum of each piece of 64 KiB.

A block is written into `parts` under a name of its own and gets its real one when it is whole, so a file that
has a block's name is a block. Whatever is read is verified, a piece at a time: a bit that the disk lost, or a
file that a crash left half on it, is a block that is not there. The time of the last change is that of the
last use. A block that is on probation (`second_hit`) has a time ten years ago, so that it is the first to go;
what reads it later brings it to the present.

Reading and writing go through the page cache, in the event loop: `read` gives what is in memory at once.
"""

import contextlib
import itertools
import os
import struct
import time
from pathlib import Path

from awscrt import checksums

from continuum.store.gateway.blocks.contents import Content

PIECE_BYTES = 64 * 1024
PROBATION_S = 10 * 365 * 86_400.0
COINCIDENCE_S = 60.0  # reads so soon after the fetch are of the same occasion
TOUCH_S = 60.0  # a use is noted so often at most
PARTS = "parts"

_FOOTER = struct.Struct("<I20s8s")
_MAGIC = b"ctmblck1"


class DamagedBlockError(Exception):
    """A block's file does not hold what was written."""


class BlockFile:
    """A whole block, open for reading. Stays readable when the file is removed."""

    __slots__ = ("_checksums", "_file", "content", "number")

    def __init__(self, file: int, content: Content, number: int, sums: tuple[int, ...]) -> None:
        self._file = file
        self.content = content
        self.number = number
        self._checksums = sums

    def read(self, position: int, end: int) -> bytes | memoryview:
        """Return some of the content's bytes from `position`, not beyond `end`; at least one. Raises
        `DamagedBlockError` and `OSError`."""
        start = self.content.start_of(self.number)
        piece, skip = divmod(position - start, PIECE_BYTES)
        first = piece * PIECE_BYTES
        size = min(PIECE_BYTES, self.content.size_of(self.number) - first)
        data = os.pread(self._file, size, first)
        if len(data) != size or checksums.crc32c(data) != self._checksums[piece]:
            raise DamagedBlockError(f"piece {piece} of block {self.number} of {self.content.name}")
        last = min(size, end - start - first)
        return data if skip == 0 and last == size else memoryview(data)[skip:last]

    def close(self) -> None:
        """Read no more."""
        os.close(self._file)


class PartFile:
    """A block that is being written. End it with `publish` or `drop`."""

    def __init__(self, path: Path, content: Content, number: int) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.content = content
        self.number = number
        self.size_bytes = 0
        self._sums: list[int] = []
        self._sum = 0

    def write(self, data: memoryview) -> None:
        """Append bytes. Raises `OSError`."""
        offset = self.size_bytes
        self._note(data)
        while data:
            written = os.pwrite(self._file, data, offset)
            offset += written
            data = data[written:]

    def _note(self, data: memoryview) -> None:
        while data:
            some = data[: PIECE_BYTES - self.size_bytes % PIECE_BYTES]
            self._sum = checksums.crc32c(some, self._sum)
            self.size_bytes += len(some)
            if self.size_bytes % PIECE_BYTES == 0:
                self._end_piece()
            data = data[len(some) :]

    def _end_piece(self) -> None:
        self._sums.append(self._sum)
        self._sum = 0

    def read(self, position: int, end: int) -> bytes:
        """Return some of the content's bytes that were written, from `position`, not beyond `end`. Raises
        `OSError`."""
        offset = position - self.content.start_of(self.number)
        size = min(end - position, self.size_bytes - offset, PIECE_BYTES)
        data = os.pread(self._file, size, offset)
        if len(data) != size:
            raise OSError(f"{self._path} lost what was written")
        return data

    def publish(self, path: Path, *, on_probation: bool) -> None:
        """The block is whole: give it its name. Raises `OSError`; the part is over either way."""
        try:
            if self.size_bytes % PIECE_BYTES:
                self._end_piece()
            os.pwrite(self._file, _format_trailer(self.content, self.number, self._sums), self.size_bytes)
            if on_probation:
                past = time.time() - PROBATION_S
                os.utime(self._file, (past, past))
            self._path.replace(path)
        except OSError:
            self.drop()
            raise
        os.close(self._file)

    def drop(self) -> None:
        """Forget what was written."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


class BlockFiles:
    """The folder with all blocks. Several processes may share it."""

    def __init__(self, folder: Path, *, coincidence_s: float = COINCIDENCE_S) -> None:
        self.folder = folder
        self._coincidence_s = coincidence_s
        self._numbers = itertools.count(1)
        self._parts = folder / PARTS
        self._parts.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)

    def has(self, content: Content, block: int) -> bool:
        """Whether a block is there, as far as its name tells."""
        return self._place(content, block).exists()

    def open(self, content: Content, block: int) -> BlockFile | None:
        """Return a block, and know that it was used; None if it is not there."""
        path = self._place(content, block)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            sums = _read_trailer(file, content, block)
            self._touch(file)
        except DamagedBlockError:
            os.close(file)
            path.unlink(missing_ok=True)
            return None
        except OSError:
            os.close(file)
            raise
        return BlockFile(file, content, block, sums)

    def _touch(self, file: int) -> None:
        found, now = os.stat(file), time.time()
        is_on_probation = found.st_mtime < now - PROBATION_S / 2
        if now - (found.st_ctime if is_on_probation else found.st_mtime) >= (
            self._coincidence_s if is_on_probation else TOUCH_S
        ):
            os.utime(file, (now, now))

    def begin(self, content: Content, block: int) -> PartFile:
        """Return a file for a block that is to be written. Raises `OSError`."""
        name = f"{os.getpid()}-{next(self._numbers)}-{time.time_ns()}"
        return PartFile(self._parts / name, content, block)

    def publish(self, part: PartFile, *, on_probation: bool) -> None:
        """A block is whole. Raises `OSError`."""
        part.publish(self._place(part.content, part.number), on_probation=on_probation)

    def remove(self, content: Content, block: int) -> None:
        """A block must not be read again."""
        with contextlib.suppress(OSError):
            self._place(content, block).unlink(missing_ok=True)

    def _place(self, content: Content, block: int) -> Path:
        return self.folder / content.name[:2] / f"{content.name}.{block}"


def _format_trailer(content: Content, block: int, sums: list[int]) -> bytes:
    body = struct.pack(f"<{len(sums)}I", *sums)
    return body + _FOOTER.pack(_seal(content, block, body), bytes.fromhex(content.name), _MAGIC)


def _read_trailer(file: int, content: Content, block: int) -> tuple[int, ...]:
    size = content.size_of(block)
    count = -(-size // PIECE_BYTES)
    length = count * 4 + _FOOTER.size
    trailer = os.pread(file, length + 1, size)
    if len(trailer) != length:
        raise DamagedBlockError("the file has another length")
    body = trailer[: count * 4]
    if trailer[count * 4 :] != _FOOTER.pack(_seal(content, block, body), bytes.fromhex(content.name), _MAGIC):
        raise DamagedBlockError("the end of the file is damaged")
    return struct.unpack(f"<{count}I", body)


def _seal(content: Content, block: int, body: bytes) -> int:
    return int(checksums.crc32c(body, checksums.crc32c(f"{content.name}.{block}".encode())))
