"""What file systems do: they fill up, take two names for one, and copy bytes without moving any."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from continuum.model.errors import InvalidInputError
from continuum.store.errors import S3Error

COPY_BYTES = 8 * 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PROBE = "Probe-\u00e9"


def full(path: Path) -> S3Error:
    """Return the error that says that there is no room."""
    return S3Error(
        "ServiceUnavailable", f"The disk under {path} is full.", hint="make room there; reads go on"
    )


@contextlib.contextmanager
def telling_full(path: Path) -> Iterator[None]:
    """Say of a full disk that it is full."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            raise full(path) from problem
        raise


def copy_bytes(source: int, target: int, start: int, length: int, at: int = 0) -> None:
    """Copy bytes from one file into another, inside the kernel; where it can without moving any."""
    while length:
        try:
            done = os.copy_file_range(source, target, min(length, 1 << 30), start, at)
        except OSError as problem:
            if problem.errno not in {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
                raise
            done = os.pwrite(target, os.pread(source, min(length, COPY_BYTES), start), at)
        if not done:
            raise _became_shorter()
        start, at, length = start + done, at + done, length - done


def compute_md5(descriptor: int, start: int, length: int) -> str:
    """Return the MD5 of `length` bytes of a file, in hex. Raises `S3Error` if it is shorter."""
    digest, end = hashlib.md5(usedforsecurity=False), start + length
    while start < end:
        piece = os.pread(descriptor, min(COPY_BYTES, end - start), start)
        if not piece:
            raise _became_shorter()
        digest.update(piece)
        start += len(piece)
    return digest.hexdigest()


def _became_shorter() -> S3Error:
    return S3Error("ConditionalRequestConflict", "A file became shorter while it was copied.")


def check_file_system(folder: Path) -> None:
    """Refuse a file system that takes two names for one: objects would replace each other."""
    probe = folder / _PROBE
    probe.touch()
    try:
        others = (_PROBE.lower(), _PROBE.replace("\u00e9", "e\u0301"))
        same = [other for other in others if (folder / other).exists()]
    finally:
        probe.unlink()
    if same:
        raise InvalidInputError(
            f"the file system of {folder.parent} takes {_PROBE!r} and {same[0]!r} for one name",
            hint="keys differ by case and by every byte: use one that tells names apart (ext4, xfs, …)",
        )
