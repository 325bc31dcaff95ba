"""How many tasks go to a worker at once: pure arithmetic over how long a function takes.

A frame costs about 100 µs of everybody's time, so a worker gets about 10 ms of work at once, and more
when it has less than half of that left. What is unknown or takes 5 ms and more goes alone. The rest of a
batch can be taken back when a task in it takes longer than expected.
"""

import msgspec

from continuum.workflow.messages import TaskFinished, TaskSpec

WINDOW_S = 0.010
REFILL_BELOW_S = 0.005
LONG_S = 0.005
OVERHEAD_S = 0.000_015  # of a worker for each task, beside the function
MAX_BATCH = 256
MAX_BATCH_BYTES = 256 * 1024
WEIGHT = 0.1
MAX_GROWTH = 8.0
COPY_BYTES_PER_S = 1e9
UNKNOWN_S = 3600.0  # what a function that was never seen is expected to take


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How large batches are where a batch costs more than a frame to a process of this machine."""

    window_s: float = WINDOW_S
    long_s: float = LONG_S
    tasks: int = MAX_BATCH
    size_bytes: int = MAX_BATCH_BYTES


FRAMES = BatchLimits()


class Durations:
    """How long functions take here: a moving mean, slow to believe in outliers."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def add(self, function: str, run_s: float) -> None:
        """Learn from one task."""
        mean = self._means.get(function)
        if mean is None:
            self._means[function] = run_s
            return
        self._means[function] = mean + WEIGHT * (min(run_s, MAX_GROWTH * mean + 0.001) - mean)

    def find(self, function: str) -> float:
        """Return what a task will take; 0 if nobody knows."""
        return self._means.get(function, 0.0)

    def expected(self, function: str) -> float:
        """Return what a task will take of a worker's time."""
        mean = self._means.get(function)
        return UNKNOWN_S if mean is None else mean + OVERHEAD_S


def is_quick(expected_s: float, limits: BatchLimits = FRAMES) -> bool:
    """Tell whether tasks of this duration go in batches."""
    return expected_s < limits.long_s


def has_room(load_s: float, queued: int) -> bool:
    """Tell whether a busy worker with `queued` quick tasks of `load_s` in all should get more already."""
    return load_s < REFILL_BELOW_S and queued < MAX_BATCH


def choose_batch(
    queued: int, workers: int, load_s: float, expected_s: float, limits: BatchLimits = FRAMES
) -> int:
    """Return how many of `queued` quick tasks one of `workers` gets: its window, or its part of the rest."""
    room = int((limits.window_s - load_s) / expected_s)
    part = -(-queued // workers)
    return max(1, min(room, part, limits.tasks))


def took_s(task: TaskSpec, outcome: TaskFinished) -> float:
    """Return what a task took of its worker's time: the function, and reading and writing data."""
    total_s = outcome.run_s
    for output in outcome.outputs:
        if output.inline is None:
            total_s += output.size_bytes / COPY_BYTES_PER_S
    for given in task.inputs:
        if given.inline is None:
            total_s += given.size_bytes / COPY_BYTES_PER_S
    return total_s
