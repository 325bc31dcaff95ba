"""`from pycompss.api.api import compss_wait_on, compss_barrier, compss_open, …`."""

import logging
import os
from pathlib import Path
from typing import IO, Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.groups import barrier_group, cancel_group, group
from continuum.workflow.limiting import count_sites, set_wall_clock, snapshot
from continuum.workflow.programming import find_run
from continuum.workflow.pycompss.api.exceptions import COMPSsException
from continuum.workflow.pycompss.refusing import refuse
from continuum.workflow.synchronising import (
    barrier,
    delete_file,
    delete_object,
    open_file,
    wait_on,
    wait_on_file,
)


def compss_wait_on(*args: Any, **kwargs: Any) -> Any:
    """Return the values of futures and of objects that tasks have changed; in lists, tuples, dicts too.

    `mode="r"`: the program only reads them (`to_write=False` means the same).
    """
    mode = kwargs.pop("mode", None)
    to_write = kwargs.pop("to_write", None)
    if kwargs:
        raise InvalidInputError(f"compss_wait_on({next(iter(kwargs))}=…) is not supported yet")
    if mode is None:
        mode = "rw" if to_write is None or to_write else "r"
    return wait_on(*args, mode=str(mode))


def compss_wait_on_file(*args: str) -> Any:
    """Wait for files: their newest versions then are at their paths."""
    return wait_on_file(*args)


def compss_barrier(no_more_tasks: bool = False) -> None:  # noqa: ARG001 - PyCOMPSs' own
    """Wait for all tasks. (`no_more_tasks` only lets COMPSs release resources earlier.)"""
    barrier()


class TaskGroup(group):
    """The tasks called inside this `with`; its end waits for them unless `implicit_barrier` is False.

    `COMPSsException` raised by a task comes out of it.
    """

    error = COMPSsException

    def __init__(self, group_name: str, implicit_barrier: bool = True) -> None:
        super().__init__(str(group_name), waits=implicit_barrier, cancels=False)
        self.group_name = group_name
        self.implicit_barrier = implicit_barrier


def compss_barrier_group(group_name: str) -> None:
    """Wait for the tasks of a group; raises `COMPSsException` if one of them did."""
    barrier_group(str(group_name), error=COMPSsException)


def compss_cancel_group(group_name: str) -> None:
    """Cancel the tasks of a group that have not finished."""
    cancel_group(str(group_name))


def compss_open(file_name: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    """Open a file as tasks have left it."""
    return open_file(file_name, mode)


def compss_delete_object(*args: Any) -> Any:
    """Forget objects; True for each that was known."""
    known = [delete_object(value) for value in args]
    return known[0] if len(known) == 1 else known


def compss_delete_file(*args: str) -> Any:
    """Delete files once no task needs them; True for each that was known."""
    known = [delete_file(path) for path in args]
    return known[0] if len(known) == 1 else known


def compss_file_exists(*args: str) -> Any:
    """Whether files exist for the program, after the tasks that write them."""
    wait_on_file(*args)
    found = [Path(path).exists() for path in args]
    return found[0] if len(found) == 1 else found


def compss_start(*_: Any, **__: Any) -> None:
    """Nothing: `continuum run` starts the run before the program."""


def compss_stop(*_: Any, **__: Any) -> None:
    """Nothing: the run ends with the program."""


def compss_get_number_of_resources() -> int:
    """How many sites take part in the run."""
    return count_sites()


def compss_request_resources(num_resources: int, group_name: str | None = None) -> None:  # noqa: ARG001
    """Refused in a run: workers follow the queue by themselves, and sites are there or not."""
    if find_run() is not None:
        _ask_for_resources("compss_request_resources")


def compss_free_resources(num_resources: int, group_name: str | None = None) -> None:  # noqa: ARG001
    """Refused in a run, as `compss_request_resources`."""
    if find_run() is not None:
        _ask_for_resources("compss_free_resources")


def _ask_for_resources(name: str) -> None:
    refuse(name, hint="workers follow the queue by themselves; `continuum site list` shows what there is")()


def compss_set_wall_clock(wall_clock_limit: float) -> None:
    """Cancel what is not finished this many seconds from now."""
    set_wall_clock(wall_clock_limit)


def compss_snapshot() -> None:
    """Keep what is finished, so that the run can be resumed from here."""
    snapshot()


def compss_add_logger(logger_name: str) -> None:
    """Show what this logger of the program says, at standard error, as the runtime's own."""
    logger = logging.getLogger(logger_name)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


compss_exists = compss_file_exists
compss_wait_on_directory = compss_wait_on_file

__all__ = [
    "TaskGroup",
    "compss_add_logger",
    "compss_barrier",
    "compss_barrier_group",
    "compss_cancel_group",
    "compss_delete_file",
    "compss_delete_object",
    "compss_exists",
    "compss_file_exists",
    "compss_free_resources",
    "compss_get_number_of_resources",
    "compss_open",
    "compss_request_resources",
    "compss_set_wall_clock",
    "compss_snapshot",
    "compss_start",
    "compss_stop",
    "compss_wait_on",
    "compss_wait_on_directory",
    "compss_wait_on_file",
]
