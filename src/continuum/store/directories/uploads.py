"""Multipart uploads of a directory store: parts on disk, and an object made of them, without copying if that
can be.

Parts have the same size in nearly every upload, all but the last. So a part is written at its place in one
file, which becomes the object when the upload is completed. A part that does not fit there (another size,
sent twice) gets a file of its own; then completing copies, inside the kernel. What is acknowledged of a part
is on disk.
"""

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.store.directories.disks import copy_bytes
from continuum.store.directories.folders import FOLDER, opened, remove_tree
from continuum.store.directories.notes import sync_folder
from continuum.store.directories.trees import OWN, Found, Tree
from continuum.store.errors import S3Error

WHOLE = "whole"
DESCRIPTION = "upload.json"
_RECORD = ".part"


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload under way."""

    upload_id: str
    bucket: str
    key: str
    headers: dict[str, str]
    began_at: float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is there. `file` empty: at `start` of the common file."""

    number: int
    etag: str
    size_bytes: int
    modified_at: float
    start: int = 0
    file: str = ""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part is to be written."""

    upload: Upload
    number: int
    descriptor: int
    start: int
    file: str


class _State:
    """What is known of an upload's common file while parts come."""

    def __init__(self) -> None:
        self.unit_bytes = 0
        self.taken: set[int] = set()
        self.writing = 0
        self.is_closed = False


