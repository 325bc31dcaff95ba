"""Groups of tasks: waited for together, and cancelled together, by hand or by a task that asks for it.

A task that fails in a way that concerns its group (`GROUP_KIND`) is not tried again: what else is not settled
of the innermost group around it is cancelled, also what is called in it later. What a withdrawn task would
have *updated* stays as it was before the task, so that the program can go on with it; what it would have
*returned* cannot be had, and says why. The layer of the graph between `recovering` and the events.
"""

from typing import Any

from continuum.model import stories
from continuum.model.recovering import Recovery
from continuum.model.settling import AT_SITE
from continuum.model.tasks import Datum, DatumState, OnFailure, Problem, Task, TaskState

GROUP_KIND = "raised_for_group"


class Group:
    """Tasks that belong together. `cause` says why no task of it runs any more, if so.

    `problems` are failures of its tasks, `watchers` are told when nothing is unsettled.
    """

    __slots__ = ("cause", "name", "problems", "unsettled", "watchers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.unsettled: dict[int, Task] = {}
        self.cause: Problem | None = None
        self.problems: list[Problem] = []
        self.watchers: list[Any] = []

    @property
    def failure(self) -> Problem | None:
        """The failure of a task that cancelled it, if one did."""
        return self.cause if self.cause is not None and self.cause.kind == GROUP_KIND else None


class Grouping(Recovery):
    """A recovery that knows groups."""

    def watch_group(self, group: Group, watcher: Any) -> None:
        """Tell `watcher` when no task of the group is unsettled; now, if that is so."""
        if group.unsettled:
            group.watchers.append(watcher)
        else:
            watcher.one_less()

    def cancel_group(self, group: Group, reason: str, at: float) -> None:
        """Stop what is not settled of a group, and whatever is still called in it."""
        if group.cause is None:
            group.cause = Problem(task_id=0, function=group.name, kind="cancelled", message=reason)
        self._cancel_rest(group, reason, at)

    def cancel_producer(self, datum: Datum, reason: str, at: float) -> None:
        """Stop the task that makes a datum, if it is not settled."""
        producer = datum.producer
        if producer is None or producer.id not in self.tasks or producer.recoveries:
            return  # what has finished is not undone; if it runs again, others need what it made
        if datum.state is DatumState.PENDING:
            self._withdraw(producer, reason, at)

    def _join_groups(self, task: Task, at: float) -> None:
        """Count a new task in; withdraw it if a group that it belongs to is cancelled."""
        for group in task.groups:
            group.unsettled[task.id] = task
        for group in task.groups:
            if group.cause is not None:
                self._withdraw(task, f"its group {group.name} is cancelled", at)
                return

    def _settle(self, task: Task, state: TaskState) -> None:
        super()._settle(task, state)
        for group in task.groups:
            if group.unsettled.pop(task.id, None) is not None and not group.unsettled and group.watchers:
                watchers, group.watchers = group.watchers, []
                for watcher in watchers:
                    watcher.one_less()

    def _give_up(self, task: Task, problem: Problem, at: float) -> None:
        if task.on_failure is not OnFailure.CANCEL_SUCCESSORS:
            for group in task.groups:
                group.problems.append(problem)
        super()._give_up(task, problem, at)

    def _concerns_group(self, task: Task, problem: Problem) -> bool:
        if not task.groups or task.recoveries:
            return False
        return problem.kind == GROUP_KIND and task.on_failure is not OnFailure.IGNORE

    def _fail_group(self, task: Task, problem: Problem, at: float) -> None:
        group: Group = task.groups[-1]
        self._record_failure(task, problem, f"its group {group.name} is cancelled", at)
        self.failures.append(problem)
        if group.cause is None or group.cause.kind == "cancelled":
            group.cause = problem
        self._leave_as_it_was(task, TaskState.FAILED, problem, at)
        self._cancel_rest(group, f"task {task.id} ({task.function}) of its group {group.name} failed", at)

    def _cancel_rest(self, group: Group, reason: str, at: float) -> None:
        for task_id in sorted(group.unsettled):
            task = group.unsettled.get(task_id)
            if task is not None:
                self._withdraw(task, reason, at)

    def _withdraw(self, task: Task, reason: str, at: float) -> None:
        if task.state in AT_SITE:
            self.commands.cancel.append((task.site, task))
        problem = Problem(task_id=task.id, function=task.function, kind="cancelled", message=reason)
        task.problem = problem
        self.commands.records.append(stories.Cancelled(at=at, task=task.id, reason=reason))
        self._leave_as_it_was(task, TaskState.CANCELLED, problem, at)

    def _leave_as_it_was(self, task: Task, state: TaskState, problem: Problem, at: float) -> None:
        updated = [
            (datum, datum.previous)
            for datum in task.writes
            if datum.previous is not None and datum.state is DatumState.PENDING
        ]
        for _, previous in updated:
            previous.holders += 1  # settling the task may make it the last reader
        self._settle(task, state)
        self._fail_data([datum for datum in task.writes if datum.previous is None], problem, at)
        for datum, previous in updated:
            self._inherit(datum, previous, at)
