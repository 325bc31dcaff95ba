"""What is known of a file beyond its bytes: the ETag (MD5 of what was received) and the headers it came with.

A note is an extended attribute of the file, so that both appear in one step, and copies that keep attributes
(`cp -a`, `rsync -aX`) keep it. Where the file system has none, or no room in it, the note is a file of its
own, named by the object and the time of the bytes it describes. A note counts only as long as the file has
the size and the time that it names: whoever writes into the file makes it void, and its ETag is then made of
size, time and inode.
"""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

import msgspec

ATTRIBUTE = "user.continuum"
_HAS_NO_ROOM = frozenset({errno.ENOTSUP, errno.E2BIG, errno.ENOSPC, errno.ERANGE, errno.EPERM, errno.EDQUOT})


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """`etag` without quotes; `headers` as they came (`content-type`, `x-amz-meta-…`)."""

    etag: str
    size_bytes: int
    modified_ns: int
    headers: dict[str, str] = {}

    def describes(self, status: os.stat_result) -> bool:
        """Whether the file is still the one that the note was written for."""
        return status.st_size == self.size_bytes and status.st_mtime_ns == self.modified_ns


def make_etag(status: os.stat_result) -> str:
    """Return the ETag of a file without a note: another one whenever somebody writes to it. It is no MD5, and
    says so as those of multipart uploads do."""
    identity = f"{status.st_ino}.{status.st_mtime_ns}.{status.st_size}"
    return f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}-0"


class Notes:
    """Writes and reads notes. `folder` is for those that are files; `has_files`: there may be some."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.has_files = any(folder.iterdir())

    def write(self, descriptor: int, place: str, note: Note) -> None:
        """Write the note of an open file that will lie at `place` (bucket and key)."""
        data = msgspec.json.encode(note)
        try:
            os.setxattr(descriptor, ATTRIBUTE, data)
        except OSError as problem:
            if problem.errno not in _HAS_NO_ROOM:
                raise
            self._write_file(place, note, data)

    def read(self, path: str | int, place: str, status: os.stat_result) -> Note | None:
        """Return the note of a file, open or by its path; None if there is none that describes it."""
        data = b""
        with contextlib.suppress(OSError):
            data = (
                os.getxattr(path, ATTRIBUTE)
                if isinstance(path, int)
                else os.getxattr(path, ATTRIBUTE, follow_symlinks=False)
            )
        if not data and self.has_files:
            with contextlib.suppress(OSError):
                data = self._path(place, status.st_mtime_ns).read_bytes()
        if not data:
            return None
        try:
            note = msgspec.json.decode(data, type=Note)
        except msgspec.MsgspecError:  # somebody else's attribute
            return None
        return note if note.describes(status) else None

    def remove(self, place: str, modified_ns: int) -> None:
        """Remove the note of a file that is gone, if it is a file."""
        if self.has_files:
            self._path(place, modified_ns).unlink(missing_ok=True)

    def _write_file(self, place: str, note: Note, data: bytes) -> None:
        path = self._path(place, note.modified_ns)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        self.has_files = True

    def _path(self, place: str, modified_ns: int) -> Path:
        name = hashlib.blake2b(place.encode(), digest_size=20).hexdigest()
        return self._folder / name[:2] / f"{name}.{modified_ns:x}"


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
