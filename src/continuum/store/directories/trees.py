"""The files of a directory store: find, write, publish, delete. Blocking; the server calls it in threads.

    ROOT/BUCKET/KEY                  an object
    ROOT/.continuum/lock             held by the one server of this folder
    ROOT/.continuum/tmp/…            files that are being written
    ROOT/.continuum/uploads/ID/…     multipart uploads
    ROOT/.continuum/odd/BUCKET/…     objects whose keys cannot be paths
    ROOT/.continuum/notes/…          notes, where the file system has no attributes

A file is written in `tmp`, flushed to disk with its note, and renamed to its place; then the folder is
flushed. So whoever looks, and whatever dies at whatever moment, there is the old file or the new one. What is
left in `tmp` is removed at the next start.
"""

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.store.directories.disks import check_file_system, compute_md5, copy_bytes, full
from continuum.store.directories.folders import (
    FOLDER,
    InTheWayError,
    find_file,
    is_free_for_file,
    make_folder,
    open_folder,
    opened,
    remove_file,
    sync_below,
)
from continuum.store.directories.keys import escape_key, split_key
from continuum.store.directories.notes import Note, Notes, make_etag
from continuum.store.errors import S3Error

log = logging.getLogger(__name__)

OWN = ".continuum"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is as an object. `modified_at` in seconds since the epoch."""

    etag: str
    size_bytes: int
    modified_at: float
    modified_ns: int
    headers: dict[str, str] = {}


class OpenFile:
    """A file that is read: as an object it was `found` when it was opened. `close` it."""

    def __init__(self, descriptor: int, found: Found) -> None:
        self.descriptor = descriptor
        self.found = found

    def is_unchanged(self) -> bool:
        """Whether nobody has written to it since it was opened."""
        status = os.fstat(self.descriptor)
        return (status.st_size, status.st_mtime_ns) == (self.found.size_bytes, self.found.modified_ns)

    def close(self) -> None:
        """Give the descriptor back."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


Check = Callable[[Found | None], None]


