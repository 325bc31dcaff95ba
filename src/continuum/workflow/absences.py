"""Sites of a run that are away: silent for now, or about to leave. The driver's thread.

A silent site may go on with what it has: its tries keep counting, what it finishes is told when it answers
again. Nothing new is placed there meanwhile, and what only waited for it is placed elsewhere. It is given up
when waiting has taken as long as doing again what it has (`model.patience`).

A site that leaves says so first (`SiteLeaving`): it finishes what runs. What lies only there is put into the
store, and as soon as nothing is left there the driver parts from it, and nothing is done again. How long that
may take is the site's to decide.
"""

import logging
from collections.abc import Iterator

from continuum.model import stories
from continuum.model.graph import Graph
from continuum.model.patience import PATIENCE_S, find_patience_s
from continuum.model.placement import History
from continuum.model.settling import AT_SITE
from continuum.model.stories import format_seconds
from continuum.model.tasks import Datum, DatumState, Task, TaskState
from continuum.workflow.queues import SiteQueue

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2  # at all tasks, for those of sites that leave


class Absences:
    """Which sites are away, and until when each is waited for. `limit_s`: the longest wait."""

    def __init__(self, graph: Graph, history: History, *, limit_s: float = PATIENCE_S) -> None:
        self.limit_s = limit_s
        self._graph = graph
        self._history = history
        self._until: dict[str, tuple[float, str]] = {}  # silent sites
        self._leaving: dict[str, str] = {}
        self._looks_at = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether any site is away."""
        return bool(self._until or self._leaving)

    def fall_silent(self, queue: SiteQueue, reason: str, at: float, *, is_alone: bool) -> float:
        """A site does not answer; return for how long it is waited for. `is_alone`: no other can do what it
        does."""
        wait_s = self.limit_s if is_alone else self._patience_s(queue)
        self._until[queue.name] = (at + wait_s, reason)
        if wait_s:
            log.warning(
                "site %s is silent: %s; its tasks are waited for, at most %s more",
                queue.name,
                reason,
                format_seconds(wait_s),
            )
        return wait_s

    def _patience_s(self, queue: SiteQueue) -> float:
        return find_patience_s(
            queue.name,
            self.tasks_at(queue.name),
            self._only_at(queue.name),
            self._history,
            units=queue.units,
            limit_s=self.limit_s,
        )

    def leave(self, queue: SiteQueue, reason: str) -> None:
        """A site is going to stop: have what lies only there put into the store."""
        log.warning("site %s leaves: %s; what runs there is finished first", queue.name, reason)
        self._leaving[queue.name] = reason

    def end(self, site: str) -> None:
        """A site is back, or gone."""
        self._until.pop(site, None)
        self._leaving.pop(site, None)

    def tasks_at(self, site: str) -> Iterator[Task]:
        """Return the tasks that a site has."""
        return (task for task in self._graph.tasks.values() if task.site == site and task.state in AT_SITE)

    def find_over(self, at: float) -> list[tuple[str, str]]:
        """Return the sites that are not to be waited for any longer, each with the reason."""
        over = [(site, reason) for site, (until, reason) in self._until.items() if at >= until]
        for site, _ in over:
            del self._until[site]
        if at < self._looks_at:
            return over
        self._looks_at = at + LOOK_EVERY_S
        parted = [(site, reason) for site, reason in self._leaving.items() if self._is_empty(site)]
        for site, _ in parted:
            del self._leaving[site]
        return over + parted

    def _is_empty(self, site: str) -> bool:
        """Whether nothing is left at a site; what has only just come to lie there is asked for."""
        if any(task.site == site and task.state in _HAS for task in self._graph.tasks.values()):
            return False
        left = list(self._only_at(site))
        for datum in left:
            self._graph.save(datum)
        return not left

    def _only_at(self, site: str) -> Iterator[Datum]:
        return (
            datum
            for datum in self._graph.stored.values()
            if datum.sites == (site,)
            and datum.state is DatumState.READY
            and datum.inline is None
            and datum.published is None
        )


_HAS = AT_SITE | {TaskState.MOVING}


def away_record(site: str, reason: str, wait_s: float, at: float) -> stories.SiteAway:
    """Return what the journal says of it."""
    return stories.SiteAway(at=at, site=site, reason=reason, patience_s=wait_s)
