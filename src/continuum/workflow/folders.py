"""Where a run's data lies at a site: one file per datum, in memory (tmpfs) while there is room, else on disk.

Objects that tasks hand to each other go to `/dev/shm` if less than half of it is used, so that passing an
array costs one copy into memory and none out of it; files, and what does not fit, go to the disk. A datum
is written under another name and renamed, so who finds it finds all of it.

A run's folder belongs to the process that made it, by a lock that ends with that process: `sweep` removes
what the dead left behind, also after kill -9. Data of a living run is never touched.
"""

import fcntl
import itertools
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.serialising import Buffer

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder below it is made and checked in `_private_folder`
MEMORY_SHARE = 0.5  # of tmpfs, itself half of the machine's memory by default, may be used
YOUNG_S = 60.0  # a folder without a lock may be one that is being made
MAX_NAME_BYTES = 200
_MOST_IN_A_CALL = 1024  # IOV_MAX of Linux

_numbers = itertools.count()
_MACHINE = secrets.token_hex(3)  # tells processes of machines apart that share a folder


class DataFolder:
    """The data of one run at one site, as its agent (or driver) and its workers see them.

    `places` are tried in order for objects; the last is the one for files, and takes what fits nowhere else.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(places)
        self._roots = [f"{place}/data/" for place in places]

    @property
    def shown(self) -> tuple[Path, ...]:
        """Where other machines that share a file system with this one find the places."""
        return self.places

    @property
    def work(self) -> Path:
        """A folder on the same file system as the data that are files."""
        return self.places[-1] / "work"

    def find(self, datum: str) -> str | None:
        """Return the path of a datum that is here."""
        name = file_name_of(datum)
        for root in self._roots:
            if os.path.exists(root + name):  # noqa: PTH110 - 5 times faster than Path, and on each task's way
                return root + name
        return None

    def size_bytes(self, datum: str) -> int | None:
        """Return the size of a datum that is here."""
        path = self.find(datum)
        return None if path is None else Path(path).stat().st_size

    def read(self, datum: str) -> bytes | None:
        """Return the bytes of a datum that is here."""
        path = self.find(datum)
        return None if path is None else Path(path).read_bytes()

    def write(self, datum: str, pieces: Sequence[Buffer]) -> int:
        """Keep a datum; return its size. Raises `OSError` when there is no room anywhere."""
        size_bytes = sum(memoryview(piece).nbytes for piece in pieces)
        for place, root in zip(self.places[:-1], self._roots, strict=False):
            if has_room(place, size_bytes):
                try:
                    self._write(root, datum, pieces)
                except OSError:
                    continue  # others were quicker to fill it
                return size_bytes
        self._write(self._roots[-1], datum, pieces)
        return size_bytes

    def _write(self, root: str, datum: str, pieces: Sequence[Buffer]) -> None:
        partial = f"{root}.{_MACHINE}-{os.getpid()}-{next(_numbers)}"
        try:
            with open(partial, "wb", buffering=0) as file:  # noqa: PTH123 - as above
                _write_all(file.fileno(), pieces)
            os.rename(partial, root + file_name_of(datum))  # noqa: PTH104 - as above
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise

    def adopt(self, datum: str, file: Path) -> int:
        """Keep a file that lies in `work` as a datum, by renaming; return its size. It becomes read-only."""
        size_bytes = file.stat().st_size
        file.chmod(0o444)
        file.rename(self._roots[-1] + file_name_of(datum))
        return size_bytes

    def link(self, datum: str, file: Path) -> int:
        """Keep a file of somebody else as a datum without copying it if that can be; return its size."""
        partial = self.new_file()
        try:
            try:
                partial.hardlink_to(file)
            except OSError:  # another file system, or not ours to link
                shutil.copyfile(file, partial)
            partial.rename(self._roots[-1] + file_name_of(datum))
        finally:
            partial.unlink(missing_ok=True)
        return file.stat().st_size

    def new_file(self) -> Path:
        """Return a fresh path in `work`."""
        return self.work / f".{_MACHINE}-{os.getpid()}-{next(_numbers)}"

    def remove(self, datum: str) -> None:
        """Forget a datum; it need not be here."""
        name = file_name_of(datum)
        for root in self._roots:
            Path(root + name).unlink(missing_ok=True)

    def used_bytes(self) -> int:
        """Return how much all data that are here take."""
        return sum(_size(entry) for root in self._roots for entry in os.scandir(root))


class EngineFolder(DataFolder):
    """The data of a run, with what an engine of this machine needs beside it, in `own`.

    The first of `own` takes small files that are written often, the last the others.
    """

    def __init__(self, places: Sequence[Path], own: Sequence[Path]) -> None:
        super().__init__(places)
        self.owned = tuple(own)

    @property
    def pages_file(self) -> Path:
        """Where workers and their master share a few words."""
        return self.owned[0] / "pages"

    @property
    def code(self) -> Path:
        """The modules beside the program."""
        return self.owned[-1] / "code"

    @property
    def own_work(self) -> Path:
        """Where workers have their own files."""
        return self.owned[-1] / "work"


class RunFolder(EngineFolder):
    """The folders of one run, made by and belonging to this process. `close` removes them."""

    def leave(self) -> None:
        """Let go of it without removing anything."""
        while self._locks:
            os.close(self._locks.pop())

    def list_data(self) -> list[tuple[str, int]]:
        """Return the data that lie here, with their sizes."""
        paths = [path for place in self.places for path in (place / "data").iterdir()]
        kept = [path for path in paths if path.name.startswith("d.") and path.is_file()]
        return [(unquote(path.name[2:]), path.stat().st_size) for path in kept]

    def __init__(self, run_id: str, *, disk: Path | None = None, memory: Path | None = MEMORY) -> None:
        """Make the folders under `disk` (default: the temporary folder) and, with room, under `memory`.

        Raises `UnavailableError` if that cannot be done.
        """
        base = _private_folder(disk) if disk else _own_folder(Path(tempfile.gettempdir()))
        bases = [base]
        if memory is not None and has_room(memory, 0):
            bases.insert(0, _own_folder(memory))
        name = f"{file_name_of(run_id)}.{secrets.token_hex(4)}"
        self._locks: list[int] = []
        for each in bases:
            sweep(each)
            self._locks.append(_make(each / name))
        places = [each / name for each in bases]
        super().__init__(places, places)

    def close(self) -> None:
        """Remove all."""
        for place in self.places:
            remove_tree(place)
        while self._locks:
            os.close(self._locks.pop())


class KeptRunFolder(RunFolder):
    """The folder of a run that outlives this process: on the disk alone, under one name, so that the process
    that comes next finds it. `close` removes it, `leave` does not.
    """

    def __init__(self, run_id: str, base: Path) -> None:
        """Take over what a process before left under `base`, or make it. Raises `UnavailableError`."""
        place = _private_folder(base) / file_name_of(run_id)
        if (place / "lock").exists():
            self._locks = [_take_lock(place)]
            remove_tree(place / "work")
            (place / "work").mkdir()
        else:
            remove_tree(place)
            self._locks = [_make(place)]
        EngineFolder.__init__(self, [place], [place])


def file_name_of(text: str) -> str:
    """Return a file name that stands for any `text`, the same for the same text."""
    name = "d." + quote(text, safe="")
    if len(name) > MAX_NAME_BYTES:
        raise InvalidInputError(f"{text[:40]!r}… is too long for a name", hint="use at most 60 characters")
    return name


def has_room(folder: Path, size_bytes: int) -> bool:
    """Tell whether a tmpfs `folder` takes `size_bytes` more and stays at most half full."""
    try:
        room = os.statvfs(folder)
    except FileNotFoundError:
        return False
    total = room.f_blocks * room.f_frsize
    return room.f_bavail * room.f_frsize - size_bytes >= total * (1 - MEMORY_SHARE)


def sweep(base: Path) -> None:
    """Remove the folders of runs whose process is gone."""
    for folder in base.iterdir():
        if folder.is_dir() and not folder.is_symlink() and _is_abandoned(folder):
            remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove `folder` and all below it, also what tasks made unwritable; nothing is there: fine."""
    if not folder.exists():
        return
    for path, _, _ in os.walk(folder):
        if not os.access(path, os.W_OK | os.X_OK):
            Path(path).chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def _own_folder(parent: Path) -> Path:
    return _private_folder(parent / f"continuum-{os.getuid()}")


