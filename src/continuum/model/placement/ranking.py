"""Upward ranks: how much of the known graph still follows a task, in seconds along the longest way.

The idea is HEFT's (Topcuoglu, Hariri, Wu 2002, doi:10.1109/71.993206): rank = what the task takes + the
largest of (what its result takes to move + the rank of who reads it). Computed backwards over all unsettled
tasks at once; tasks are kept in the order of their calls, and who reads is always called after who writes.
"""

from collections.abc import Mapping

from continuum.model.placement.histories import History
from continuum.model.tasks import Task, TaskState

LEAST_MEAN_S = 0.002  # below this, ranking costs more than the best order can gain
LEAST_OPEN = 32
_OPEN = (TaskState.WAITING, TaskState.READY)


def rank_upwards(tasks: Mapping[int, Task], history: History, byte_s: float) -> None:
    """Give every task its rank. `byte_s` is what a byte takes between two sites, on the average."""
    usual: dict[str, tuple[float, float]] = {}
    ordered = list(tasks.values())
    for task in ordered:
        task.rank = 0.0
    for task in reversed(ordered):
        function = task.function
        known = usual.get(function)
        if known is None:
            known = (history.usual_s(function), history.output_bytes(function) * byte_s)
            usual[function] = known
        rank = task.rank = task.rank + known[0]
        for datum in task.reads:
            producer = (datum.same_as or datum).producer
            if producer is not None:
                move_s = usual[producer.function][1] if producer.function in usual else 0.0
                producer.rank = max(producer.rank, rank + move_s)
        for other in task.after:
            other.rank = max(other.rank, rank)


class Ranking:
    """Decides when ranks are worth being computed again: when half as many tasks have come as are open, or a
    function that nothing was known of has finished."""

    def __init__(self) -> None:
        self.is_ranked = False
        self._newest = 0
        self._known = 0

    def refresh(
        self,
        tasks: dict[int, Task],
        counts: Mapping[str, Mapping[TaskState, int]],
        history: History,
        byte_s: float,
    ) -> None:
        """Rank if it is worth it."""
        if len(tasks) < LEAST_OPEN:
            return
        newest = next(reversed(tasks))
        has_grown = newest - self._newest >= max(LEAST_OPEN, len(tasks) // 2)
        known = sum(map(history.knows, counts))
        if has_grown or known != self._known:
            self._newest, self._known = newest, known
            if _is_worth_it(counts, history):
                self.is_ranked = True
                rank_upwards(tasks, history, byte_s)


def _is_worth_it(counts: Mapping[str, Mapping[TaskState, int]], history: History) -> bool:
    work, number = 0.0, 0
    for function, states in counts.items():
        open_tasks = sum(states[state] for state in _OPEN)
        number += open_tasks
        if history.knows(function):
            work += open_tasks * history.usual_s(function)
    return number > 0 and work / number >= LEAST_MEAN_S
