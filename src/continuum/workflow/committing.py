"""Tries that count: the driver's half of `completing`. The driver's thread only.

When a site says that a task has finished and what it has staged, the graph tells whether this try counts. If
it does, that is remembered before anything is written; then the staged objects are completed through the
driver's own gateway, and only then the task has finished; its site may be lost meanwhile. If it does not
count, its site is told to remove what it has staged.

A driver that is killed in between leaves in its memory what it had decided; who resumes the run completes it
first (`settle_decided`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from continuum.model.graph import Graph
from continuum.model.tasks import Task
from continuum.workflow.checkpointing import Checkpoints
from continuum.workflow.memories import Done, Memory, Recollection
from continuum.workflow.messages import (
    FailureKind,
    OutputsCompleted,
    Produced,
    Staged,
    TaskFailed,
    TaskFinished,
)
from continuum.workflow.queues import SiteQueue

log = logging.getLogger(__name__)


class _Try(msgspec.Struct):
    """A try that counts, and the site that made it."""

    queue: SiteQueue
    event: TaskFinished
    staged: tuple[Staged, ...]
    is_site_lost: bool = False


class Commits:
    """The tries whose objects are being completed. `home_of` returns the site through which that is done."""

    def __init__(
        self,
        graph: Graph,
        sites: Mapping[str, SiteQueue],
        home_of: Callable[[], str],
        checkpoints: Checkpoints | None,
    ) -> None:
        self._graph = graph
        self._sites = sites
        self._home_of = home_of
        self._checkpoints = checkpoints
        self._tries: dict[tuple[int, int], _Try] = {}

    @property
    def is_busy(self) -> bool:
        """Whether objects are being written. From any thread."""
        return bool(self._tries)

    def begin(self, queue: SiteQueue, event: TaskFinished) -> bool:
        """Decide whether a try counts, and if so complete it. False: it has staged nothing."""
        staged = tuple([output.staged for output in event.outputs if output.staged is not None])
        if not staged:
            return False
        task = self._graph.completing_of(event.task_id, event.attempt)
        if task is None:
            queue.executor.unstage(staged, is_complete=False)
            return True
        self._remember(task, queue, event, staged)
        self._tries[event.task_id, event.attempt] = _Try(queue, event, staged)
        home = self._sites[self._home_of()]
        home.executor.complete(event.task_id, event.attempt, staged)
        return True

    def _remember(
        self, task: Task, queue: SiteQueue, event: TaskFinished, staged: tuple[Staged, ...]
    ) -> None:
        if self._checkpoints is not None:
            self._checkpoints.deciding(task, queue.name, event.outputs, staged)

    def ended(self, answer: OutputsCompleted) -> tuple[SiteQueue, TaskFinished | TaskFailed, bool] | None:
        """The answer to `Executor.complete`: return what has thereby happened, at which site, and whether
        that was lost meanwhile. None: nobody waits for it."""
        attempt = self._tries.pop((answer.task_id, answer.attempt), None)
        if attempt is None:
            return None
        if not attempt.is_site_lost:
            attempt.queue.executor.unstage(attempt.staged, is_complete=not answer.problem)
        event: TaskFinished | TaskFailed
        if answer.problem:
            event = _failed(answer)
        else:
            outputs = tuple([_published(output) for output in attempt.event.outputs])
            event = msgspec.structs.replace(attempt.event, outputs=outputs)
        return attempt.queue, event, attempt.is_site_lost

    def site_lost(self, site: str) -> None:
        """What a site has staged is completed without it."""
        for attempt in self._tries.values():
            if attempt.queue.name == site:
                attempt.is_site_lost = True


def settle_decided(
    before: Recollection, memory: Memory, complete: Callable[[Sequence[Staged]], bool]
) -> None:
    """Complete what the driver before had decided on and perhaps not completed: those calls are done.

    `complete` returns False if something of it is gone, because its site had removed it: then the call is not
    done. Raises what it raises.
    """
    for decided in list(before.decided.values()):
        if complete(decided.staged):
            done = Done(decided.key, decided.outputs)
            memory.add(done)
            before.learn(done)
        else:
            names = ", ".join(f"s3://{each.name.bucket}/{each.name.key}" for each in decided.staged)
            log.warning("what a task had written for %s is gone: it runs again", names)


def _published(output: Produced) -> Produced:
    if output.staged is None:
        return output
    return msgspec.structs.replace(output, staged=None, published=output.staged.name)


def _failed(answer: OutputsCompleted) -> TaskFailed:
    kind = FailureKind.OUTPUT_UNKNOWN if answer.is_unknown else FailureKind.OUTPUT_LOST
    return TaskFailed(
        task_id=answer.task_id,
        attempt=answer.attempt,
        kind=kind,
        message=f"what it wrote could not become an object: {answer.problem}",
    )
