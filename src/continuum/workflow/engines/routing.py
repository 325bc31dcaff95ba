"""One engine made of two: tasks that name the process engine go there, all others to the usual one."""

import threading
from collections.abc import Callable, Sequence

from continuum.workflow.engines.contracts import Engine, EngineLoad, EngineSink
from continuum.workflow.messages import Event, FunctionCode, RunSpec, TaskSpec


class RoutedEngine:
    """See `contracts.Engine`. Both engines share one budget; what they say comes in the order it was said."""

    def __init__(self, usual: Engine, apart: Engine) -> None:
        self._usual = usual
        self._forget: Callable[[Sequence[str]], None] | None = getattr(usual, "forget", None)
        self._apart = apart
        self._codes: dict[str, FunctionCode] = {}
        self._known_apart: set[str] = set()

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Start both; the second costs nothing until it has a task."""
        self._lock = threading.Lock()

        def say(events: Sequence[Event]) -> None:
            with self._lock:
                sink(events)

        self._usual.start(run, say)
        self._apart.start(run, say)

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks."""
        for code in functions:
            self._codes[code.function] = code
        apart = [task for task in tasks if task.engine]
        if not apart:
            self._usual.submit(functions, tasks)
            return
        usual = [task for task in tasks if not task.engine]
        self._usual.submit(functions, usual)
        wanted = {task.function for task in apart} - self._known_apart
        self._known_apart |= wanted
        self._apart.submit([self._codes[name] for name in wanted if name in self._codes], apart)

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks."""
        self._usual.cancel(task_ids)
        self._apart.cancel(task_ids)

    def forget(self, data: Sequence[str]) -> None:
        """Nobody needs these data any more: an engine with copies of its own lets them go."""
        if self._forget is not None:
            self._forget(data)

    def load(self) -> EngineLoad:
        """Return how busy both are."""
        loads = (self._usual.load(), self._apart.load())
        return EngineLoad(
            running_tasks=sum(load.running_tasks for load in loads),
            queued_tasks=sum(load.queued_tasks for load in loads),
        )

    def close(self) -> None:
        """End both; blocks."""
        self._apart.close()
        self._usual.close()
