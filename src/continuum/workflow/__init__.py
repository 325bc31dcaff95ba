"""Workflows: sequential programs whose decorated calls become a graph of tasks that run where they fit best.

Belongs here: the programming model, the driver of a run, the engines that execute tasks inside a site. Never
here: where objects lie and how they are copied (the store), what a site is (sites).

What programs use: `task`, `constraint`, `on_failure`, the directions, `wait_on`, `barrier`, `open_file`,
`wait_on_file`, `wait_on_directory`, `delete_object`, `delete_file`, `TaskFailedError`.

Names are imported when they are first used: workers, which import parts of this package, start in a few
milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.workflow.awaiting import as_completed, gather, map_calls
    from continuum.workflow.beginnings import HOLD_S, Beginning, RunOptions, choose_to_resume
    from continuum.workflow.cancelling import cancel_anywhere, cancel_here
    from continuum.workflow.coding import archive_modules
    from continuum.workflow.compss import COMPSS
    from continuum.workflow.constraints import constraint
    from continuum.workflow.decorating import Task, task
    from continuum.workflow.directions import (
        COLLECTION_FILE_IN,
        COLLECTION_FILE_INOUT,
        COLLECTION_FILE_OUT,
        COLLECTION_IN,
        COLLECTION_INOUT,
        COLLECTION_OUT,
        COMMUTATIVE,
        CONCURRENT,
        DICTIONARY_IN,
        DICTIONARY_INOUT,
        DICTIONARY_OUT,
        DIRECTORY_IN,
        DIRECTORY_INOUT,
        DIRECTORY_OUT,
        FILE_COMMUTATIVE,
        FILE_CONCURRENT,
        FILE_IN,
        FILE_INOUT,
        FILE_OUT,
        IN,
        IN_DELETE,
        INOUT,
        OUT,
    )
    from continuum.workflow.drawing import draw_dot, draw_svg, picture_of
    from continuum.workflow.driver import Driver
    from continuum.workflow.driving import DriverConnection
    from continuum.workflow.engines.choosing import parse_engine
    from continuum.workflow.engines.clustering import make_key
    from continuum.workflow.engines.clusters import ClusterAddress
    from continuum.workflow.engines.hiring import Census, Hiring, PoolMaker, Team, WorkerPool
    from continuum.workflow.engines.tending import SchedulerLink, WorkerSeen
    from continuum.workflow.executors import LocalExecutor
    from continuum.workflow.failures import TaskFailedError
    from continuum.workflow.following import JournalTail, last_lines
    from continuum.workflow.forgetting import Remains, end_lost_run, find_old, forget_runs, remains_of
    from continuum.workflow.futures import Future
    from continuum.workflow.groups import TaskGroupError, barrier_group, cancel_group, group
    from continuum.workflow.handing import HandedRun
    from continuum.workflow.journals import (
        RunSummary,
        find_folder,
        list_summaries,
        read_records,
        read_summary,
    )
    from continuum.workflow.kinds.configuring import software
    from continuum.workflow.kinds.decorators import (
        binary,
        container,
        epilog,
        http,
        io_task,
        mpi,
        mpmd_mpi,
        multinode,
        openmp,
        prolog,
    )
    from continuum.workflow.kinds.implementing import implement
    from continuum.workflow.kinds.reducing import reduction
    from continuum.workflow.limiting import count_sites, set_wall_clock, snapshot, stop_run
    from continuum.workflow.looping import OwnLoop
    from continuum.workflow.messages import RunSpec
    from continuum.workflow.offering import find_gpus, find_labels, find_storage_bytes
    from continuum.workflow.opening import run
    from continuum.workflow.pinning import pinned
    from continuum.workflow.programming import on_failure, use_run
    from continuum.workflow.pycompss import install as install_pycompss
    from continuum.workflow.recounting import with_counts
    from continuum.workflow.remoting import RemoteExecutor
    from continuum.workflow.running import Run
    from continuum.workflow.runs import RunEntry, RunRegistry, list_runs, show_run, to_entry
    from continuum.workflow.seeing.comparing import Comparison, compare_runs
    from continuum.workflow.seeing.crates import CrateOptions, write_crate
    from continuum.workflow.seeing.gantts import draw_gantt
    from continuum.workflow.seeing.pages import draw_page
    from continuum.workflow.seeing.traces import trace_of
    from continuum.workflow.serving import ServiceLoad, TaskService
    from continuum.workflow.sessions import Session, new_run_id
    from continuum.workflow.simulating.asking import simulate_runs
    from continuum.workflow.simulating.running import Outcome
    from continuum.workflow.streaming import FileStream, ObjectStream
    from continuum.workflow.synchronising import (
        barrier,
        delete_file,
        delete_object,
        open_file,
        wait_on,
        wait_on_directory,
        wait_on_file,
    )

_HOMES = {
    "binary": "kinds.decorators",
    "mpi": "kinds.decorators",
    "mpmd_mpi": "kinds.decorators",
    "multinode": "kinds.decorators",
    "openmp": "kinds.decorators",
    "container": "kinds.decorators",
    "http": "kinds.decorators",
    "prolog": "kinds.decorators",
    "epilog": "kinds.decorators",
    "io_task": "kinds.decorators",
    "software": "kinds.configuring",
    "reduction": "kinds.reducing",
    "implement": "kinds.implementing",
    "find_gpus": "offering",
    "find_labels": "offering",
    "find_storage_bytes": "offering",
    "COLLECTION_FILE_IN": "directions",
    "COLLECTION_FILE_INOUT": "directions",
    "COLLECTION_FILE_OUT": "directions",
    "COLLECTION_IN": "directions",
    "COLLECTION_INOUT": "directions",
    "COLLECTION_OUT": "directions",
    "COMMUTATIVE": "directions",
    "COMPSS": "compss",
    "HandedRun": "handing",
    "CONCURRENT": "directions",
    "DICTIONARY_IN": "directions",
    "DICTIONARY_INOUT": "directions",
    "DICTIONARY_OUT": "directions",
    "DIRECTORY_IN": "directions",
    "DIRECTORY_INOUT": "directions",
    "DIRECTORY_OUT": "directions",
    "FILE_COMMUTATIVE": "directions",
    "FILE_CONCURRENT": "directions",
    "FILE_IN": "directions",
    "FILE_INOUT": "directions",
    "FILE_OUT": "directions",
    "FileStream": "streaming",
    "IN": "directions",
    "INOUT": "directions",
    "IN_DELETE": "directions",
    "OUT": "directions",
    "Driver": "driver",
    "JournalTail": "following",
    "last_lines": "following",
    "DriverConnection": "driving",
    "Future": "futures",
    "LocalExecutor": "executors",
    "ObjectStream": "streaming",
    "RemoteExecutor": "remoting",
    "Run": "running",
    "RunEntry": "runs",
    "to_entry": "runs",
    "Beginning": "beginnings",
    "Outcome": "simulating.running",
    "HOLD_S": "beginnings",
    "remains_of": "forgetting",
    "forget_runs": "forgetting",
    "find_old": "forgetting",
    "end_lost_run": "forgetting",
    "Remains": "forgetting",
    "RunOptions": "beginnings",
    "choose_to_resume": "beginnings",
    "cancel_anywhere": "cancelling",
    "cancel_here": "cancelling",
    "RunRegistry": "runs",
    "RunSummary": "journals",
    "ServiceLoad": "serving",
    "Session": "sessions",
    "Task": "decorating",
    "TaskFailedError": "failures",
    "TaskGroupError": "groups",
    "TaskService": "serving",
    "archive_modules": "coding",
    "as_completed": "awaiting",
    "barrier": "synchronising",
    "barrier_group": "groups",
    "cancel_group": "groups",
    "constraint": "constraints",
    "count_sites": "limiting",
    "delete_file": "synchronising",
    "delete_object": "synchronising",
    "Comparison": "seeing.comparing",
    "CrateOptions": "seeing.crates",
    "write_crate": "seeing.crates",
    "compare_runs": "seeing.comparing",
    "draw_dot": "drawing",
    "draw_gantt": "seeing.gantts",
    "draw_page": "seeing.pages",
    "trace_of": "seeing.traces",
    "draw_svg": "drawing",
    "find_folder": "journals",
    "gather": "awaiting",
    "group": "groups",
    "install_pycompss": "pycompss",
    "list_runs": "runs",
    "list_summaries": "journals",
    "map_calls": "awaiting",
    "on_failure": "programming",
    "new_run_id": "sessions",
    "open_file": "synchronising",
    "parse_engine": "engines.choosing",
    "picture_of": "drawing",
    "read_records": "journals",
    "read_summary": "journals",
    "show_run": "runs",
    "run": "opening",
    "set_wall_clock": "limiting",
    "snapshot": "limiting",
    "stop_run": "limiting",
    "task": "decorating",
    "simulate_runs": "simulating.asking",
    "pinned": "pinning",
    "use_run": "programming",
    "wait_on": "synchronising",
    "wait_on_directory": "synchronising",
    "wait_on_file": "synchronising",
    "with_counts": "recounting",
    "Census": "engines.hiring",
    "ClusterAddress": "engines.clusters",
    "Hiring": "engines.hiring",
    "OwnLoop": "looping",
    "PoolMaker": "engines.hiring",
    "RunSpec": "messages",
    "SchedulerLink": "engines.tending",
    "Team": "engines.hiring",
    "WorkerPool": "engines.hiring",
    "WorkerSeen": "engines.tending",
    "make_key": "engines.clustering",
}

__all__ = [
    "COLLECTION_FILE_IN",
    "COLLECTION_FILE_INOUT",
    "COLLECTION_FILE_OUT",
    "COLLECTION_IN",
    "COLLECTION_INOUT",
    "COLLECTION_OUT",
    "COMMUTATIVE",
    "COMPSS",
    "CONCURRENT",
    "DICTIONARY_IN",
    "DICTIONARY_INOUT",
    "DICTIONARY_OUT",
    "DIRECTORY_IN",
    "DIRECTORY_INOUT",
    "DIRECTORY_OUT",
    "FILE_COMMUTATIVE",
    "FILE_CONCURRENT",
    "FILE_IN",
    "FILE_INOUT",
    "FILE_OUT",
    "HOLD_S",
    "IN",
    "INOUT",
    "IN_DELETE",
    "OUT",
    "Beginning",
    "Census",
    "ClusterAddress",
    "Comparison",
    "CrateOptions",
    "Driver",
    "DriverConnection",
    "FileStream",
    "Future",
    "HandedRun",
    "Hiring",
    "JournalTail",
    "LocalExecutor",
    "ObjectStream",
    "Outcome",
    "OwnLoop",
    "PoolMaker",
    "Remains",
    "RemoteExecutor",
    "Run",
    "RunEntry",
    "RunOptions",
    "RunRegistry",
    "RunSpec",
    "RunSummary",
    "SchedulerLink",
    "ServiceLoad",
    "Session",
    "Task",
    "TaskFailedError",
    "TaskGroupError",
    "TaskService",
    "Team",
    "WorkerPool",
    "WorkerSeen",
    "archive_modules",
    "as_completed",
    "barrier",
    "barrier_group",
    "binary",
    "cancel_anywhere",
    "cancel_group",
    "cancel_here",
    "choose_to_resume",
    "compare_runs",
    "constraint",
    "container",
    "count_sites",
    "delete_file",
    "delete_object",
    "draw_dot",
    "draw_gantt",
    "draw_page",
    "draw_svg",
    "end_lost_run",
    "epilog",
    "find_folder",
    "find_gpus",
    "find_labels",
    "find_old",
    "find_storage_bytes",
    "forget_runs",
    "gather",
    "group",
    "http",
    "implement",
    "install_pycompss",
    "io_task",
    "last_lines",
    "list_runs",
    "list_summaries",
    "make_key",
    "map_calls",
    "mpi",
    "mpmd_mpi",
    "multinode",
    "new_run_id",
    "on_failure",
    "open_file",
    "openmp",
    "parse_engine",
    "picture_of",
    "pinned",
    "prolog",
    "read_records",
    "read_summary",
    "reduction",
    "remains_of",
    "run",
    "set_wall_clock",
    "show_run",
    "simulate_runs",
    "snapshot",
    "software",
    "stop_run",
    "task",
    "to_entry",
    "trace_of",
    "use_run",
    "wait_on",
    "wait_on_directory",
    "wait_on_file",
    "with_counts",
    "write_crate",
]

_RENAMED = {"install_pycompss": "install"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), _RENAMED.get(name, name))