class Uploads:
    """The uploads of a tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._folder = tree.path / OWN / "uploads"
        self._states: dict[str, _State] = {}
        self._guard = threading.Lock()

    def create(self, bucket: str, key: str, headers: dict[str, str]) -> Upload:
        """Begin an upload."""
        self._tree.require_bucket(bucket)
        upload = Upload(
            upload_id=secrets.token_hex(16), bucket=bucket, key=key, headers=headers, began_at=time.time()
        )
        folder = self._folder / upload.upload_id
        folder.mkdir(mode=0o700)
        _write(folder / DESCRIPTION, msgspec.json.encode(upload))
        sync_folder(self._folder)
        return upload

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload. Raises `S3Error` `NoSuchUpload`."""
        if upload_id.isalnum() and upload_id.isascii():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                data = (self._folder / upload_id / DESCRIPTION).read_bytes()
                upload = msgspec.json.decode(data, type=Upload)
                if (upload.bucket, upload.key) == (bucket, key):
                    return upload
        raise S3Error("NoSuchUpload", extra={"UploadId": upload_id[:100]})

    def find_all(self, bucket: str) -> list[Upload]:
        """Return the uploads into a bucket, ordered by key and beginning."""
        found = []
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                upload = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Upload)
                if upload.bucket == bucket:
                    found.append(upload)
        return sorted(found, key=lambda each: (each.key.encode(), each.began_at))

    # ---- parts ----

    def begin_part(self, upload: Upload, number: int, length: int) -> Slot:
        """Return where to write a part; `finish_part` or `give_up_part` follows."""
        self._tree.check_space(length)
        folder = self._folder / upload.upload_id
        start = self._choose_start(upload, number, length)
        file = WHOLE if start >= 0 else f"{number}.{secrets.token_hex(6)}"
        try:
            descriptor = os.open(folder / file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            raise S3Error("NoSuchUpload") from None
        return Slot(
            upload=upload,
            number=number,
            descriptor=descriptor,
            start=max(start, 0),
            file="" if start >= 0 else file,
        )

    def _choose_start(self, upload: Upload, number: int, length: int) -> int:
        """Return where in the common file a part goes; -1 if it cannot be there."""
        with self._guard:
            state = self._states.get(upload.upload_id)
            if state is None:
                state = self._states[upload.upload_id] = self._recall(upload)
            if state.is_closed:
                raise S3Error("NoSuchUpload")
            if not state.unit_bytes:
                state.unit_bytes = length
            if number in state.taken or length > state.unit_bytes or not length:
                return -1
            state.taken.add(number)
            state.writing += 1
            return (number - 1) * state.unit_bytes

    def _recall(self, upload: Upload) -> _State:
        """Work out the common file's state from the parts that are there (after a restart)."""
        state = _State()
        placed = [part for part in self.parts(upload) if not part.file]
        state.taken = {part.number for part in placed}
        for part in placed:
            state.unit_bytes = part.start // (part.number - 1) if part.number > 1 else part.size_bytes
        return state

    def finish_part(self, slot: Slot, etag: str, length: int) -> Part:
        """Take note of a part that is written, and have it on disk."""
        self._leave(slot)
        os.fsync(slot.descriptor)
        folder = self._folder / slot.upload.upload_id
        part = Part(
            number=slot.number,
            etag=etag,
            size_bytes=length,
            modified_at=time.time(),
            start=slot.start,
            file=slot.file,
        )
        path = folder / f"{slot.number}{_RECORD}"
        before = _read_part(path)
        try:
            _write(path, msgspec.json.encode(part))
        except FileNotFoundError:
            raise S3Error("NoSuchUpload") from None
        if before is not None and before.file and before.file != part.file:
            (folder / before.file).unlink(missing_ok=True)
        return part

    def give_up_part(self, slot: Slot) -> None:
        """The part did not come. Its place stays taken: what was written there is nothing."""
        self._leave(slot)
        if slot.file:
            (self._folder / slot.upload.upload_id / slot.file).unlink(missing_ok=True)

    def _leave(self, slot: Slot) -> None:
        """Nobody writes to a slot any more."""
        with self._guard:
            state = self._states.get(slot.upload.upload_id)
            if state is not None and not slot.file:
                state.writing -= 1

    def parts(self, upload: Upload) -> list[Part]:
        """Return the parts that are there, by number."""
        paths = (self._folder / upload.upload_id).glob(f"*{_RECORD}")
        found = [part for part in map(_read_part, paths) if part is not None]
        return sorted(found, key=lambda part: part.number)

    # ---- the end ----

    def complete(self, upload: Upload, wanted: Sequence[tuple[int, str]]) -> Found:
        """Make the object of parts (number, ETag). Raises `S3Error`."""
        there = {part.number: part for part in self.parts(upload)}
        chosen = []
        for number, etag in wanted:
            part = there.get(number)
            if part is None or part.etag != etag.strip('"'):
                raise S3Error("InvalidPart", extra={"PartNumber": str(number)})
            chosen.append(part)
        try:
            found = self._join(upload, chosen)
        except FileNotFoundError:  # completed or aborted at the same moment
            raise S3Error("NoSuchUpload", extra={"UploadId": upload.upload_id}) from None
        self._forget(upload)
        return found

    def _close(self, upload: Upload) -> bool:
        """Take no more parts; return whether nobody is writing to the common file."""
        with self._guard:
            state = self._states.setdefault(upload.upload_id, _State())
            state.is_closed = True
            return not state.writing

    def _join(self, upload: Upload, chosen: Sequence[Part]) -> Found:
        etag = join_etags([part.etag for part in chosen])
        with opened(os.open(self._folder / upload.upload_id, FOLDER)) as folder:
            if self._close(upload) and _is_whole(chosen):
                with opened(os.open(WHOLE, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)) as descriptor:
                    os.ftruncate(descriptor, sum(part.size_bytes for part in chosen))
                    return self._tree.publish(
                        descriptor,
                        WHOLE,
                        upload.bucket,
                        upload.key,
                        etag=etag,
                        headers=upload.headers,
                        folder=folder,
                    )
            return self._copy(upload, chosen, etag, folder)

    def _copy(self, upload: Upload, chosen: Sequence[Part], etag: str, folder: int) -> Found:
        self._tree.check_space(sum(part.size_bytes for part in chosen))
        with self._tree.written() as (descriptor, name):
            at = 0
            for part in chosen:
                with opened(os.open(part.file or WHOLE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)) as source:
                    copy_bytes(source, descriptor, part.start, part.size_bytes, at)
                at += part.size_bytes
            return self._tree.publish(
                descriptor, name, upload.bucket, upload.key, etag=etag, headers=upload.headers
            )

    def abort(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        self._forget(upload)

    def _forget(self, upload: Upload) -> None:
        with opened(os.open(self._folder, FOLDER)) as folder:
            remove_tree(folder, upload.upload_id)
        with self._guard:
            self._states.pop(upload.upload_id, None)


def join_etags(etags: Sequence[str]) -> str:
    """Return S3's ETag of an object that came in parts."""
    digests = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _is_whole(chosen: Sequence[Part]) -> bool:
    """Whether the parts lie one after another in the common file."""
    at = 0
    for part in chosen:
        if part.file or part.start != at:
            return False
        at += part.size_bytes
    return True


def _read_part(path: Path) -> Part | None:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=Part)
    return None


def _write(path: Path, data: bytes) -> None:
    """Write a small file such that it is there whole or as before, and on disk."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with opened(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)) as descriptor:
        os.write(descriptor, data)
        os.fsync(descriptor)
    fresh.rename(path)
    sync_folder(path.parent)
