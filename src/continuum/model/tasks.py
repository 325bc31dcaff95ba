"""Tasks, their data and what a person may ask of them: the things that the graph is made of.

A datum is one immutable version of one value of a run. Whatever writes (OUT, INOUT, a return value) makes a
new datum, so no writer ever waits for a reader of the older version. Only `graph` changes these objects; they
are plain slotted classes because hundreds of thousands of them live in one run.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec


class TaskState(StrEnum):
    """Where a task is on its way. Those after `RUNNING` are final unless its data are lost later."""

    WAITING = "waiting"  # for its inputs
    READY = "ready"  # for a site
    MOVING = "moving"  # placed; inputs are on their way into the global store
    SUBMITTED = "submitted"  # handed to its site
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    IGNORED = "ignored"  # failed, and its policy says to go on with defaults
    CANCELLED = "cancelled"


class DatumState(StrEnum):
    """Whether a datum can be read."""

    PENDING = "pending"
    READY = "ready"
    DROPPED = "dropped"  # was there; gone because nobody needed it or its site was lost; can be made again
    FAILED = "failed"


class OnFailure(StrEnum):
    """What happens when a task fails."""

    RETRY = "RETRY"
    FAIL = "FAIL"
    CANCEL_SUCCESSORS = "CANCEL_SUCCESSORS"
    IGNORE = "IGNORE"


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a task must have at its site: hard constraints.

    `computing_units` 0: it only reads and writes, and runs beside what computes. `labels` are further
    properties that the site must declare (`model.offers`), as name and value. `nodes`: machines.
    `is_apart`: it runs in processes of its own, so that no single worker need be large enough.
    """

    computing_units: int = 1
    memory_bytes: int = 0
    architecture: str = ""
    software: tuple[str, ...] = ()
    site: str = ""
    gpus: int = 0
    storage_bytes: int = 0
    nodes: int = 1
    labels: tuple[tuple[str, str], ...] = ()
    is_apart: bool = False


NO_NEEDS = Needs()


class Datum:
    """One immutable version of one value.

    `sites` hold its bytes in their run data, `replicas` in their store (then `published` names the object).
    `is_external`: that object is the user's own, not the run's.
    `inline` are the bytes themselves, if small. `holders` counts who may still ask for it on the program's
    side, `readers` the unsettled tasks that read it. `origin` is what the driver can supply it from again.
    `identity` tells, across drivers of the same run, what it is (empty: not known).
    `same_as` is the datum whose bytes these are, when a failure was ignored.
    """

    __slots__ = (
        "awaiting",
        "holders",
        "id",
        "identity",
        "inline",
        "is_external",
        "is_file",
        "name",
        "origin",
        "previous",
        "problem",
        "producer",
        "publish_failures",
        "published",
        "publishing",
        "readers",
        "replicas",
        "same_as",
        "sites",
        "size_bytes",
        "state",
        "waiting",
        "watchers",
    )

    def __init__(self, datum_id: str, *, is_file: bool = False, name: str = "") -> None:
        self.id = datum_id
        self.identity = b""
        self.is_file = is_file
        self.name = name
        self.state = DatumState.PENDING
        self.size_bytes = 0
        self.sites: tuple[str, ...] = ()
        self.replicas: tuple[str, ...] = ()
        self.inline: bytes | None = None
        self.published: Any = None
        self.is_external = False
        self.publishing = ""
        self.publish_failures = 0
        self.producer: Task | None = None
        self.previous: Datum | None = None
        self.same_as: Datum | None = None
        self.origin: Any = None
        self.holders = 0
        self.readers = 0
        self.waiting: list[Task] = []
        self.awaiting: list[Task] = []
        self.watchers: list[Any] = []
        self.problem: Problem | None = None

    @property
    def source(self) -> "Datum":
        """The datum under whose id the bytes lie."""
        return self.same_as or self

    @property
    def is_available(self) -> bool:
        """Whether its bytes are somewhere."""
        return self.inline is not None or bool(self.sites) or self.published is not None

    def __repr__(self) -> str:
        return f"Datum({self.id}, {self.state})"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a task has no result: the task at the root of it, what went wrong, and the task's own traceback."""

    task_id: int
    function: str
    kind: str
    message: str
    site: str = ""
    worker: str = ""
    traceback: str = ""
    exception: bytes = b""
    tries: int = 1


class Task:
    """One call of a decorated function.

    `defaults` maps the index of a write to the bytes that stand for it when a failure is ignored. `after` are
    tasks that must be settled first although no datum says so. `groups` are those that it belongs to, the
    outermost first (`grouping.Group`). `commuting` is its place among tasks that may run in any order
    (`commuting.Turn`), or None. `payload` belongs to the driver, `rank` to placement: the seconds of work
    that follow. `key` names the call across drivers of the same run. `max_tries` is how often it is tried at
    most (0: as often as the run says).
    """

    __slots__ = (
        "after",
        "attempt",
        "commuting",
        "defaults",
        "failures",
        "followers",
        "function",
        "groups",
        "id",
        "input_losses",
        "is_priority",
        "key",
        "max_tries",
        "missing",
        "needs",
        "on_failure",
        "payload",
        "problem",
        "rank",
        "reads",
        "recoveries",
        "site",
        "site_losses",
        "state",
        "tried",
        "writes",
    )

    def __init__(
        self,
        task_id: int,
        function: str,
        reads: Sequence[Datum] = (),
        writes: Sequence[Datum] = (),
        *,
        needs: Needs = NO_NEEDS,
        on_failure: OnFailure = OnFailure.RETRY,
        is_priority: bool = False,
        after: Sequence["Task"] = (),
        payload: Any = None,
    ) -> None:
        self.id = task_id
        self.function = function
        self.reads = reads
        self.writes = writes
        self.needs = needs
        self.on_failure = on_failure
        self.is_priority = is_priority
        self.after = after
        self.payload = payload
        self.key = b""
        self.max_tries = 0
        self.state = TaskState.WAITING
        self.site = ""
        self.attempt = 0
        self.failures = 0
        self.input_losses = 0
        self.site_losses = 0
        self.recoveries = 0
        self.missing = 0
        self.rank = 0.0
        self.tried: tuple[str, ...] = ()
        self.followers: list[Task] | None = None
        self.groups: tuple[Any, ...] = ()
        self.commuting: Any = None
        self.defaults: dict[int, bytes] | None = None
        self.problem: Problem | None = None

    def __repr__(self) -> str:
        return f"Task({self.id}, {self.function}, {self.state})"
