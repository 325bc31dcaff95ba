"""One site in the driver's hands: what is queued for it, how much it may have at once, what it has finished.

A site gets as many tasks as keep it busy for a short while (`AHEAD_S` of work per computing unit) and no
more: what waits here can still be placed elsewhere or cancelled for nothing. Tiny tasks so come in large
batches, as the engine likes them, and long ones nearly one by one.
"""

import heapq
from collections import deque

from continuum.model.placement import Links, SiteLoad
from continuum.model.tasks import Task, TaskState
from continuum.workflow.messages import Executor, FunctionCode, TaskSpec

AHEAD_S = 0.05
LEAST_PER_UNIT = 3
MOST_PER_UNIT = 400
LONG_S = 0.5  # such tasks go nearly one by one: what a site has cannot be placed elsewhere any more
LEAST_AHEAD = 2
UNKNOWN_S = 0.012  # until something has finished: a few per unit
OVERHEAD_S = 0.0001  # what an empty task costs anyway


_FIRST = 1e12  # seconds of rank that a task with priority is ahead of all others


class Line:
    """Tasks that wait: those with a priority or a rank by these, then the others as they came."""

    __slots__ = ("_number", "_plain", "_ranked", "size")

    def __init__(self) -> None:
        self.size = 0
        self._plain: deque[Task] = deque()
        self._ranked: list[tuple[float, int, Task]] = []
        self._number = 0

    def __len__(self) -> int:
        return self.size

    def add(self, task: Task) -> None:
        """Put a task where it belongs."""
        self.size += 1
        if task.rank or task.is_priority:
            self._number += 1
            urgency = task.rank + _FIRST if task.is_priority else task.rank
            heapq.heappush(self._ranked, (-urgency, self._number, task))
        else:
            self._plain.append(task)

    def take_first(self) -> Task:
        """Take out the most urgent task."""
        self.size -= 1
        return heapq.heappop(self._ranked)[2] if self._ranked else self._plain.popleft()

    def take_late(self) -> Task:
        """Take out a task that others are ahead of: the last of those without a rank, else one without
        many behind it."""
        self.size -= 1
        return self._plain.pop() if self._plain else self._ranked.pop()[2]

    def take_all(self) -> list[Task]:
        """Take out all, in order."""
        tasks = [task for _, _, task in sorted(self._ranked)] + list(self._plain)
        self._ranked.clear()
        self._plain.clear()
        self.size = 0
        return tasks


class SiteQueue:
    """The tasks placed at one site that it does not have yet, and those that it has."""

    __slots__ = (
        "asks_again_at",
        "executor",
        "finished",
        "functions",
        "in_flight",
        "known",
        "links",
        "load",
        "mean_s",
        "moved_bytes",
        "moving",
        "name",
        "run_s",
        "specs",
        "stuck",
        "units",
        "waiting",
        "window",
    )

    def __init__(self, executor: Executor, load: SiteLoad, links: Links) -> None:
        self.executor = executor
        self.links = links
        self.load = load
        self.name = executor.site
        self.units = executor.computing_units
        self.waiting = Line()
        self.asks_again_at = 0.0
        self.moving: list[Task] = []
        self.stuck: list[Task] = []  # as `moving`, but from sites that are away: others go ahead of them
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
        if self.mean_s >= LONG_S:
            return self.units + max(LEAST_AHEAD, self.units // 4)
        each = int(AHEAD_S / (self.mean_s + OVERHEAD_S))
        return self.units * max(LEAST_PER_UNIT, min(MOST_PER_UNIT, each))

    def has_room(self) -> bool:
        """Whether another task may be handed to the site."""
        return self.in_flight + len(self.moving) < self.window

    def is_idle(self) -> bool:
        """Whether the site could have more, and nothing waits for it."""
        is_there = not self.load.is_lost and not self.load.is_away
        return is_there and not self.waiting.size and self.has_room()

    def enqueue(self, task: Task) -> None:
        """Queue a placed task; what is urgent goes first."""
        self.waiting.add(task)
        self.burden(task)

    def next_task(self) -> Task | None:
        """Return the next task that is still to be handed over."""
        while self.waiting.size:
            task = self.waiting.take_first()
            if task.state is TaskState.READY:
                return task
            self.lighten(task)
        return None

    def burden(self, task: Task) -> None:
        """A task is expected to run here."""
        backlog = self.load.backlog
        backlog[task.function] = backlog.get(task.function, 0) + task.needs.computing_units

    def lighten(self, task: Task) -> None:
        """A task does not burden this site, nor the links to it, any more."""
        self.links.end(task.id)
        backlog = self.load.backlog
        rest = backlog.get(task.function, 0) - task.needs.computing_units
        if rest > 0:
            backlog[task.function] = rest
        else:
            backlog.pop(task.function, None)

    def settle_moving(self) -> None:
        """Let go of tasks whose inputs were moving here and that were called back."""
        for tasks in (self.moving, self.stuck):
            gone = [task for task in tasks if task.state is not TaskState.MOVING or task.site != self.name]
            for task in gone:
                tasks.remove(task)
                self.lighten(task)

    def lose(self) -> list[Task]:
        """The site is gone: forget all that it had; return the tasks that only waited for it."""
        self.load.is_lost, self.load.is_away = True, False
        self.load.backlog.clear()
        self.links.forget(self.name)
        self.in_flight = 0
        self.specs.clear()
        self.functions.clear()
        self.moving.clear()
        self.stuck.clear()
        return [task for task in self.waiting.take_all() if task.state is TaskState.READY]

    def be_away(self) -> list[Task]:
        """The site gets nothing new for now; return the tasks that only waited for it."""
        self.load.is_away = True
        waiting = self.waiting.take_all()
        for task in waiting:
            self.lighten(task)
        return [task for task in waiting if task.state is TaskState.READY]

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
