"""One site in the driver's hands: what is queued for it, how much it may have at once, what it has finished.

A site gets as many tasks as keep it busy for a short while (`AHEAD_S` of work per computing unit) and no
more: what waits here can still be placed elsewhere or cancelled for nothing. Tiny tasks so come in large
batches, as the engine likes them, and long ones nearly one by one.
"""

from collections import deque

from continuum.model.placement import SiteLoad
from continuum.model.tasks import Task, TaskState
from continuum.workflow.messages import Executor, FunctionCode, TaskSpec

AHEAD_S = 0.05
LEAST_PER_UNIT = 3
MOST_PER_UNIT = 400
UNKNOWN_S = 0.012  # until something has finished: a few per unit
OVERHEAD_S = 0.0001  # what an empty task costs anyway


class SiteQueue:
    """The tasks placed at one site that it does not have yet, and those that it has."""

    __slots__ = (
        "executor",
        "finished",
        "functions",
        "in_flight",
        "known",
        "load",
        "mean_s",
        "moved_bytes",
        "moving",
        "name",
        "run_s",
        "specs",
        "units",
        "waiting",
        "window",
    )

    def __init__(self, executor: Executor, load: SiteLoad) -> None:
        self.executor = executor
        self.load = load
        self.name = executor.site
        self.units = executor.computing_units
        self.waiting: deque[Task] = deque()
        self.moving: list[Task] = []
        self.in_flight = 0
        self.mean_s = UNKNOWN_S
        self.window = self._window()
        self.known: set[str] = set()
        self.functions: list[FunctionCode] = []
        self.specs: list[TaskSpec] = []
        self.finished = 0
        self.run_s = 0.0
        self.moved_bytes = 0

    def _window(self) -> int:
        each = int(AHEAD_S / (self.mean_s + OVERHEAD_S))
        return self.units * max(LEAST_PER_UNIT, min(MOST_PER_UNIT, each))

    def has_room(self) -> bool:
        """Whether another task may be handed to the site."""
        return self.in_flight + len(self.moving) < self.window

    def enqueue(self, task: Task) -> None:
        """Queue a placed task; priorities go first."""
        if task.is_priority:
            self.waiting.appendleft(task)
        else:
            self.waiting.append(task)
        self.burden(task)

    def next_task(self) -> Task | None:
        """Return the next task that is still to be handed over."""
        while self.waiting:
            task = self.waiting.popleft()
            if task.state is TaskState.READY:
                return task
            self.lighten(task)
        return None

    def burden(self, task: Task) -> None:
        """A task is expected to run here."""
        backlog = self.load.backlog
        backlog[task.function] = backlog.get(task.function, 0) + task.needs.computing_units

    def lighten(self, task: Task) -> None:
        """A task does not burden this site any more."""
        backlog = self.load.backlog
        backlog[task.function] = max(0, backlog.get(task.function, 0) - task.needs.computing_units)

    def settle_moving(self) -> None:
        """Let go of tasks whose inputs were moving here and that were called back."""
        if self.moving:
            gone = [
                task for task in self.moving if task.state is not TaskState.MOVING or task.site != self.name
            ]
            for task in gone:
                self.moving.remove(task)
                self.lighten(task)

    def lose(self) -> list[Task]:
        """The site is gone: forget all that it had; return the tasks that only waited for it."""
        self.load.is_lost = True
        self.load.backlog.clear()
        self.in_flight = 0
        self.specs.clear()
        self.functions.clear()
        self.moving.clear()
        waiting = [task for task in self.waiting if task.state is TaskState.READY]
        self.waiting.clear()
        return waiting

    def rejoin(self) -> None:
        """The site takes part again, and knows nothing of the run."""
        self.load.is_lost = False
        self.units = self.load.computing_units = self.executor.computing_units
        self.window = self._window()
        self.known.clear()

    def leave(self, task: Task) -> None:
        """A task that the site had has ended, one way or the other."""
        self.in_flight = max(0, self.in_flight - task.needs.computing_units)
        self.lighten(task)

    def learn(self, run_s: float, move_s: float, moved_bytes: int) -> None:
        """Note what a finished task took."""
        self.finished += 1
        self.run_s += run_s
        self.moved_bytes += moved_bytes
        self.mean_s += (run_s + move_s - self.mean_s) / min(self.finished + 1, 50)
        self.window = self._window()
