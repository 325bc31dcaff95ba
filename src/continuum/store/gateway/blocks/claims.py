"""Who fetches a block: one process of all that share a folder.

A claim is a lock on one byte of a file that all processes have open: that of the block's number. The kernel
takes it back when its holder dies, so nothing is ever to be cleaned up. Two blocks may have the same number
by chance; then one waits for the other, and nothing worse happens. Within a process the locks say nothing:
there `BlockCache` knows what is under way.
"""

import fcntl
import os
from pathlib import Path

from continuum.store.gateway.blocks.contents import Content

_BLOCK_BITS = 22  # 4 Ti bytes in blocks of 1 Mi, and then from the beginning
_NUMBER_BITS = 62 - _BLOCK_BITS


class Claims:
    """The locks of one process. `close` gives all of them back."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, content: Content, block: int) -> bool:
        """Whether this process may fetch the block now; then it has to `release` it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(content, block))
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def release(self, content: Content, block: int) -> None:
        """Others may fetch the block."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(content, block))

    def close(self) -> None:
        """Give everything back."""
        os.close(self._file)


def _place(content: Content, block: int) -> int:
    number = content.number & ((1 << _NUMBER_BITS) - 1)
    return (number << _BLOCK_BITS) | (block & ((1 << _BLOCK_BITS) - 1))