class Tree:
    """The folder of a directory store. `open` it, then `close`."""

    def __init__(self, path: Path, *, min_free_bytes: int = 0) -> None:
        self.path = path
        self.notes: Notes
        self._min_free_bytes = min_free_bytes
        self._root = -1
        self._temporary = -1
        self._lock_file = -1
        self._changing = threading.Lock()
        self._odd: set[str] = set()

    def open(self) -> None:
        """Take the folder for ourselves. Raises `InvalidInputError`, `ConflictError`."""
        try:
            self._open()
        except OSError as problem:
            raise InvalidInputError(f"{self.path} cannot be a store: {problem.strerror}") from problem

    def _open(self) -> None:
        self._root = os.open(self.path, FOLDER)
        own = self.path / OWN
        for name in ("", "tmp", "uploads", "odd", "notes"):
            (own / name).mkdir(mode=0o700, exist_ok=True)
        self._lock()
        check_file_system(own)
        for left in (own / "tmp").iterdir():
            left.unlink()
        self._temporary = os.open(own / "tmp", FOLDER)
        self._odd = {each.name for each in (own / "odd").iterdir()}
        self.notes = Notes(own / "notes")

    def _lock(self) -> None:
        self._lock_file = os.open(self.path / OWN / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise ConflictError(
                f"another server has {self.path} as its store",
                hint="one folder is one store, with one server",
            ) from problem

    def close(self) -> None:
        """Give the folder back."""
        for descriptor in (self._root, self._temporary, self._lock_file):
            if descriptor >= 0:
                os.close(descriptor)
        self._root = self._temporary = self._lock_file = -1

    @property
    def root(self) -> int:
        """The descriptor of the folder."""
        return self._root

    # ---- buckets ----

    def list_buckets(self) -> list[tuple[str, float]]:
        """Return the names of buckets and when their folders were made or changed."""
        with os.scandir(self.path) as entries:
            found = [each for each in entries if each.is_dir(follow_symlinks=False)]
            return sorted(
                (each.name, each.stat().st_ctime)
                for each in found
                if not each.name.startswith(".") and each.name.isprintable()
            )

    def has_bucket(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        try:
            os.close(open_folder(self._root, (bucket,)))
        except (FileNotFoundError, InTheWayError):
            return False
        return True

    def require_bucket(self, bucket: str) -> None:
        """Raise `S3Error` `NoSuchBucket` unless it is there."""
        if not self.has_bucket(bucket):
            raise S3Error("NoSuchBucket", extra={"BucketName": bucket})

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket. Raises `S3Error` if it is there."""
        if self.has_bucket(bucket):
            raise S3Error("BucketAlreadyOwnedByYou", extra={"BucketName": bucket})
        try:
            os.close(make_folder(self._root, (bucket,)))
        except InTheWayError:
            raise S3Error("InvalidBucketName", "Something else has this name.") from None

    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket. Raises `S3Error`."""
        self.require_bucket(bucket)
        try:
            with self._changing:
                with contextlib.suppress(FileNotFoundError):
                    (self.path / OWN / "odd" / bucket).rmdir()
                os.rmdir(bucket, dir_fd=self._root)
        except OSError as problem:
            if problem.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            raise S3Error("BucketNotEmpty", extra={"BucketName": bucket}) from problem
        os.fsync(self._root)

    # ---- reading ----

    def _list_places(self, bucket: str, key: str) -> list[tuple[str, ...]]:
        """Return where the file of a key may lie, the best place first."""
        names = split_key(key)
        places = [] if names is None else [(bucket, *names)]
        return [*places, _odd_place(bucket, key)] if bucket in self._odd else places

    def find(self, bucket: str, key: str) -> OpenFile:
        """Open an object. Raises `S3Error` `NoSuchKey`, `NoSuchBucket`."""
        for names in self._list_places(bucket, key):
            descriptor = find_file(self._root, names)
            if descriptor is not None:
                try:
                    return OpenFile(descriptor, self.describe(descriptor, bucket, key, os.fstat(descriptor)))
                except BaseException:
                    os.close(descriptor)
                    raise
        self.require_bucket(bucket)
        raise S3Error("NoSuchKey", extra={"Key": key})

    def describe(self, path: str | int, bucket: str, key: str, status: os.stat_result) -> Found:
        """Return what a file is as an object."""
        note = self.notes.read(path, f"{bucket}/{key}", status)
        return Found(
            etag=note.etag if note is not None else make_etag(status),
            size_bytes=status.st_size,
            modified_at=status.st_mtime_ns / 1e9,
            modified_ns=status.st_mtime_ns,
            headers=note.headers if note is not None else {},
        )

    # ---- writing ----

    def check_space(self, length: int) -> None:
        """Raise `S3Error` `ServiceUnavailable` if so many bytes would fill the disk."""
        status = os.fstatvfs(self._root)
        free_bytes = status.f_bavail * status.f_frsize
        if free_bytes - length < self._min_free_bytes:
            raise full(self.path)

    @contextlib.contextmanager
    def written(self) -> Iterator[tuple[int, str]]:
        """Give a new file to be written and published (its descriptor and its name in `tmp`); it goes if
        that fails."""
        name = secrets.token_hex(12)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with opened(os.open(name, flags, 0o666, dir_fd=self._temporary)) as descriptor:
            try:
                yield descriptor, name
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._temporary)
                raise

    def publish(
        self,
        descriptor: int,
        name: str,
        bucket: str,
        key: str,
        *,
        etag: str,
        headers: Mapping[str, str],
        check: Check | None = None,
        folder: int | None = None,
    ) -> Found:
        """Put a file that is written completely to its place, and on disk.

        `check` is given what is there before and raises if it must stay. `folder`: where the file lies, if
        not in `tmp`.
        """
        now_ns = time.time_ns()
        os.utime(descriptor, ns=(now_ns, now_ns))
        status = os.fstat(descriptor)
        note = Note(
            etag=etag, size_bytes=status.st_size, modified_ns=status.st_mtime_ns, headers=dict(headers)
        )
        place = f"{bucket}/{key}"
        self.notes.write(descriptor, place, note)
        os.fsync(descriptor)
        source = self._temporary if folder is None else folder
        with self._changing:
            needs_before = check is not None or self.notes.has_files
            before = self._find_before(bucket, key) if needs_before else None
            if check is not None:
                check(before)
            self.require_bucket(bucket)
            names = self._move(source, name, bucket, key)
        sync_below(self._root, names[:-1])
        if before is not None:
            self.notes.remove(place, before.modified_ns)
        return Found(
            etag=etag,
            size_bytes=status.st_size,
            modified_at=status.st_mtime_ns / 1e9,
            modified_ns=status.st_mtime_ns,
            headers=note.headers,
        )

    def _find_before(self, bucket: str, key: str) -> Found | None:
        try:
            before = self.find(bucket, key)
        except S3Error:
            return None
        before.close()
        return before.found

    def _move(self, source: int, name: str, bucket: str, key: str) -> tuple[str, ...]:
        """Rename a file to where its key belongs; return where that is."""
        plain, odd = split_key(key), _odd_place(bucket, key)
        for names in (odd,) if plain is None else ((bucket, *plain), odd):
            if names is odd:
                self._odd.add(bucket)
            try:
                with opened(make_folder(self._root, names[:-1])) as folder:
                    if not is_free_for_file(folder, names[-1]):
                        continue
                    os.rename(name, names[-1], src_dir_fd=source, dst_dir_fd=folder)
            except InTheWayError:
                continue
            if names is not odd and bucket in self._odd:  # it was odd until what was in its way went
                remove_file(self._root, odd)
            return names
        raise S3Error("InvalidArgument", "Something else lies where this key belongs.")

    def copy(self, source: OpenFile, bucket: str, key: str, headers: Mapping[str, str] | None) -> Found:
        """Copy an object within the store; `headers` None: with its own."""
        found = source.found
        self.check_space(found.size_bytes)
        with self.written() as (descriptor, name):
            copy_bytes(source.descriptor, descriptor, 0, found.size_bytes)
            _require_unchanged(source)
            etag = found.etag if "-" not in found.etag else compute_md5(descriptor, 0, found.size_bytes)
            kept = found.headers if headers is None else headers
            return self.publish(descriptor, name, bucket, key, etag=etag, headers=kept)

    # ---- deleting ----

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are deleted already. Raises `S3Error` `NoSuchBucket`."""
        self.require_bucket(bucket)
        changed: set[tuple[str, ...]] = set()
        for key in keys:
            for names in self._list_places(bucket, key):
                with self._changing:
                    status = remove_file(self._root, names)
                if status is not None:
                    changed.add(names[:-1])
                    self.notes.remove(f"{bucket}/{key}", status.st_mtime_ns)
        for names in changed:
            sync_below(self._root, names)


def _odd_place(bucket: str, key: str) -> tuple[str, ...]:
    """Return where the file of a key lies that cannot be a path."""
    return (OWN, "odd", bucket, *escape_key(key))


def _require_unchanged(source: OpenFile) -> None:
    if not source.is_unchanged():
        raise S3Error("ConditionalRequestConflict", "The source changed while it was copied.")
