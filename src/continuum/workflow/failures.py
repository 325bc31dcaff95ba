"""The error that a failed task becomes in the main program."""

import pickle
from typing import Self

from continuum.model.errors import ContinuumError
from continuum.model.tasks import Problem


class TaskFailedError(ContinuumError):
    """A result cannot be had because a task failed: that task's story, not only the one that was waited for.

    `problem` tells all; `task_id`, `function`, `site`, `kind` and `traceback` (the task's own, as text) are
    the usual questions. `told_by` is the task whose story tells of it: the one that failed, else the
    one whose result was asked for. The exception that the task raised is `__cause__`, if it could travel.
    """

    code = "TaskFailed"

    def __init__(self, message: str, problem: Problem, *, hint: str = "", told_by: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.told_by = told_by or problem.task_id
        self.problem = problem
        self.task_id = problem.task_id
        self.function = problem.function
        self.site = problem.site
        self.kind = problem.kind
        self.traceback = problem.traceback

    @classmethod
    def of(cls, problem: Problem, *, wanted: str = "", wanted_id: int = 0) -> Self:
        """Return the error for a problem; `wanted` is what the program asked for, of task `wanted_id`."""
        error = cls(_message(problem, wanted), problem, told_by=problem.task_id or wanted_id)
        if problem.traceback:
            error.add_note(f"traceback of task {problem.task_id}:\n{problem.traceback.rstrip()}")
        error.__cause__ = _load_exception(problem.exception)
        return error


def _message(problem: Problem, wanted: str) -> str:
    if not problem.task_id:
        text = problem.message
    else:
        where = f" at {problem.site}" if problem.site else ""
        tries = f" after {problem.tries} tries" if problem.tries > 1 else ""
        verb = "was cancelled" if problem.kind == "cancelled" else "failed"
        text = f"task {problem.task_id} ({problem.function}) {verb}{where}{tries}: {problem.message}"
    return f"{wanted} cannot be had: {text}" if wanted else text


def _load_exception(pickled: bytes) -> BaseException | None:
    if not pickled:
        return None
    try:
        loaded = pickle.loads(pickled)  # noqa: S301 - from the run's own task, which may execute code anyway
    except Exception as problem:  # noqa: BLE001 - loading runs the exception class's own code
        return RuntimeError(f"the task's exception could not be loaded here: {problem!r}")
    return loaded if isinstance(loaded, BaseException) else None
