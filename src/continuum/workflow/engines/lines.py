"""Tasks that wait for a worker, in the order in which they go: priority first, then as they came."""

from collections import deque
from collections.abc import Sequence
from itertools import chain, islice

from continuum.workflow.engines.batches import FRAMES, BatchLimits, Durations, choose_batch, is_quick
from continuum.workflow.messages import TaskSpec


class TaskLine:
    """Where tasks wait. A task with a time limit, a need of memory or a process of its own never shares a
    batch.
    """

    def __init__(self, durations: Durations, limits: BatchLimits = FRAMES) -> None:
        self._durations = durations
        self._limits = limits
        self._urgent: deque[TaskSpec] = deque()
        self._normal: deque[TaskSpec] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._normal)

    @property
    def head(self) -> TaskSpec | None:
        """The task that goes next."""
        waiting = self._urgent or self._normal
        return waiting[0] if waiting else None

    def first(self, count: int) -> list[TaskSpec]:
        """Return the tasks that go next, at most so many."""
        return list(islice(chain(self._urgent, self._normal), count))

    def add(self, task: TaskSpec) -> None:
        """Let a task wait."""
        (self._urgent if task.priority else self._normal).append(task)

    def put_back(self, tasks: Sequence[TaskSpec]) -> None:
        """Let tasks wait that had their turn and did not begin: they go first."""
        for task in reversed(tasks):
            (self._urgent if task.priority else self._normal).appendleft(task)

    def remove(self, task_ids: set[int]) -> list[TaskSpec]:
        """Take tasks away; return those that were there."""
        found = []
        for waiting in (self._urgent, self._normal):
            chosen = [task for task in waiting if task.task_id in task_ids]
            found += chosen
            if chosen:
                kept = [task for task in waiting if task.task_id not in task_ids]
                waiting.clear()
                waiting.extend(kept)
        return found

    def clear(self) -> list[TaskSpec]:
        """Take all away."""
        found = [*self._urgent, *self._normal]
        self._urgent.clear()
        self._normal.clear()
        return found

    def is_batched(self, task: TaskSpec) -> bool:
        """Tell whether a task may go together with others."""
        return _may_share(task) and is_quick(self._durations.expected(task.function), self._limits)

    def take_batch(self, workers: int, load_s: float) -> tuple[list[TaskSpec], list[float]]:
        """Take what one of `workers`, who has work for `load_s`, gets, and what each is expected to take."""
        waiting = self._urgent or self._normal
        first = waiting.popleft()
        expected = self._durations.expected(first.function)
        tasks, durations = [first], [expected]
        if not self.is_batched(first):
            return tasks, durations
        count = choose_batch(len(waiting) + 1, workers, load_s, expected, self._limits)
        room_s = self._limits.window_s - load_s - expected
        room_bytes = self._limits.size_bytes - _size(first)
        while len(tasks) < count:
            task = waiting[0]
            expected = self._durations.expected(task.function)
            room_s -= expected
            room_bytes -= _size(task)
            if room_s < 0 or room_bytes < 0:
                break
            if not _may_share(task) or task.computing_units != first.computing_units:
                break
            tasks.append(waiting.popleft())
            durations.append(expected)
        return tasks, durations


def _may_share(task: TaskSpec) -> bool:
    return not (task.time_out_s or task.memory_bytes or task.gpus or task.engine)


def _size(task: TaskSpec) -> int:
    return len(task.call) + sum(each.size_bytes for each in task.inputs if each.inline is not None)
