"""Which blocks go: those that were not used for too long, and the least recently used of what is too much.

The folder itself is asked, so that several processes that share it need not tell each other anything.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from continuum.store.gateway.blocks.files import PARTS, PROBATION_S

LOW = 7 / 8  # of what may be used; so much is left after a sweep
HIGH = 15 / 16  # at so much the next sweep begins
PART_S = 3600.0  # nobody writes on a part for so long without a word
_SPARE_SHARE = 0.02  # of the disk is left to others
_SPARE_BYTES = 1024**3  # or so much, if that is less


class Entry(msgspec.Struct, frozen=True):
    """The file of a block."""

    path: str
    size_bytes: int
    used_at: float


def choose_to_go(
    entries: Iterable[Entry], *, limit_bytes: int, idle_s: float, now: float
) -> tuple[list[Entry], int]:
    """Return the blocks that go, and how many bytes stay. Pure.

    A block on probation has a time long ago: it goes first, and its idleness counts from there.
    """
    going: list[Entry] = []
    staying: list[Entry] = []
    for entry in entries:
        used_at = entry.used_at if entry.used_at > now - PROBATION_S / 2 else entry.used_at + PROBATION_S
        (going if now - used_at > idle_s else staying).append(entry)
    left_bytes = sum(entry.size_bytes for entry in staying)
    if left_bytes > limit_bytes * HIGH:
        staying.sort(key=lambda entry: entry.used_at)
        for entry in staying:
            if left_bytes <= limit_bytes * LOW:
                break
            left_bytes -= entry.size_bytes
            going.append(entry)
    return going, left_bytes


def sweep(folder: Path, *, capacity_bytes: int, idle_s: float) -> tuple[int, int]:
    """Remove what is to go; return how many bytes are left, and how many may be. Blocks: call it in a
    thread. Raises `OSError`."""
    now = time.time()
    entries = list(_list(folder))
    limit_bytes = _limit(folder, sum(entry.size_bytes for entry in entries), capacity_bytes)
    going, left_bytes = choose_to_go(entries, limit_bytes=limit_bytes, idle_s=idle_s, now=now)
    for entry in going:
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            Path(entry.path).unlink()
    _remove_parts(folder / PARTS, now)
    return left_bytes, limit_bytes


def _limit(folder: Path, used_bytes: int, capacity_bytes: int) -> int:
    """Return how much may be used: never so much that the disk is full."""
    found = os.statvfs(folder)
    spare_bytes = min(int(found.f_blocks * found.f_frsize * _SPARE_SHARE), _SPARE_BYTES)
    free_bytes = found.f_bavail * found.f_frsize
    return max(min(capacity_bytes, used_bytes + free_bytes - spare_bytes), 0)


def _list(folder: Path) -> Iterable[Entry]:
    for number in range(256):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder / f"{number:02x}") as found:
            for each in found:
                with contextlib.suppress(FileNotFoundError):
                    status = each.stat()
                    yield Entry(each.path, status.st_size, status.st_mtime)


def _remove_parts(folder: Path, now: float) -> None:
    """Remove what processes left that died while they wrote."""
    with os.scandir(folder) as found:
        for each in found:
            with contextlib.suppress(FileNotFoundError):
                if now - each.stat().st_mtime > PART_S:
                    Path(each.path).unlink()
