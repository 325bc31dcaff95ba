"""Folders below the root, entered name by name and never through a symbolic link.

Every step opens a name relative to the folder before it and refuses links, so there is no path, however it
changes meanwhile, that leads out of the root.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold us
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG})


class InTheWayError(Exception):
    """Something that is no folder, or no file, has the name that a folder, or a file, would need."""


@contextlib.contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(root: int, names: Sequence[str]) -> int:
    """Return a descriptor of the folder at `names` below `root`. Raises `FileNotFoundError`,
    `InTheWayError`."""
    return _descend(root, names, _enter)


def make_folder(root: int, names: Sequence[str]) -> int:
    """Return a descriptor of the folder at `names`, made where it is missing, and on disk. Raises
    `InTheWayError`."""
    return _descend(root, names, _enter_or_make)


def _descend(root: int, names: Sequence[str], enter: Callable[[int, str], int]) -> int:
    at = os.dup(root)
    try:
        for name in names:
            below = enter(at, name)
            os.close(at)
            at = below
    except BaseException:
        os.close(at)
        raise
    return at


def _enter_or_make(at: int, name: str) -> int:
    try:
        return _enter(at, name)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o777, dir_fd=at)
        os.fsync(at)
        return _enter(at, name)


def _enter(at: int, name: str) -> int:
    try:
        return os.open(name, FOLDER, dir_fd=at)
    except OSError as problem:
        if problem.errno in _IN_THE_WAY:
            raise InTheWayError(name) from problem
        raise


def is_free_for_file(folder: int, name: str) -> bool:
    """Whether a file can be put at a name: nothing is there, or a file."""
    try:
        return _is_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return True


def find_file(root: int, names: Sequence[str]) -> int | None:
    """Return a descriptor of the file at `names` below `root`; None if there is none."""
    try:
        with opened(open_folder(root, names[:-1])) as folder:
            descriptor = os.open(names[-1], FILE, dir_fd=folder)
    except (FileNotFoundError, InTheWayError):
        return None
    except OSError as problem:
        if problem.errno in _IN_THE_WAY or problem.errno in {errno.ENXIO, errno.ENODEV}:
            return None
        raise
    if not _is_file(os.fstat(descriptor)):
        os.close(descriptor)
        return None
    return descriptor


def remove_file(root: int, names: Sequence[str]) -> os.stat_result | None:
    """Remove the file at `names`, and folders that have become empty (not the first one); return what it was,
    None if there is none. What is no file stays. `sync_below` makes it last."""
    try:
        with opened(open_folder(root, names[:-1])) as folder:
            status = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
            if not _is_file(status):
                return None
            os.unlink(names[-1], dir_fd=folder)
    except (FileNotFoundError, InTheWayError):
        return None
    except OSError as problem:
        if problem.errno in _IN_THE_WAY:
            return None
        raise
    _prune(root, names[:-1])
    return status


def sync_below(root: int, names: Sequence[str]) -> None:
    """Have on disk what the folder at `names` says, or the nearest one above that is still there."""
    for depth in range(len(names), -1, -1):
        with (
            contextlib.suppress(FileNotFoundError, InTheWayError),
            opened(open_folder(root, names[:depth])) as at,
        ):
            os.fsync(at)
            return


def _prune(root: int, names: Sequence[str]) -> None:
    for depth in range(len(names) - 1, 0, -1):
        try:
            with opened(open_folder(root, names[:depth])) as folder:
                os.rmdir(names[depth], dir_fd=folder)
        except (OSError, InTheWayError):  # not empty, or gone already
            return


def _is_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode)


def remove_tree(folder: int, name: str) -> None:
    """Remove a folder of ours with the files in it."""
    with contextlib.suppress(FileNotFoundError):
        with opened(os.open(name, FOLDER, dir_fd=folder)) as below, os.scandir(below) as entries:
            for each in list(entries):
                os.unlink(each.name, dir_fd=below)
        os.rmdir(name, dir_fd=folder)