def _private_folder(path: Path) -> Path:
    """Make sure that `path` is a folder of ours that nobody else can enter; its parent may be anybody's."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as problem:
        raise UnavailableError(f"cannot keep data in {path}: {problem.strerror}") from problem
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnavailableError(f"{path} belongs to somebody else", hint="remove it, or set TMPDIR")
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def _make(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700)
        taken = folder / "lock.new"  # becomes the lock when it is locked: in between it would look abandoned
        descriptor = os.open(taken, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        taken.rename(folder / "lock")
        for name in ("data", "work"):
            (folder / name).mkdir()
    except OSError as problem:
        raise UnavailableError(f"cannot make {folder}: {problem.strerror}") from problem
    return descriptor


def _take_lock(folder: Path) -> int:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        raise UnavailableError(f"{folder} is in use: {problem.strerror}") from problem
    return descriptor


def _is_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return _is_old(folder)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > YOUNG_S
    except FileNotFoundError:
        return False


def _write_all(descriptor: int, pieces: Sequence[Buffer]) -> None:
    """Write all pieces in as few calls as can be: a tmpfs with large pages chooses their size by the call."""
    left = [memoryview(piece).cast("B") for piece in pieces]
    while left:
        written = os.writev(descriptor, left[:_MOST_IN_A_CALL])
        done = 0
        while done < len(left) and written >= left[done].nbytes:
            written -= left[done].nbytes
            done += 1
        del left[:done]
        if written:
            left[0] = left[0][written:]


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
