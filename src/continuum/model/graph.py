"""The dependency graph of a run: events in, commands out; no clock, no threads, no network.

A task waits until all data that it reads can be read; as every write makes a new datum, that is all there is
to ordering (`Task.after` adds order where the outside world needs it: objects of the store that are
overwritten). The driver feeds in what happened and takes out `Commands`: tasks to place, data to publish or
drop, tasks to stop.

Failures: a try that failed is repeated elsewhere if the policy says RETRY (three tries in all). A lost site
is nobody's fault: its tasks run again without counting a try (but not for ever: see `MAX_SITE_LOSSES`), and
data that lay only there are made again by running their producers again, as far back as needed (data that are
`DROPPED` can be made again, `FAILED` ones cannot).

What this does not promise: that a task runs at most once. A try whose site fell silent may still be running.
Its objects are written at most once: see `completing_of`.
The layers: `settling` (how tasks end), `recovering` (waiting, losing, making again), `grouping` (tasks that
are waited for and cancelled together), `remembering` (what was done before the driver was started again),
`whereabouts` (events of data), here the events of tasks and sites.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from continuum.model import stories
from continuum.model.commuting import join_chain
from continuum.model.grouping import Grouping
from continuum.model.remembering import Remembrance
from continuum.model.settling import AT_SITE, Commands
from continuum.model.tasks import Datum, DatumState, OnFailure, Problem, Task, TaskState
from continuum.model.whereabouts import Whereabouts, note_copy

__all__ = ["Commands", "Graph", "ProducedDatum"]

MAX_SITE_LOSSES = 3  # while a task ran; it may be what brings sites down
MAX_SITE_LOSSES_UNSEEN = 10  # while it was there, and nobody had said that it ran
MAX_INPUT_LOSSES = 5
# another try would not change it, or could do twice what may be done
UNREPEATED_KINDS = frozenset(("cancelled", "unfit_output", "output_unknown"))
_TRY_AGAIN = "it is tried again"
_IGNORED = "ignored: the run goes on with defaults"

_WAITING, _MOVING = TaskState.WAITING, TaskState.MOVING
_SUBMITTED, _RUNNING, _FINISHED = TaskState.SUBMITTED, TaskState.RUNNING, TaskState.FINISHED
_THERE = DatumState.READY
_PLACED = frozenset((TaskState.MOVING, TaskState.SUBMITTED, TaskState.RUNNING))


class ProducedDatum(Protocol):
    """What a site says about a datum that it produced."""

    @property
    def datum(self) -> str:
        """Its id."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def inline(self) -> bytes | None:
        """Its bytes, if small."""

    @property
    def published(self) -> Any:
        """The name of the object that it is, or None."""


