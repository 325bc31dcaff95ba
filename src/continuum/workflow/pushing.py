"""Pushing data ahead of need: what a placed task lacks at its site starts to move before the task gets there.

A site is told to bring data that tasks in its queue will read, and, when a task is placed there, what else
who reads its result will read, if the result outweighs it: then that task will most likely run there too.
What lies only in the run's data of another site is published first. At most `MOST_PUSHED` data are under way
to a site, so that what is pushed never holds up what is needed at once for long. When a decision changes,
what was not asked for yet is forgotten; what was, is one more copy, dropped with the datum.
"""

from collections import deque

from continuum.model.graph import Graph
from continuum.model.placement import Decision, History, Links, moves_to
from continuum.model.tasks import Datum, Task, TaskState
from continuum.workflow.queues import SiteQueue

MOST_PUSHED = 12
MOST_LOOKED_AT = 24  # of what waits to be pushed to a site, each time
LEAST_BYTES = 65_536  # below this, asking costs more than it saves
_BEFORE_SITE = frozenset((TaskState.WAITING, TaskState.READY))


class Pusher:
    """Decides what is pushed, and asks sites to bring it."""

    def __init__(self, graph: Graph, history: History, links: Links) -> None:
        self._graph = graph
        self._links = links
        self._history = history
        self._wanted: dict[str, deque[tuple[Task, Datum]]] = {}
        self._pushed: dict[str, dict[str, Datum]] = {}

    def placed(self, task: Task, queue: SiteQueue, decision: Decision) -> None:
        """A task was placed at a site where it has to wait."""
        if decision.moves and len(queue.waiting) > queue.units // 2:
            lacking = {move.datum for move in decision.moves if move.size_bytes >= LEAST_BYTES}
            for read in task.reads:
                if read.source.id in lacking:
                    self._want(queue.name, task, read.source)
        for written in task.writes:
            for reader in written.waiting:
                if reader.missing == 1 and len(reader.reads) > 1:
                    self._foresee(task, reader, queue.name)

    def _foresee(self, task: Task, reader: Task, site: str) -> None:
        lacking = [
            source
            for read in reader.reads
            if (source := read.source).is_available
            and source.inline is None
            and source.size_bytes >= LEAST_BYTES
            and site not in source.sites
            and site not in source.replicas
        ]
        if lacking and sum(each.size_bytes for each in lacking) <= self._history.output_bytes(task.function):
            for each in lacking:
                self._want(site, reader, each)

    def _want(self, site: str, task: Task, datum: Datum) -> None:
        self._wanted.setdefault(site, deque()).append((task, datum))

    def push(self, sites: dict[str, SiteQueue]) -> None:
        """Ask sites for what may be under way to them now."""
        for name in [name for name, wanted in self._wanted.items() if wanted]:
            queue = sites[name]
            if queue.load.is_lost:
                self.forget(name)
                continue
            if queue.load.is_away:
                continue
            self._push_to(queue)

    def forget(self, site: str) -> None:
        """A site is lost, with what was under way to it."""
        for datum in self._pushed.pop(site, {}):
            self._links.end(f"{site}/{datum}")
        self._wanted.pop(site, None)

    def _push_to(self, queue: SiteQueue) -> None:
        wanted = self._wanted[queue.name]
        pushed = self._pushed.setdefault(queue.name, {})
        asked = []
        for _ in range(min(MOST_LOOKED_AT, len(wanted))):
            if len(pushed) >= MOST_PUSHED:
                break
            task, datum = wanted.popleft()
            if not self._is_needed(task, datum, queue):
                continue
            if datum.published is None:
                self._graph.expose(datum)
                wanted.append((task, datum))
            elif datum.id not in pushed:
                pushed[datum.id] = datum
                moves = moves_to(datum, queue.name, queue.links)
                queue.links.begin(f"{queue.name}/{datum.id}", queue.name, moves)
                asked.append((datum.id, datum.published))
        if asked:
            queue.executor.bring(asked)

    @staticmethod
    def _is_needed(task: Task, datum: Datum, queue: SiteQueue) -> bool:
        if task.state not in _BEFORE_SITE or queue.name in datum.sites or queue.name in datum.replicas:
            return False
        is_elsewhere = task.state is TaskState.READY and not queue.links.is_coming(datum.id, queue.name)
        return datum.is_available and not is_elsewhere

    def brought(self, site: str, datum: str) -> Datum | None:
        """A site has brought a datum, or could not; return it if it was asked for."""
        self._links.end(f"{site}/{datum}")
        return self._pushed.get(site, {}).pop(datum, None)
