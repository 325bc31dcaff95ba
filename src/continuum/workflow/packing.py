"""Directories as one file: a plain tar archive, equal for equal content, read with distrust.

What is packed: files, directories, and symbolic links that stay inside; anything else is refused by its
name. Times and owners are left out, so that the same content gives the same bytes; permissions are kept.

`unpack` takes archives from other machines, so it takes nothing else than what `pack` makes: no absolute
name, no `..`, no link that leads out, no file below a link, nothing twice, no devices, no more than
`MAX_MEMBERS`. As archives are not compressed, what is unpacked is never larger than the archive.
"""

import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from continuum.model.errors import InvalidInputError

MAX_MEMBERS = 1_000_000
EMPTY = bytes(tarfile.BLOCKSIZE * 2)
_COPY_BYTES = 1024 * 1024


def pack(folder: Path, archive: Path) -> int:
    """Write all below `folder` into a new file; return its size. Raises `InvalidInputError`, `OSError`."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for count, (name, path) in enumerate(_walk(folder, "")):
            if count >= MAX_MEMBERS:
                raise InvalidInputError(f"the directory {folder} has more than {MAX_MEMBERS} entries")
            _add(tar, folder, name, path)
    return archive.stat().st_size


def pack_to_bytes(folder: Path) -> bytes:
    """Return a small directory packed."""
    with TemporaryDirectory() as place:
        pack(folder, archive := Path(place) / "packed")
        return archive.read_bytes()


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names alone
        path = folder / name
        yield prefix + name, path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, f"{prefix}{name}/")


def _add(tar: tarfile.TarFile, folder: Path, name: str, path: Path) -> None:
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISREG(status.st_mode):
        member.size = status.st_size
        with path.open("rb") as file:
            tar.addfile(member, file)
        return
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode) and _stays_inside(name, link := str(path.readlink())):
        member.type, member.linkname = tarfile.SYMTYPE, link
    else:
        raise InvalidInputError(
            f"{name} in the directory {folder} is no file, no directory and no link to something inside"
        )
    tar.addfile(member)


def unpack(archive: Path | bytes, folder: Path) -> None:
    """Make `folder`, which must not exist, from an archive. Raises `InvalidInputError`, `OSError`."""
    folder.mkdir()
    known = {""}
    source: IO[bytes] = io.BytesIO(archive) if isinstance(archive, bytes) else archive.open("rb")
    try:
        with source, tarfile.open(fileobj=cast("IO[bytes]", _Bounded(source)), mode="r:") as tar:
            seen: set[str] = set()
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep all
                _check(member, known, seen)
                _extract(tar, member, folder)
    except (tarfile.TarError, ValueError, EOFError) as problem:
        raise InvalidInputError(f"a packed directory cannot be read: {problem}") from problem


class _Bounded:
    """A file that is read with no more steps than an honest archive of its size takes: headers with negative
    sizes lead the reader in circles.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._steps = 100 + 8 * (size_bytes // tarfile.BLOCKSIZE)

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise ValueError("it leads in circles")

    def read(self, size: int = -1) -> bytes:
        self._step()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._step()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _check(member: tarfile.TarInfo, folders: set[str], seen: set[str]) -> None:
    name = member.name
    is_clean = name == posixpath.normpath(name) and not name.startswith(("/", "..")) and "\0" not in name
    if not is_clean or name == "." or posixpath.dirname(name) not in folders or name in seen:
        raise InvalidInputError(f"a packed directory has an entry with the name {name!r}")
    is_plain = member.isreg() and not member.issparse()
    is_link = member.issym() and _stays_inside(name, member.linkname)
    if not (is_plain or member.isdir() or is_link) or len(seen) >= MAX_MEMBERS:
        raise InvalidInputError(f"a packed directory has an entry {name!r} that is not allowed")
    seen.add(name)
    if member.isdir():
        folders.add(name)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = folder / member.name
    if member.isdir():
        path.mkdir(mode=member.mode & 0o777 | stat.S_IRWXU)
    elif member.issym():
        path.symlink_to(member.linkname)
    else:
        source = tar.extractfile(member)
        assert source is not None  # it is a file  # noqa: S101
        mode = member.mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            while data := source.read(_COPY_BYTES):
                file.write(data)


def _stays_inside(name: str, target: str) -> bool:
    """Whether a link at `name` leads to something below the same root."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return reached != ".." and not reached.startswith("../")


def stamp_of_tree(folder: Path) -> tuple[int, int]:
    """Return what tells whether a directory was changed: the newest time in it, and its sizes."""
    status = folder.stat()
    newest, size = status.st_mtime_ns, 0
    for _, path in _walk(folder, ""):
        status = path.lstat()
        newest = max(newest, status.st_mtime_ns)
        size += status.st_size + 1
    return newest, size
