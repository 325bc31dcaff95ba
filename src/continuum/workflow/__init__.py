"""Workflows: sequential programs whose decorated calls become a graph of tasks that run where they fit best.

Belongs here: the programming model, the driver of a run, the engines that execute tasks inside a site. Never
here: where objects lie and how they are copied (the store), what a site is (sites).

Names are imported when they are first used: workers, which import parts of this package, start in a few
milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.workflow.executors import LocalExecutor
    from continuum.workflow.remoting import DriverConnection, RemoteExecutor
    from continuum.workflow.serving import ServiceLoad, TaskService

__all__ = ["DriverConnection", "LocalExecutor", "RemoteExecutor", "ServiceLoad", "TaskService"]

_HOMES = {
    "DriverConnection": "remoting",
    "LocalExecutor": "executors",
    "RemoteExecutor": "remoting",
    "ServiceLoad": "serving",
    "TaskService": "serving",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
