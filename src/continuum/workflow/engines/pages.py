"""A few words that a worker and its master share in memory, so that they need no message for them.

Each worker has one cache line. It writes there which task it begins, and when; its master reads it to
know what a dead worker was doing, how long a task has been running, and what may still be taken back. The
master writes the range of tasks that it takes back; the worker looks before it begins one, and skips it.

Both write first and read then: the worker "I begin n" and the range, the master the range and then, after
`SETTLE_S`, "begun". If the worker did not see the range, its own word was written earlier and has long become
visible when the master looks (store buffers drain in nanoseconds). Words are aligned and eight bytes, so they
are never seen half written.
"""

import mmap
import os
import struct
import time
from pathlib import Path

LINE_BYTES = 64
MAX_WORKERS = 4096
SETTLE_S = 0.001

# Native formats, because they are written as whole words.
_BEGUN = struct.Struct(
    "@dQ"
)  # instant (monotonic clock), number of the task begun last: written in this order
_RANGE = struct.Struct("@QQ")  # first number taken back, first number not taken back
_RANGE_OFFSET = 16
_put_begun = _BEGUN.pack_into
_get_range = _RANGE.unpack_from
_monotonic = time.monotonic


class Page:
    """One worker's line. Tasks are numbered per worker from 1 on."""

    __slots__ = ("_memory", "_offset")

    def __init__(self, memory: mmap.mmap, index: int) -> None:
        self._memory = memory
        self._offset = index * LINE_BYTES

    def clear(self) -> None:
        """Make ready for a new worker."""
        self._memory[self._offset : self._offset + LINE_BYTES] = bytes(LINE_BYTES)

    def begin(self, number: int) -> bool:
        """Worker: say that task `number` begins; False: it was taken back, skip it."""
        _put_begun(self._memory, self._offset, _monotonic(), number)
        first, end = _get_range(self._memory, self._offset + _RANGE_OFFSET)
        return not first <= number < end

    def begun(self) -> tuple[int, float]:
        """Master: return which task was begun last, and when on the monotonic clock."""
        while True:
            seen = _BEGUN.unpack_from(self._memory, self._offset)
            if _BEGUN.unpack_from(self._memory, self._offset) == seen:
                return seen[1], seen[0]

    def take_back(self, first: int, end: int) -> None:
        """Master: tasks from `first` to before `end` must not begin any more. The end is written first."""
        _RANGE.pack_into(self._memory, self._offset + _RANGE_OFFSET, 0, 0)
        _RANGE.pack_into(self._memory, self._offset + _RANGE_OFFSET, first, end)

    def taken_back(self) -> tuple[int, int]:
        """Master: return the range that is taken back."""
        found: tuple[int, int] = _RANGE.unpack_from(self._memory, self._offset + _RANGE_OFFSET)
        return found


def create_pages(path: Path) -> mmap.mmap:
    """Make the shared memory for all workers of a pool. Only touched lines take memory."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, LINE_BYTES * MAX_WORKERS)
        return mmap.mmap(descriptor, LINE_BYTES * MAX_WORKERS)
    finally:
        os.close(descriptor)


def open_pages(path: Path) -> mmap.mmap:
    """Map the shared memory that `create_pages` made."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, LINE_BYTES * MAX_WORKERS)
    finally:
        os.close(descriptor)
