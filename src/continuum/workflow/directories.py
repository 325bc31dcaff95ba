"""Directories of the program: packed when a task needs them, unpacked in their place when they come back."""

import itertools
import os
import shutil
import tempfile
import weakref
from pathlib import Path

from continuum.workflow.folders import remove_tree
from continuum.workflow.futures import Variable
from continuum.workflow.packing import pack, unpack

_numbers = itertools.count()


def is_directory(variable: Variable) -> bool:
    """Tell whether a variable is a directory: its name ends with a slash."""
    return variable.name.endswith("/")


class PackedDirectories:
    """The packed directories of one run, which sites may ask for again; removed with this object."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def pack(self, folder: Path) -> Path:
        """Return a new file with all of `folder` in it. Raises `InvalidInputError`, `OSError`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="continuum-packed-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        archive = self._folder / str(next(_numbers))
        pack(folder, archive)
        return archive


def replace_directory(path: Path, packed: bytes) -> None:
    """Put a packed directory in the place of what is at `path`. Raises `InvalidInputError`, `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}") for _ in range(2))
    try:
        unpack(packed, new)
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        remove_tree(new)
        remove_tree(old)
