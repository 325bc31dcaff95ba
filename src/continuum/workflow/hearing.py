"""What sites say, taken to heart: events of a run's sites become events of its graph. The driver's thread.

Sites may say things late, twice or after they were lost. Tries are numbered, and the graph knows where data
are, so what is out of date is told from what is new; what a lost site says is not listened to at all.
"""

import logging
from collections.abc import Callable, Sequence

from continuum.model import stories
from continuum.model.graph import Graph
from continuum.workflow.checkpointing import Checkpoints
from continuum.workflow.committing import Commits
from continuum.workflow.dispatching import Dispatcher
from continuum.workflow.journals import Journal
from continuum.workflow.messages import (
    DatumBrought,
    DatumPublished,
    Event,
    OutputsCompleted,
    SiteAway,
    SiteBack,
    SiteGone,
    SiteLeaving,
    SiteReturned,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    WorkersChanged,
)
from continuum.workflow.queues import SiteQueue
from continuum.workflow.tracing import with_source_lines

log = logging.getLogger(__name__)


class Hearing:
    """Takes what sites say. `on_lost` is told of a lost site before the graph is."""

    def __init__(
        self,
        graph: Graph,
        dispatcher: Dispatcher,
        journal: Journal,
        on_lost: Callable[[str], None],
        commits: Commits,
        *,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._commits = commits
        self.moved_bytes = 0
        self._graph = graph
        self._dispatcher = dispatcher
        self._journal = journal
        self._on_lost = on_lost

    def take(self, site: str, events: Sequence[Event], at: float) -> None:
        """A site says what happened there."""
        queue = self._dispatcher.sites[site]
        for event in events:
            if queue.load.is_lost:
                self._hear_lost(queue, event, at)
            elif type(event) is TaskFinished:
                if event.outputs and self._commits.begin(queue, event):
                    continue
                self._finished(queue, event, at)
            elif type(event) is TaskStarted:
                self._graph.started(event.task_id, event.attempt, event.at)
                self._dispatcher.links.end(event.task_id)
            elif type(event) is TaskFailed:
                self._failed(queue, event, at)
            elif type(event) is DatumPublished:
                self._published(site, event, at)
            else:
                self._take_rare(queue, event, at)

    def _take_rare(self, queue: SiteQueue, event: Event, at: float) -> None:
        match event:
            case DatumBrought():
                self._brought(queue, event)
            case OutputsCompleted():
                self._completed(event, at)
            case SiteGone():
                self._site_gone(queue, event.reason, at)
            case SiteAway():
                self._dispatcher.fall_silent(queue, event.reason, at)
            case SiteLeaving():
                self._dispatcher.leave(queue, event.reason, at)
            case SiteBack():
                self._site_back(queue, at)
            case WorkersChanged():
                self._journal.add([_workers_of(queue.name, event, at)])

    def _hear_lost(self, queue: SiteQueue, event: Event, at: float) -> None:
        """What a lost site still says is too late, but for what the driver's own gateway has done for it."""
        if type(event) is SiteReturned:
            self._site_returned(queue, at)
        elif type(event) is OutputsCompleted:
            self._completed(event, at)
        elif type(event) is DatumPublished:
            if event.published is None and not event.problem:
                event = DatumPublished(datum=event.datum, problem=f"site {queue.name} was lost")
            self._published(queue.name, event, at)

    def _finished(self, queue: SiteQueue, event: TaskFinished, at: float) -> None:
        task = self._graph.finished(
            event.task_id,
            event.attempt,
            event.outputs,
            at,
            started_at=event.started_at,
            run_s=event.run_s,
            move_s=event.move_s,
            moved_bytes=event.moved_bytes,
            worker=event.worker,
        )
        if task is None:
            return
        self.moved_bytes += event.moved_bytes
        self._dispatcher.finished(queue, task, event)

    def _completed(self, event: OutputsCompleted, at: float) -> None:
        ended = self._commits.ended(event)
        if ended is None:
            return
        queue, outcome, is_site_lost = ended
        if isinstance(outcome, TaskFailed):
            self._failed(queue, outcome, at)
            return
        self._finished(queue, outcome, at)
        if is_site_lost:
            self._lose_outputs(queue, outcome, at)

    def _lose_outputs(self, queue: SiteQueue, event: TaskFinished, at: float) -> None:
        """What lies only at the site is gone, though the task has finished."""
        for output in event.outputs:
            datum = self._graph.stored.get(output.datum)
            if datum is not None:
                self._graph.datum_lost(datum, queue.name, at)

    def _failed(self, queue: SiteQueue, event: TaskFailed, at: float) -> None:
        task = self._graph.failed(
            event.task_id,
            event.attempt,
            event.kind.value,
            event.message,
            at,
            traceback=with_source_lines(event.traceback),
            exception=event.exception,
            lost_datum=event.lost_datum,
            worker=event.worker,
        )
        if task is not None:
            queue.leave(task)

    def _brought(self, queue: SiteQueue, event: DatumBrought) -> None:
        self._dispatcher.brought(queue, event)
        if event.transfer is not None:
            self.moved_bytes += event.transfer.size_bytes
            queue.moved_bytes += event.transfer.size_bytes
        if event.problem:
            log.debug("%s was not brought to %s: %s", event.datum, queue.name, event.problem)

    def _published(self, site: str, event: DatumPublished, at: float) -> None:
        if event.problem:
            log.warning("%s could not be published from %s: %s", event.datum, site, event.problem)
            if self._checkpoints is not None and self._checkpoints.is_saving_alone(event.datum):
                self._checkpoints.published(event.datum, None)
                return
            self._graph.unpublished(event.datum, site, event.problem, at)
        else:
            self._graph.published(event.datum, site, event.published, at)
            if self._checkpoints is not None:
                self._checkpoints.published(event.datum, event.published)

    def _site_gone(self, queue: SiteQueue, reason: str, at: float) -> None:
        log.warning("site %s was lost: %s", queue.name, reason)
        self._dispatcher.lose(queue, at)
        self._on_lost(queue.name)
        self._commits.site_lost(queue.name)
        if self._checkpoints is not None:
            self._checkpoints.site_lost(queue.name)
        self._graph.site_lost(queue.name, reason, at)

    def _site_back(self, queue: SiteQueue, at: float) -> None:
        log.warning("site %s answers again; nothing of what it has is lost", queue.name)
        self._dispatcher.come_back(queue)
        self._journal.add([stories.SiteJoined(at=at, site=queue.name, computing_units=queue.units)])

    def _site_returned(self, queue: SiteQueue, at: float) -> None:
        log.warning("site %s takes part again", queue.name)
        self._dispatcher.rejoin(queue)
        self._journal.add([stories.SiteJoined(at=at, site=queue.name, computing_units=queue.units)])


def _workers_of(site: str, event: WorkersChanged, at: float) -> stories.WorkersChanged:
    return stories.WorkersChanged(at=at, site=site, workers=event.workers, reason=event.reason)
