"""Groups of tasks in a program: `with group("name"):` waits at its end; `barrier_group`, `cancel_group`.

A task that raises `TaskGroupError` (PyCOMPSs: `COMPSsException`) cancels what is left of the innermost group
around its call, and the error comes out of the end of the `with`, or of `barrier_group`. Which groups are
open belongs to the thread or the coroutine (`contextvars`), so that programs with several of them do not mix.
Without a run the error comes out of the call itself, which is inside the same `with`.
"""

import itertools
import pickle
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from continuum.model.errors import NotFoundError
from continuum.model.grouping import Group
from continuum.model.tasks import Problem
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.operations import Op, Waiter
from continuum.workflow.programming import find_run

OPEN: ContextVar[tuple[Group, ...]] = ContextVar("open_groups", default=())
_numbers = itertools.count(1)


class TaskGroupError(Exception):
    """Raised by a task: it cancels the group of the call, and is raised again where the group ends."""

    __continuum_cancels_group__ = True

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class group:  # noqa: N801 - read as a statement: with group("name"):
    """The tasks that are called inside this `with`; groups may lie in groups.

    Its end waits for them (unless `waits=False`) and raises `TaskGroupError` if a task did, else the first
    failure that was not told yet. An exception that leaves the `with` cancels the rest (`cancels`).
    """

    error: type[TaskGroupError] = TaskGroupError

    def __init__(self, name: str = "", *, waits: bool = True, cancels: bool = True) -> None:
        self.name = name or f"group-{next(_numbers)}"
        self._waits = waits
        self._cancels = cancels
        self._token: Token[tuple[Group, ...]] | None = None

    def __enter__(self) -> Self:
        run = find_run()
        if run is not None:
            self._token = OPEN.set((*OPEN.get(), _enter(run, self.name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        OPEN.reset(self._token)
        self._token = None
        if problem is None:
            if self._waits:
                barrier_group(self.name, error=self.error)
            return
        if self._cancels and not isinstance(problem, TaskFailedError):
            cancel_group(self.name)
            return
        if self._waits and isinstance(problem, Exception):
            self._tell_instead(problem)

    def _tell_instead(self, problem: Exception) -> None:
        """Wait, and raise what cancelled the group instead of what followed from it."""
        run = find_run()
        found = find_group(run, self.name)
        wait_for_group(run, found)
        if found.failure is not None:
            raise told(run, found.failure, self.error) from problem

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is None and self._waits and self._token is not None:
            from continuum.workflow.awaiting import arrival_of_group  # noqa: PLC0415 - imports this module

            run = find_run()
            await arrival_of_group(run, find_group(run, self.name))
        self.__exit__(kind, problem, trace)


def barrier_group(name: str, *, error: type[TaskGroupError] = TaskGroupError) -> None:
    """Wait for the tasks of a group. Raises what a task of it raised to cancel it, else the first failure
    that was not told yet; `NotFoundError` if there is no such group.
    """
    run = find_run()
    if run is None:
        return
    found = find_group(run, name)
    wait_for_group(run, found)
    if found.failure is not None:
        raise told(run, found.failure, error)
    untold = run.untold_failures()
    for problem in found.problems:
        if problem in untold:
            raise run.tell(problem)


def cancel_group(name: str) -> None:
    """Cancel the tasks of a group that have not finished, at once, and those that are still called in it."""
    run = find_run()
    if run is not None:
        found = find_group(run, name)
        reason = f"the program cancelled its group {name}"
        run.driver.post(Op.DO, lambda graph, at: graph.cancel_group(found, reason, at))


def _enter(run: Any, name: str) -> Group:
    known: Group | None = run.groups.get(name)
    if known is None or known.cause is not None:
        known = run.groups[name] = Group(name)
    return known


def find_group(run: Any, name: str) -> Group:
    """Return the latest group of this name. Raises `NotFoundError`."""
    found: Group | None = run.groups.get(name)
    if found is None:
        known = ", ".join(sorted(run.groups)[:20])
        raise NotFoundError(
            f"there is no group {name!r}", hint=f"there are: {known}" if known else "none was opened"
        )
    return found


def wait_for_group(run: Any, found: Group) -> None:
    """Block until nothing of it is unsettled."""
    waiter = Waiter(1)
    run.driver.post(Op.DO, lambda graph, _: graph.watch_group(found, waiter))
    waiter.wait(run.driver.check)


def told(run: Any, problem: Problem, kind: type[TaskGroupError]) -> TaskGroupError:
    """Return the exception of the task itself, if it could travel, with its traceback as a note."""
    run.tell(problem)
    try:
        raised = pickle.loads(problem.exception) if problem.exception else None  # noqa: S301 - the run's own
    except Exception:  # noqa: BLE001 - loading runs the exception class's own code
        raised = None
    if not isinstance(raised, kind):
        raised = kind(problem.message.partition(": ")[2] or problem.message)
    where = f"task {problem.task_id} ({problem.function})"
    raised.add_note(f"traceback of {where}:\n{problem.traceback.rstrip()}" if problem.traceback else where)
    return raised
