"""Logs of processes: one file each, bounded, with the last lines at hand for messages to a person."""

from collections import deque
from pathlib import Path

MAX_LOG_BYTES = 8 * 1024 * 1024  # then it becomes NAME.log.1, and the one before is dropped
REMEMBERED_LINES = 40
MAX_REMEMBERED_LINE = 1000


class LogFile:
    """Writes what a process says to `path`; at most twice `MAX_LOG_BYTES` stay on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._size_bytes = self._file.tell()
        self._is_full = False
        self._partial = b""
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED_LINES)

    def write(self, data: bytes) -> list[str]:
        """Write `data` and return the lines that it completed. A full disk loses the log, not the process."""
        if self._size_bytes + len(data) > MAX_LOG_BYTES:
            self._rotate()
        try:
            self._file.write(data)
            self._size_bytes += len(data)
        except OSError:
            self._is_full = True  # what is remembered still tells; the disk is somebody else's alarm
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[:MAX_REMEMBERED_LINE]
        texts = [line[:MAX_REMEMBERED_LINE].decode(errors="replace") for line in lines]
        self.last_lines.extend(texts)
        return texts

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self.path.open("ab", buffering=0)
        self._size_bytes = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
