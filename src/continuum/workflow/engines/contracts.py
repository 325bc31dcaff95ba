"""What an engine is: it executes tasks inside one site, in the order and as far at once as the site allows.

An engine knows nothing of other sites. Every input of a task that it gets is inline or lies in the run's
data folder; outputs come back inline if they are small, else they lie there when the task is reported
finished. Fetching and publishing is done around it (see `executors` and `serving`).

`continuum.testing.EngineConformance` is the other half of this contract: every engine passes it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from continuum.workflow.messages import Event, FunctionCode, RunSpec, TaskSpec

EngineSink = Callable[[Sequence[Event]], None]
"""Called with events in order, never by two threads at once, never while the engine holds a lock."""


class EngineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy an engine is."""

    running_tasks: int
    queued_tasks: int


class Engine(Protocol):
    """Executes the tasks of one run. All methods may be called from any thread, and return at once.

    Every submitted task is answered by exactly one `TaskFinished` or `TaskFailed`, except those that `close`
    ends. `TaskStarted` is said only of tasks that take longer than a moment.
    """

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Get ready. Raises `UnavailableError` if the engine cannot work here."""

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; `functions` are those not seen before."""

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks: each answers `TaskFailed(kind=CANCELLED)` unless it finished before."""

    def load(self) -> EngineLoad:
        """Return how busy it is now."""

    def close(self) -> None:
        """End every process of the engine; blocks until they are gone (seconds). No events come after."""
