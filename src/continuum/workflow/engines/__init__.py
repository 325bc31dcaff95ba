"""Engines: each executes the tasks of a run inside one site, behind `contracts.Engine`.

What whoever writes one needs is found here; `continuum.testing.EngineConformance` is what it has to pass.
Names are imported when they are first used: workers, which import parts of this package, start in a few
milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.workflow.engines.budgets import Budget, Share
    from continuum.workflow.engines.contracts import Engine, EngineLoad, EngineSink
    from continuum.workflow.engines.pool import PoolEngine
    from continuum.workflow.folders import DataFolder, RunFolder
    from continuum.workflow.messages import (
        DatumKind,
        Event,
        FailureKind,
        FunctionCode,
        Input,
        ObjectName,
        Output,
        Produced,
        RunSpec,
        TaskFailed,
        TaskFinished,
        TaskSpec,
        TaskStarted,
    )
    from continuum.workflow.serialising import dump_call, dumps, load, load_call, load_file

_HOMES = {
    "engines.budgets": ("Budget", "Share"),
    "engines.contracts": ("Engine", "EngineLoad", "EngineSink"),
    "engines.pool": ("PoolEngine",),
    "folders": ("DataFolder", "RunFolder"),
    "messages": (
        *("DatumKind", "Event", "FailureKind", "FunctionCode", "Input", "ObjectName", "Output", "Produced"),
        *("RunSpec", "TaskFailed", "TaskFinished", "TaskSpec", "TaskStarted"),
    ),
    "serialising": ("dump_call", "dumps", "load", "load_call", "load_file"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Budget",
    "DataFolder",
    "DatumKind",
    "Engine",
    "EngineLoad",
    "EngineSink",
    "Event",
    "FailureKind",
    "FunctionCode",
    "Input",
    "ObjectName",
    "Output",
    "PoolEngine",
    "Produced",
    "RunFolder",
    "RunSpec",
    "Share",
    "TaskFailed",
    "TaskFinished",
    "TaskSpec",
    "TaskStarted",
    "dump_call",
    "dumps",
    "load",
    "load_call",
    "load_file",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"continuum.workflow.{home}"), name)


is_worker = False  # True in a process that is there to execute tasks