class Graph(Grouping, Remembrance, Whereabouts):
    """The events of a run. `at` is always now, in seconds since the epoch."""

    def submit(self, task: Task, at: float, *, call: str = "", group: str = "") -> None:
        """The program called a task."""
        self.tasks[task.id] = task
        counts = self.counts.get(task.function)
        if counts is None:
            counts = self.counts[task.function] = dict.fromkeys(TaskState, 0)
        counts[_WAITING] += 1
        for datum in task.writes:
            datum.producer = task
        for datum in task.reads:
            datum.readers += 1
        self._record_submission(task, at, call, group)
        if task.groups:
            self._join_groups(task, at)
            if task.id not in self.tasks:
                return
        if self.fatal is not None:
            self._cancel(task, self.fatal, "the run is being stopped", at)
        else:
            self._await_inputs(task, at)
            if task.commuting is not None:
                join_chain(task)
                self._commute(task)

    def rename(self, task: Task, function: str) -> None:
        """A task is done by another function than the one that the program called."""
        if function == task.function:
            return
        self.counts[task.function][task.state] -= 1
        task.function = function
        counts = self.counts.setdefault(function, dict.fromkeys(TaskState, 0))
        counts[task.state] += 1

    def place(self, task: Task, site: str) -> bool:
        """`site` was chosen. Return whether it can be submitted now; else it will be in `commands.submit`."""
        task.site = site
        task.attempt += 1
        missing = 0
        for read in task.reads:
            datum = read.same_as or read
            if datum.inline is None and datum.published is None and site not in datum.sites:
                self._publish(datum)
                datum.awaiting.append(task)
                missing += 1
        task.missing = missing
        self._move(task, _MOVING if missing else _SUBMITTED)
        return not missing

    def refuse(self, task: Task, message: str, at: float) -> None:
        """No site can ever run this task."""
        task.problem = problem = _problem(task, "unplaceable", message)
        self._record_failure(task, problem, "it cannot run anywhere", at)
        self._give_up(task, problem, at)

    def started(self, task_id: int, attempt: int, at: float) -> None:
        """A worker began."""
        task = self.tasks.get(task_id)
        if task is not None and task.attempt == attempt and task.state is _SUBMITTED:
            self._move(task, _RUNNING)
            self.commands.records.append(stories.Started(at=at, task=task_id, attempt=attempt))

    def completing_of(self, task_id: int, attempt: int) -> Task | None:
        """A task is done but for objects that its driver must write. Return it if this try counts: then its
        site is not needed any more, and `finished` or `failed` is going to follow."""
        task = self.tasks.get(task_id)
        if task is None or task.attempt != attempt or task.state not in AT_SITE:
            return None
        self.completing.add(task_id)
        return task

    def finished(
        self,
        task_id: int,
        attempt: int,
        outputs: Sequence[ProducedDatum],
        at: float,
        *,
        started_at: float = 0.0,
        run_s: float = 0.0,
        move_s: float = 0.0,
        moved_bytes: int = 0,
        worker: str = "",
    ) -> Task | None:
        """A task is done. Return it, or None if this is old news."""
        task = self.tasks.get(task_id)
        if task is None or task.attempt != attempt or task.state not in AT_SITE:
            return None
        size = 0
        for produced in outputs:
            size += produced.size_bytes
            self._produced(task, produced)
        for read in task.reads:
            note_copy(read.same_as or read, task.site)
        record = stories.Finished(
            at=at,
            task=task_id,
            attempt=attempt,
            site=task.site,
            started_at=started_at,
            run_s=run_s,
            move_s=move_s,
            moved_bytes=moved_bytes,
            output_bytes=size,
            worker=worker,
        )
        self.commands.records.append(record)
        self._settle(task, _FINISHED)
        return task

    def _produced(self, task: Task, produced: ProducedDatum) -> None:
        datum = _find_write(task, produced.datum)
        if datum is None:
            return
        datum.size_bytes = produced.size_bytes
        if datum.same_as is not None:
            self.release(self._part(datum))
        if produced.inline is not None:
            datum.inline = produced.inline
        else:
            if task.site not in datum.sites:
                datum.sites = (*datum.sites, task.site)
            self.stored[datum.id] = datum
        if produced.published is not None:
            datum.published = produced.published
            datum.replicas = (task.site,)
        if datum.state is not _THERE:
            self._there(datum)
        if not datum.holders and not datum.readers:
            self._drop(datum)

    def failed(
        self,
        task_id: int,
        attempt: int,
        kind: str,
        message: str,
        at: float,
        *,
        traceback: str = "",
        exception: bytes = b"",
        lost_datum: str = "",
        worker: str = "",
    ) -> Task | None:
        """A try did not finish. Return the task, or None if this is old news."""
        task = self.tasks.get(task_id)
        if task is None or task.attempt != attempt or task.state not in AT_SITE:
            return None
        self.completing.discard(task_id)
        if kind == "input_lost" and self._lose_input(task, lost_datum, message, at):
            return task
        task.failures += 1
        task.tried = (*task.tried, task.site)
        task.problem = Problem(
            task_id=task.id,
            function=task.function,
            kind=kind,
            message=message,
            site=task.site,
            worker=worker,
            traceback=traceback,
            exception=exception,
            tries=task.failures,
        )
        self._after_failure(task, task.problem, at)
        return task

    def _after_failure(self, task: Task, problem: Problem, at: float) -> None:
        if self._concerns_group(task, problem):
            self._fail_group(task, problem, at)
            return
        decision = self._decide(task, problem)
        self._record_failure(task, problem, decision, at)
        if decision is _TRY_AGAIN:
            self._again(task, at)
        elif decision is _IGNORED:
            self._ignore(task, at)
        else:
            self._give_up(task, problem, at)

    def _decide(self, task: Task, problem: Problem) -> str:
        match task.on_failure:
            case OnFailure.RETRY if self._may_try_again(task, problem):
                return _TRY_AGAIN
            case OnFailure.RETRY:
                died = ", its worker died in the last one" if problem.kind == "worker_lost" else ""
                return f"given up after {_count(task.failures, 'try', 'tries')}{died}"
            case OnFailure.IGNORE:
                return _IGNORED
            case OnFailure.CANCEL_SUCCESSORS:
                return "its successors are cancelled, the run goes on"
            case OnFailure.FAIL:
                return "the run is stopped"

    def _may_try_again(self, task: Task, problem: Problem) -> bool:
        most = task.max_tries or self.max_tries
        return task.failures < most and problem.kind not in UNREPEATED_KINDS

    def _lose_input(self, task: Task, datum_id: str, message: str, at: float) -> bool:
        """Forget where the datum was said to be; return False if that cannot go on."""
        task.input_losses += 1
        datum = next((read.source for read in task.reads if read.source.id == datum_id), None)
        if datum is None or datum.is_external or task.input_losses > MAX_INPUT_LOSSES:
            return False
        problem = _problem(task, "input_lost", message)
        self.troubles[datum.id] = message
        self._record_failure(task, problem, "its input is got from elsewhere or made again", at)
        if task.site in datum.sites:
            self._forget(datum, task.site)
        else:
            datum.published, datum.replicas = None, ()
        self._strand([datum], at)
        if task.id in self.tasks and task.state in AT_SITE:
            self._again(task, at)
        return True

    def site_lost(self, site: str, reason: str, at: float) -> None:
        """What ran at a site, or lay only there, is lost."""
        self.commands.records.append(stories.SiteLost(at=at, site=site, reason=reason))
        self._lose_data_of(site, at)
        for task in list(self.tasks.values()):
            if task.site != site or task.state not in _PLACED or task.id in self.completing:
                continue
            if task.id in self.tasks:
                self._lost_with_site(task, site, reason, at)

    def _lost_with_site(self, task: Task, site: str, reason: str, at: float) -> None:
        task.tried = (*task.tried, site)
        message = f"site {site} was lost: {reason}"
        if task.state in AT_SITE:
            task.site_losses += 1
            limit = MAX_SITE_LOSSES if task.state is _RUNNING else MAX_SITE_LOSSES_UNSEEN
            if task.site_losses >= limit:
                self._give_up_poisoned(task, message, at)
                return
        if task.on_failure is OnFailure.RETRY or task.state is not _RUNNING:
            self._record_failure(task, _problem(task, "site_lost", message), "it runs elsewhere", at)
            self._again(task, at)
            return
        task.problem = _problem(task, "site_lost", message)
        self._after_failure(task, task.problem, at)

    def _give_up_poisoned(self, task: Task, message: str, at: float) -> None:
        lost = f"{task.site_losses} times a site was lost that had it ({', '.join(sorted(set(task.tried)))})"
        task.problem = problem = _problem(task, "site_lost", f"{message}; {lost}: it may be the cause")
        self._record_failure(task, problem, f"given up: {lost}", at)
        if task.on_failure is OnFailure.IGNORE:
            self._ignore(task, at)
        else:
            self._give_up(task, problem, at)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _find_write(task: Task, datum_id: str) -> Datum | None:
    for datum in task.writes:
        if datum.id == datum_id:
            return datum
    return None


def _problem(task: Task, kind: str, message: str) -> Problem:
    return Problem(task_id=task.id, function=task.function, kind=kind, message=message, site=task.site)
