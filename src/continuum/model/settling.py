"""How tasks of a graph end and what follows for their data and for who waits: the lowest layer of `graph`.

Everything here walks work lists instead of recursing, because a chain may be a hundred thousand tasks long.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from continuum.model import stories
from continuum.model.commuting import exchange_turns
from continuum.model.tasks import Datum, DatumState, OnFailure, Problem, Task, TaskState

_WAITING, _READY = TaskState.WAITING, TaskState.READY
_THERE, _DROPPED, _BROKEN = DatumState.READY, DatumState.DROPPED, DatumState.FAILED
AT_SITE = frozenset((TaskState.SUBMITTED, TaskState.RUNNING))


class Commands:
    """What the driver has to do now.

    `place`: choose a site for these. `submit`: their inputs can be had at their site now. `publish`: (site,
    datum). `drop`: (datum id, sites, name of the published object or None). `supply`: base data to put again.
    `watched`: data with watchers that are settled. `settled`: tasks that have ended.
    """

    __slots__ = ("cancel", "drop", "place", "publish", "records", "settled", "submit", "supply", "watched")

    def __init__(self) -> None:
        self.place: list[Task] = []
        self.submit: list[Task] = []
        self.publish: list[tuple[str, Datum]] = []
        self.drop: list[tuple[str, tuple[str, ...], Any]] = []
        self.cancel: list[tuple[str, Task]] = []
        self.supply: list[Datum] = []
        self.watched: list[Datum] = []
        self.settled: list[Task] = []
        self.records: list[stories.Record] = []

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


MAX_TRIES = 3


class Settlement:
    """All unsettled tasks of a run, the data that may still be read, and how they end.

    `completing`: tasks whose try counts whatever becomes of its site, while their objects are being written.
    `troubles`: what was said last of data that could not be had, by their ids.
    `heirs` are the data that are another one (`Datum.same_as`), by the id of that one.
    """

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.stored: dict[str, Datum] = {}
        self.troubles: dict[str, str] = {}
        self.heirs: dict[str, dict[Datum, None]] = {}
        self.counts: dict[str, dict[TaskState, int]] = {}
        self.failures: list[Problem] = []
        self.unread: dict[str, Problem] = {}
        self.max_tries = MAX_TRIES
        self.completing: set[int] = set()
        self.fatal: Problem | None = None
        self.commands = Commands()

    def take_commands(self) -> Commands:
        """Return what is to be done since the last call."""
        commands = self.commands
        self.commands = Commands()
        return commands

    def release(self, datum: Datum) -> None:
        """One holder less on the program's side."""
        datum.holders -= 1
        if not datum.holders and not datum.readers:
            self._drop(datum)

    def cancel_all(self, reason: str, at: float) -> None:
        """Stop everything that is not settled."""
        for task in list(self.tasks.values()):
            if task.id in self.tasks:
                problem = Problem(task_id=task.id, function=task.function, kind="cancelled", message=reason)
                self._cancel(task, self.fatal or problem, reason, at)

    def _there(self, datum: Datum) -> None:
        datum.state = _THERE
        if datum.waiting:
            waiting, datum.waiting = datum.waiting, []
            for task in waiting:
                self._one_less(task)
        if datum.watchers:
            self.commands.watched.append(datum)

    def _one_less(self, task: Task) -> None:
        if task.state is _WAITING:
            task.missing -= 1
            if not task.missing:
                self._move(task, _READY)
                self.commands.place.append(task)
            if task.commuting is not None:
                self._commute(task)

    def _commute(self, task: Task) -> None:
        if not task.missing:
            task.commuting.is_open = False
            return
        other = exchange_turns(task)
        if other is not None:
            other.commuting.is_open = False
            self._move(other, _READY)
            self.commands.place.append(other)

    def _drop(self, datum: Datum) -> None:
        if datum.state is not _THERE or datum.inline is not None:
            return
        if datum.same_as is not None:
            datum.state = _DROPPED
            self.release(self._part(datum))
            return
        if datum.sites or not datum.is_external:
            name = None if datum.is_external else datum.published
            copies = tuple(site for site in datum.replicas if site not in datum.sites)
            self.commands.drop.append((datum.id, datum.sites + copies, name))
        datum.sites = ()
        if not datum.is_external:
            datum.state = _DROPPED
            datum.published, datum.replicas = None, ()
            self.stored.pop(datum.id, None)

    def _part(self, datum: Datum) -> Datum:
        """Let a datum not be another one any more; return that one, which is still held for it."""
        source = datum.same_as
        assert source is not None  # who calls this has looked  # noqa: S101
        datum.same_as = None
        heirs = self.heirs[source.id]
        del heirs[datum]
        if not heirs:
            del self.heirs[source.id]
        return source

    def _settle(self, task: Task, state: TaskState) -> None:
        self._move(task, state)
        if task.commuting is not None:
            task.commuting.is_open = False
        del self.tasks[task.id]
        if self.completing:
            self.completing.discard(task.id)
        self.commands.settled.append(task)
        for datum in task.reads:
            datum.readers -= 1
            if not datum.readers and not datum.holders:
                self._drop(datum)
        if task.followers:
            followers, task.followers = task.followers, None
            for other in followers:
                self._one_less(other)

    def _give_up(self, task: Task, problem: Problem, at: float) -> None:
        if task.on_failure is not OnFailure.CANCEL_SUCCESSORS:
            self.failures.append(problem)
        self._settle(task, TaskState.FAILED)
        self._fail_data(task.writes, problem, at)
        if task.on_failure is OnFailure.FAIL and self.fatal is None:
            self.fatal = problem
            self.cancel_all(f"task {task.id} ({task.function}) failed and its policy is FAIL", at)

    def _cancel(self, task: Task, problem: Problem, reason: str, at: float) -> None:
        if task.state in AT_SITE:
            self.commands.cancel.append((task.site, task))
        task.problem = problem
        self.commands.records.append(stories.Cancelled(at=at, task=task.id, reason=reason))
        self._settle(task, TaskState.CANCELLED)
        self._fail_data(task.writes, problem, at)

    def _note_missing(self, datum: Datum, problem: Problem) -> None:
        """A datum cannot be had, through no task's failure: a failure of the run once a task reads it."""
        if datum.readers:
            self.failures.append(problem)
        else:
            self.unread[datum.id] = problem

    def _cancel_for(self, task: Task, datum: Datum, at: float) -> None:
        problem = datum.problem
        assert problem is not None  # a failed datum says why  # noqa: S101
        unread = self.unread.pop(datum.id, None)
        if unread is not None:
            self.failures.append(unread)
        self._cancel(task, problem, _no_input(datum, problem), at)

    def _fail_data(self, data: Iterable[Datum], problem: Problem, at: float) -> None:
        """Break data that are not there, and cancel who reads them, and so on; without recursion."""
        broken = list(data)
        while broken:
            datum = broken.pop()
            if datum.state is _THERE or datum.state is _BROKEN:
                continue
            datum.state = _BROKEN
            datum.problem = problem
            self.stored.pop(datum.id, None)
            if datum.watchers:
                self.commands.watched.append(datum)
            waiting, datum.waiting = datum.waiting, []
            for task in waiting:
                if task.id in self.tasks and task.state is _WAITING:
                    broken += self._cancel_successor(task, datum, problem, at)

    def _cancel_successor(self, task: Task, datum: Datum, problem: Problem, at: float) -> Sequence[Datum]:
        task.problem = problem
        cancelled = stories.Cancelled(at=at, task=task.id, reason=_no_input(datum, problem))
        self.commands.records.append(cancelled)
        self._settle(task, TaskState.CANCELLED)
        return task.writes

    def _move(self, task: Task, state: TaskState) -> None:
        counts = self.counts[task.function]
        counts[task.state] -= 1
        counts[state] += 1
        task.state = state

    def _record_failure(self, task: Task, problem: Problem, decision: str, at: float) -> None:
        record = stories.Failed(
            at=at,
            task=task.id,
            attempt=task.attempt,
            site=task.site,
            kind=problem.kind,
            message=problem.message,
            decision=decision,
            traceback=problem.traceback,
            worker=problem.worker,
        )
        self.commands.records.append(record)


def _no_input(datum: Datum, problem: Problem) -> str:
    if not problem.task_id:
        return f"its input {datum.id} cannot be had: {problem.message}"
    what = "was cancelled" if problem.kind == "cancelled" else f"failed: {problem.message}"
    return f"its input {datum.id} cannot be had: task {problem.task_id} ({problem.function}) {what}"
