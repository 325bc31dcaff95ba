"""What a program says besides calling tasks: wait for values and files, forget them.

Each works without a run too (plain `python app.py`, or inside a task): then every value is there already.
"""

import os
from pathlib import Path
from typing import IO, Any, TypeVar, overload

from continuum.model.errors import InvalidInputError
from continuum.workflow.alone import resolve
from continuum.workflow.filing import SCHEME
from continuum.workflow.futures import Future
from continuum.workflow.programming import find_run

READ_ONLY = frozenset(("r", "IN", "in"))
T = TypeVar("T")
READ_WRITE = frozenset(("rw", "w", "INOUT", "inout"))


@overload
def wait_on(value: Future[T], /, *, mode: str = "rw") -> T: ...
@overload
def wait_on(value: list[Future[T]], /, *, mode: str = "rw") -> list[T]: ...
@overload
def wait_on(value: Any, /, *values: Any, mode: str = "rw") -> Any: ...
def wait_on(*values: Any, mode: str = "rw") -> Any:
    """Return the value of a future or of an object that tasks have changed; in lists, tuples and dicts too.

    Several arguments give a list. With `mode="r"` the program promises not to change the value: given to a
    task again it is then known without looking at it. Raises `TaskFailedError`.
    """
    if mode not in READ_ONLY | READ_WRITE:
        raise InvalidInputError(f"mode={mode!r} is not known", hint='use "r" or "rw"')
    run = find_run()
    wanted = values[0] if len(values) == 1 else list(values)
    if run is None:
        return resolve(wanted)
    return run.wait_on(wanted, is_read_only=mode in READ_ONLY)


def barrier() -> None:
    """Wait until every task that was called so far has ended. Raises `TaskFailedError`."""
    run = find_run()
    if run is not None:
        run.barrier()


def open_file(path: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    """Open a file (or, to read it, an `s3://` object) as tasks have left it. Raises `TaskFailedError`."""
    run = find_run()
    if run is not None:
        opened: IO[Any] = run.files.open(path, mode)
        return opened
    if os.fspath(path).startswith(SCHEME):
        raise InvalidInputError(
            f"{path} is an object of the store", hint="start the program with `continuum run`"
        )
    return Path(path).open(mode)


def wait_on_file(*paths: str | os.PathLike[str]) -> Any:
    """Wait until the newest versions of these files are at their paths; return the path or paths."""
    run = find_run()
    if run is not None:
        for path in paths:
            run.files.wait(path)
    return paths[0] if len(paths) == 1 else list(paths)


def wait_on_directory(*paths: str | os.PathLike[str]) -> Any:
    """Wait until the newest versions of these directories are at their paths; return the path or paths."""
    return wait_on_file(*paths)


def delete_object(*values: Any) -> bool:
    """Say that these values are not needed any more; return whether all of them were known."""
    run = find_run()
    known = [run is None or run.delete_object(value) for value in values]
    return all(known)


def delete_file(*paths: str | os.PathLike[str]) -> bool:
    """Delete these files once no task needs them; return whether all of them were known."""
    run = find_run()
    if run is not None:
        known = [run.files.delete(path) for path in paths]
    else:
        known = [Path(path).exists() for path in paths]
        for path in paths:
            Path(path).unlink(missing_ok=True)
    return all(known)
