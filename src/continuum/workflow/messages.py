"""What a driver and the sites of its run say to each other.

One vocabulary serves both ways of running: `Executor` is a site as the driver sees it, be it this very
process's machine (`continuum run --local`) or an agent behind the backbone. A datum is one immutable version
of one value (an object or a file) of a run; INOUT makes a new datum.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from continuum.model.pools import PoolRequest
from continuum.model.sites import Transfer


class DatumKind(StrEnum):
    """What a datum is: a Python object (serialised), a file (bytes as they are), a directory (`packing`)."""

    OBJECT = "object"
    FILE = "file"
    DIRECTORY = "directory"


def kind_of(name: str) -> DatumKind:
    """Return what a datum with the name of a file is: names of directories end with a slash."""
    return DatumKind.DIRECTORY if name.endswith("/") else DatumKind.FILE


class ObjectName(msgspec.Struct, frozen=True, array_like=True):
    """An object of the global name space."""

    bucket: str
    key: str


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A datum that a task reads.

    Exactly one way to get it holds: it is `inline`, it is already at the site, or it is `published`.

    `file_name` (files only) is the base name under which the task sees it.
    """

    datum: str
    kind: DatumKind = DatumKind.OBJECT
    size_bytes: int = 0
    inline: bytes | None = None
    published: ObjectName | None = None
    file_name: str = ""


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A datum that a task writes: a return value or a parameter as it is after the call.

    `parameter` names the parameter; empty: the `index`-th return value. `element` not empty: not the
    parameter itself but that element of it (see `engines.elements`). `is_there`: a directory that the task
    finds there, empty; else it makes it. `publish_as` is the object of the
    global store that it becomes: the site stages it (`Staged`) before it reports the task finished.
    """

    datum: str
    kind: DatumKind = DatumKind.OBJECT
    index: int = 0
    parameter: str = ""
    file_name: str = ""
    publish_as: ObjectName | None = None
    element: tuple[int, ...] = ()
    is_there: bool = False


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a site needs to execute one task once.

    `call` is `(args, kwargs)` in the project's serialisation (`workflow.serialising`), in which input `i`
    stands as slot `i`. `key` names the call across drivers of the run (empty: it has no such name).
    `return_count` is how many values the function's result is split into (0: none is
    kept; 1: the result itself). `engine` names the engine that it needs, if that is not the usual one;
    `computing_units` 0: it only reads and writes, and takes none.
    """

    task_id: int
    attempt: int
    function: str
    call: bytes
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    return_count: int = 0
    computing_units: int = 1
    memory_bytes: int = 0
    time_out_s: float = 0.0
    priority: bool = False
    gpus: int = 0
    engine: str = ""
    key: bytes = b""


class FunctionCode(msgspec.Struct, frozen=True, kw_only=True):
    """A function by content: `function` is the digest of `pickled` (cloudpickle).

    `content` is what it says, the same for every driver of the same program.
    """

    function: str
    name: str
    pickled: bytes
    content: str = ""


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a site must know to take part in a run.

    `code` is a zip archive of the modules beside the program; workers import from it. `objects` is the bucket
    (and key prefix) in which the run's data that crosses sites is published. `environment` is added to the
    workers' environment. `incarnation` counts how often the run was resumed. `hold_s`: for how long a site
    goes on with the run while its driver is silent (at least as long as it would wait for it anyway). `pool`
    is what the run asks of its workers where the site makes some for it (None: nothing).
    """

    run_id: str
    application: str
    code: bytes = b""
    objects: ObjectName
    environment: dict[str, str] = {}
    arguments: tuple[str, ...] = ()
    inline_limit_bytes: int = 4096
    incarnation: int = 0
    hold_s: float = 0.0
    pool: PoolRequest | None = None


class FailureKind(StrEnum):
    """Why a task did not finish."""

    RAISED = "raised"  # the function raised
    RAISED_FOR_GROUP = "raised_for_group"  # it raised what cancels its group (`grouping.TaskGroupError`)
    WORKER_LOST = "worker_lost"  # its process died
    INPUT_LOST = "input_lost"  # an input could not be got
    OUTPUT_LOST = "output_lost"  # an output could not be stored
    UNFIT_OUTPUT = "unfit_output"  # not what was declared, or it cannot be sent: it would be the same again
    OUTPUT_UNKNOWN = "output_unknown"  # nobody answers whether it was stored; never tried again
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SITE_LOST = "site_lost"  # said by the driver itself


class Staged(msgspec.Struct, frozen=True, array_like=True):
    """What a task wrote for the object `name`, in the store but not that object yet."""

    name: ObjectName
    upload_id: str
    parts: tuple[tuple[int, str], ...]


class Produced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A datum that is there now: `inline` if it is small, else at the site, and in the global store if
    `published`; `staged`: it will be, once the driver completes it.
    """

    datum: str
    size_bytes: int
    inline: bytes | None = None
    published: ObjectName | None = None
    staged: Staged | None = None


class TaskStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A worker began. `at` is the site's clock, seconds since the epoch."""

    task_id: int
    attempt: int
    at: float


class TaskFinished(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A task is done and its outputs are there.

    `run_s` is the function alone, `moved_bytes` what came from other sites for it, in `transfers`.
    """

    task_id: int
    attempt: int
    outputs: tuple[Produced, ...] = ()
    started_at: float = 0.0
    run_s: float = 0.0
    move_s: float = 0.0
    moved_bytes: int = 0
    worker: str = ""
    transfers: tuple[Transfer, ...] = ()


class TaskFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A task did not finish.

    `traceback` is the task's own, as text; `exception` the pickled exception if it can be pickled.
    """

    task_id: int
    attempt: int
    kind: FailureKind
    message: str
    traceback: str = ""
    exception: bytes = b""
    lost_datum: str = ""
    worker: str = ""


def failed_task(task: TaskSpec, kind: FailureKind, message: str, *, worker: str = "") -> TaskFailed:
    """Return that a task did not finish."""
    return TaskFailed(task_id=task.task_id, attempt=task.attempt, kind=kind, message=message, worker=worker)


def not_begun(task: TaskSpec) -> TaskFailed:
    """Return that a task was cancelled before it began."""
    return failed_task(task, FailureKind.CANCELLED, "cancelled before it began")


class DatumPublished(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Answer to `Executor.publish`: the datum is in the global store, or (`problem` not empty) cannot be put
    there.
    """

    datum: str
    published: ObjectName | None = None
    problem: str = ""


class DatumBrought(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Answer to `Executor.bring`: the datum is at the site (`transfer`: how it came), or (`problem` not
    empty) it was not brought.
    """

    datum: str
    transfer: Transfer | None = None
    problem: str = ""


class OutputsCompleted(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Answer to `Executor.complete` (said by the executor itself): all objects are written, or (`problem`
    not empty) not; then `is_unknown` tells that some may be.
    """

    task_id: int
    attempt: int
    problem: str = ""
    is_unknown: bool = False


class SiteGone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The site does not answer any more (said by the executor itself): what ran or lay there only is lost."""

    reason: str


class SiteAway(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The site does not answer (said by the executor itself), but may go on with what it has: nothing is lost
    yet. Followed by `SiteBack`, or by `SiteGone`."""

    reason: str


class SiteBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A site that was away answers again (said by the executor itself), and has what it had."""


class SiteLeaving(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The site is going to stop (said by its agent): it finishes what runs and takes nothing new. The driver
    parts from it when it needs nothing from there any more."""

    reason: str


class SiteReturned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A site that was gone has opened the run again (said by the executor itself): it knows nothing of it."""

    computing_units: int


class WorkersChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A site has so many workers for the run now (a Dask of its own: for all runs), and why."""

    workers: int
    reason: str


Event = (
    TaskStarted
    | TaskFinished
    | TaskFailed
    | DatumPublished
    | DatumBrought
    | OutputsCompleted
    | SiteGone
    | SiteReturned
    | WorkersChanged
    | SiteAway
    | SiteBack
    | SiteLeaving
)
EventSink = Callable[[str, Sequence[Event]], None]
"""Called with the site's name and its events, in order, from any thread."""


class Executor(Protocol):
    """A site as the driver sees it.

    Calls return at once; what comes of them arrives as events. All may be called from any thread.
    """

    @property
    def site(self) -> str:
        """The site's name."""

    @property
    def computing_units(self) -> int:
        """How many computing units it offers to this run."""

    def start(self, run: RunSpec, sink: EventSink) -> None:
        """Get ready: raises `UnavailableError` if the site cannot take part."""

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; `functions` are those that the site has not seen in this run."""

    def put(self, datum: str, source: bytes | Path, name: ObjectName) -> None:
        """Take a datum that the driver itself has: its bytes, or a file of the driver's machine.

        A site behind the backbone gets it through its gateway, as the object `name`; a local one keeps it in
        the run's data (a file may be linked instead of copied: it is never written to). Answered by
        `DatumPublished`, with `published` None if it now lies at the site only. An object is told of
        even if the site is lost meanwhile.
        """

    def publish(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Put data that lie at the site into the global store."""

    def bring(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Fetch data that tasks are going to read here; each is answered by `DatumBrought`."""

    def complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        """Let what a task staged, at whatever site, be its objects; answered by `OutputsCompleted`."""

    def unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        """What was staged at this site is complete, or (else) is to be removed."""

    def drop(self, data: Sequence[str]) -> None:
        """Forget data that nobody will need again."""

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks; each answers with `TaskFailed(kind=CANCELLED)` unless it finished before."""

    def read(self, datum: str, published: ObjectName | None) -> bytes:
        """Return the bytes of a datum that lies at this site or in the global store; blocks.

        Raises `UnavailableError`.
        """

    def give_up(self, reason: str) -> None:
        """Do not wait any longer for a site that is away or leaving: it is gone, unless it is back by now."""

    def close(self) -> None:
        """End the workers of this run and remove its data from the site."""
