"""A local folder, or one file, as an end of a transfer. The disk is touched in threads only.

A file appears complete or not at all: it is written beside its place and renamed. Its time is set to that of
the object, so that a later comparison finds the same. Links to files are followed, links to folders are not.
Keys that cannot be files here (`..`, an empty part, a part of a transfer's own) are refused one by one.
"""

import asyncio
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

from continuum.model.errors import AccessDeniedError, ContinuumError, InvalidInputError
from continuum.model.transfers import Line, Part
from continuum.store.stores.exchanges import Sink
from continuum.store.transfers.ends import Described
from continuum.store.transfers.streaming import Body, Passing, Receiver, SourceChangedError

PIECE_BYTES = 256 * 1024
MAX_WAITING_BYTES = 1024 * 1024
UNFINISHED = ".continuum-part"
_MAX_NAME_BYTES = 255 - len(UNFINISHED) - 18


class FolderEnd:
    """Files under `root`; with `exact`, the file `root` itself."""

    def __init__(self, root: Path, *, exact: bool = False) -> None:
        self.root = root
        self.exact = exact
        self.problems: dict[str, str] = {}

    async def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, key: str) -> Path:
        return self.root if self.exact else self.root / key

    # ---- what is there ----

    async def lines(self) -> AsyncIterator[Line]:
        """List the files, in the order of the folders."""
        for line in await asyncio.to_thread(self._scan):
            yield line

    def _scan(self) -> list[Line]:
        if self.exact:
            found = _stat(self.root)
            return [] if found is None else [Line("", found.st_size, found.st_mtime)]
        lines: list[Line] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(self.root / folder) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        self._take(f"{folder}{entry.name}", entry, lines, folders)
            except FileNotFoundError:
                continue
            except OSError as problem:
                raise AccessDeniedError(f"cannot list {self.root / folder}: {problem.strerror}") from problem
        return lines

    def _take(self, key: str, entry: "os.DirEntry[str]", lines: list[Line], folders: list[str]) -> None:
        if entry.name.endswith(UNFINISHED):
            return
        if entry.is_dir(follow_symlinks=False):
            folders.append(f"{key}/")
            return
        try:
            found = entry.stat()
            key.encode()
        except OSError as problem:
            self.problems[key] = f"cannot be read: {problem.strerror}"
        except UnicodeEncodeError:
            shown = os.fsencode(key).decode("utf-8", "backslashreplace")
            self.problems[shown] = "its name is not UTF-8"
        else:
            if S_ISREG(found.st_mode):
                lines.append(Line(key, found.st_size, found.st_mtime))

    def takes(self, line: Line) -> bool:
        """Whether such a key can be a file here; markers of empty folders are passed over."""
        if self.exact:
            return True
        if line.key.endswith("/") and not line.size_bytes:
            return False
        parts = line.key.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts) or line.key.endswith(UNFINISHED):
            self.problems[line.key] = "cannot be the name of a file"
        elif any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
            self.problems[line.key] = "has a part that is too long for a file's name"
        else:
            return True
        return False

    async def describe(self, key: str) -> Described | None:
        """What is known of one file."""
        path = self._path(key)
        found = await asyncio.to_thread(_stat, path)
        if found is None:
            return None
        kind, encoding = mimetypes.guess_type(path.name)
        headers = {"content-type": kind} if kind and not encoding else {}
        return Described(line=Line(key, found.st_size, found.st_mtime), headers=headers)

    # ---- reading ----

    async def open(self, described: Described, part: Part | None = None) -> tuple[Body, Described]:
        """Begin to read a file or a part of it."""
        line = described.line
        found = await self.describe(line.key)
        if found is None or (found.line.size_bytes, found.line.modified_at) != (
            line.size_bytes,
            line.modified_at,
        ):
            raise SourceChangedError(f"{self._path(line.key)} was changed while it was sent")
        return FileBody(self._path(line.key), line, part or Part(1, 0, line.size_bytes)), found

    async def remove(self, described: Described) -> None:
        """Remove a file, if it is still the one that was described."""
        line = described.line
        found = await self.describe(line.key)
        if found is None:
            return
        if found.line != line:
            raise SourceChangedError(f"{self._path(line.key)} was changed; it stays")
        await self._unlink(self._path(line.key))

    async def remove_many(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove files."""
        failed = {}
        for key in keys:
            try:
                await self._unlink(self._path(key))
            except ContinuumError as problem:
                failed[key] = problem.message
        return failed

    async def _unlink(self, path: Path) -> None:
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as problem:
            raise AccessDeniedError(f"cannot remove {path}: {problem.strerror}") from problem

    # ---- writing ----

    async def receive(self, described: Described) -> Receiver:
        """Begin to write a whole file."""
        path = self._path(described.line.key)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{UNFINISHED}")
        await asyncio.to_thread(_make, beside, None)
        return FileReceiver(beside, 0, path, described.line.modified_at)

    async def begin_upload(self, described: Described) -> str:
        """Make room for a file that comes in parts; the id is the name of the unfinished file."""
        path = self._path(described.line.key)
        name = f".{path.name}.{secrets.token_hex(6)}{UNFINISHED}"
        await asyncio.to_thread(_make, path.with_name(name), described.line.size_bytes)
        return name

    async def receive_part(self, key: str, upload_id: str, part: Part) -> Receiver:
        """Begin to write a part."""
        return FileReceiver(self._path(key).with_name(upload_id), part.start, None, 0.0)

    async def find_parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]] | None:
        """Only the journal knows which parts were written; here, whether the unfinished file is there."""
        found = await asyncio.to_thread(_stat, self._path(key).with_name(upload_id))
        return None if found is None else {}

    async def complete_upload(self, described: Described, upload_id: str, etags: Mapping[int, str]) -> str:  # noqa: ARG002
        """Give the file its name."""
        path = self._path(described.line.key)
        await asyncio.to_thread(
            _finish, path.with_name(upload_id), path, described.line.modified_at, sync=True
        )
        return ""

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Remove the unfinished file."""
        await self._unlink(self._path(key).with_name(upload_id))


def _stat(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise AccessDeniedError(f"cannot read {path}: {problem.strerror}") from problem
    return found if S_ISREG(found.st_mode) else None


def _make(path: Path, size_bytes: int | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            if size_bytes is not None:
                file.truncate(size_bytes)
    except OSError as problem:
        raise InvalidInputError(f"cannot write {path.parent}: {problem.strerror}") from problem


def _finish(written: Path, path: Path, modified_at: float, *, sync: bool) -> None:
    try:
        if sync:
            with written.open("rb") as file:
                os.fsync(file.fileno())
        os.utime(written, (modified_at, modified_at))
        written.replace(path)
    except OSError as problem:
        raise InvalidInputError(f"cannot write {path}: {problem.strerror}") from problem


class FileBody:
    """Reads a range of a file in a thread and hands it on; fails if the file is another by then."""

    def __init__(self, path: Path, line: Line, part: Part) -> None:
        self._path = path
        self._line = line
        self._part = part
        self._open = asyncio.Event()
        self._open.set()
        self._task: asyncio.Task[None] | None = None

    def start(self, sink: Sink) -> None:
        """Hand all bytes to `sink`."""
        self._task = asyncio.ensure_future(self._run(sink))

    def pause(self) -> None:
        """Give no more for now."""
        self._open.clear()

    def resume(self) -> None:
        """Go on."""
        self._open.set()

    def abort(self) -> None:
        """Nobody wants the rest."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, sink: Sink) -> None:
        try:
            await self._read(sink)
        except OSError as problem:
            sink.fail(AccessDeniedError(f"cannot read {self._path}: {problem.strerror}"))
        except ContinuumError as problem:
            sink.fail(problem)

    async def _read(self, sink: Sink) -> None:
        file = await asyncio.to_thread(self._path.open, "rb")
        try:
            file.seek(self._part.start)
            left = self._part.length
            while left:
                piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
                if not piece:
                    raise SourceChangedError(f"{self._path} became shorter while it was read")
                left -= len(piece)
                if not left:
                    self._check(os.fstat(file.fileno()))
                sink.feed(piece)
                await self._open.wait()
        finally:
            file.close()
        sink.end()

    def _check(self, found: os.stat_result) -> None:
        if (found.st_size, found.st_mtime) != (self._line.size_bytes, self._line.modified_at):
            raise SourceChangedError(f"{self._path} was changed while it was read")


class FileReceiver:
    """Writes a piece into an unfinished file, in a thread; `path` is its name when it is whole (None: it is
    a part)."""

    def __init__(self, written: Path, start: int, path: Path | None, modified_at: float) -> None:
        self._written = written
        self._start = start
        self._path = path
        self._modified_at = modified_at
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._passing: Passing | None = None
        self._writing: asyncio.Task[None] | None = None
        self._problem: ContinuumError | None = None

    def attach(self, passing: Passing) -> None:
        """Take bytes from this one."""
        self._passing = passing

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= MAX_WAITING_BYTES and self._passing is not None:
            self._passing.pause()
        if self._writing is None and self._waiting_bytes >= PIECE_BYTES:
            self._writing = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting, self._waiting_bytes = self._waiting, [], 0
                await asyncio.to_thread(self._put, pieces)
                if self._passing is not None:
                    self._passing.resume()
        except OSError as problem:
            self._problem = InvalidInputError(f"cannot write {self._written}: {problem.strerror}")
            if self._passing is not None:
                self._passing.fail(self._problem)
        finally:
            self._writing = None

    def _put(self, pieces: list[bytes]) -> None:
        with self._written.open("r+b") as file:
            file.seek(self._start)
            file.writelines(pieces)
        self._start += sum(len(piece) for piece in pieces)

    async def finish(self) -> str:
        """Write the rest; give a whole file its name."""
        if self._writing is not None:
            await self._writing
        if self._waiting:
            await self._drain()
        if self._problem is not None:
            raise self._problem
        if self._path is not None:
            await asyncio.to_thread(_finish, self._written, self._path, self._modified_at, sync=False)
        return ""

    def abort(self) -> None:
        """Leave nothing of a whole file; parts are the upload's."""
        if self._writing is not None:
            self._writing.cancel()
        if self._path is not None:
            self._written.unlink(missing_ok=True)
