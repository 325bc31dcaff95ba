"""Placing what is ready and handing it to the sites in batches: the driver's half of placement.

Placement is decided when a task becomes ready, and again when a site has nothing to do while another one has
tasks that wait: then those at the end of its queue are looked at once more. Of tasks that become ready
together the one that most of the graph follows is placed, and runs, first (`model.placement.ranking`). A task
that only sites can run which are lost waits `RETURN_WITHIN_S` for them to come back before it fails.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import msgspec

from continuum.model import stories
from continuum.model.graph import Graph
from continuum.model.placement import (
    Decision,
    History,
    Links,
    Ranking,
    Shortlist,
    SiteLoad,
    Strategy,
    choose_site,
)
from continuum.model.sites import NO_COSTS, SiteCosts
from continuum.model.tasks import Datum, DatumState, Task, TaskState
from continuum.workflow.absences import Absences, away_record
from continuum.workflow.alternatives import Variant, choose_variant
from continuum.workflow.messages import (
    DatumBrought,
    DatumKind,
    Executor,
    FunctionCode,
    Input,
    Output,
    TaskFinished,
    TaskSpec,
    kind_of,
)
from continuum.workflow.pushing import Pusher
from continuum.workflow.queues import SiteQueue

RETURN_WITHIN_S = 60.0  # a supervisor starts an agent again in seconds, a person the supervisor in a minute
_GIVE_AT_MOST = 16
_MOST_COMPARED = 16  # sites, for the mean of the links
_MOST_IDLE = 8  # sites with nothing to do that are offered tasks of others at once
_ASK_AGAIN_AFTER_S = 0.05  # when the last task of a queue was best off there
_ASK_AGAIN_SHARE = 0.25  # of what it takes, if that is longer
# A queue is a guess; a site that turns out to have nothing to do gets tasks of others, without this.
_ATTACHMENT = 0.25

log = logging.getLogger(__name__)


class Payload:
    """What is needed to make a `TaskSpec` of a task."""

    __slots__ = (
        "call",
        "code",
        "engine",
        "group",
        "held_at",
        "outputs",
        "return_count",
        "time_out_s",
        "title",
        "variants",
    )

    def __init__(
        self,
        code: FunctionCode,
        call: bytes,
        outputs: tuple[Output, ...],
        return_count: int,
        *,
        time_out_s: float = 0.0,
        title: str = "",
        group: str = "",
    ) -> None:
        self.code = code
        self.call = call
        self.outputs = outputs
        self.return_count = return_count
        self.time_out_s = time_out_s
        self.title = title
        self.group = group
        self.engine = ""
        self.held_at = ""  # the site that has it from a driver before
        self.variants: tuple[Variant, ...] = ()


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What placement knows of a site beyond its executor: fields of `SiteLoad`."""

    memory_bytes: int = 0
    architecture: str = ""
    software: frozenset[str] = frozenset()
    costs: SiteCosts = NO_COSTS
    gpus: int = 0
    storage_bytes: int = 0
    nodes: int = 1
    labels: Mapping[str, str] = {}
    largest_units: int = 0


class Dispatcher:
    """The sites of a run and what is placed at each."""

    def __init__(
        self, graph: Graph, strategy: Strategy, links: Links, history: History | None = None
    ) -> None:
        self.sites: dict[str, SiteQueue] = {}
        self.history = history or History()
        self.links = links
        self._graph = graph
        self._strategy = strategy
        self._ranking = Ranking()
        self._shortlist = Shortlist(strategy)
        self._idle: list[str] = []  # sites with nothing to do, when tasks are placed once more
        self._pusher = Pusher(graph, self.history, links)
        self._byte_s = 0.0
        self._loads: dict[str, SiteLoad] = {}
        self._ready: deque[Task] = deque()
        self._lost_at: dict[str, float] = {}
        self.absences = Absences(graph, self.history)
        self._stranded: list[Task] = []
        self._give_up_at = 0.0
        self._picked: dict[int, Variant] = {}
        self.are_held = False
        """Whether sites are told the names of calls, by which a later driver may ask for them."""

    def join(self, executor: Executor, settings: SiteSettings, *, is_home: bool) -> SiteQueue:
        """A site takes part."""
        load = SiteLoad(
            name=executor.site,
            computing_units=executor.computing_units,
            is_home=is_home,
            **msgspec.structs.asdict(settings),
        )
        queue = self.sites[executor.site] = SiteQueue(executor, load, self.links)
        self._loads[executor.site] = load
        self._byte_s = self._mean_byte_s()
        return queue

    def _mean_byte_s(self) -> float:
        names = [*self.sites][:_MOST_COMPARED]
        pairs = [(one, other) for one in names for other in names if one != other]
        times = [1 / self.links.between(*pair).bandwidth_bytes_per_s for pair in pairs]
        return sum(times) / len(times) if times else 0.0

    def add(self, tasks: Sequence[Task]) -> None:
        """These are ready."""
        self._ready.extend(tasks)

    def lose(self, queue: SiteQueue, at: float) -> None:
        """A site is gone: what waited for it is placed again."""
        self._lost_at[queue.name] = at
        self.absences.end(queue.name)
        self._pusher.forget(queue.name)
        self._ready.extend(queue.lose())
        self._take_stranded()  # what waited for it, too: its time begins to run

    def fall_silent(self, queue: SiteQueue, reason: str, at: float) -> None:
        """A site does not answer for now: it keeps what it has; what waited for it is placed elsewhere."""
        self._ready.extend(queue.be_away())
        for other in self.sites.values():
            stuck = [task for task in other.moving if self._needs_absent(task)]
            other.stuck += stuck
            other.moving = [task for task in other.moving if task not in stuck]
        wait_s = self.absences.fall_silent(queue, reason, at, is_alone=self._is_alone(queue))
        self._graph.commands.records.append(away_record(queue.name, reason, wait_s, at))

    def leave(self, queue: SiteQueue, reason: str, at: float) -> None:
        """A site is about to stop: it finishes what it has and gets nothing new."""
        self._ready.extend(queue.be_away())
        self.absences.leave(queue, reason)
        self._graph.commands.records.append(away_record(queue.name, reason, 0.0, at))

    def _is_alone(self, queue: SiteQueue) -> bool:
        """Whether something that a site has can be done nowhere else."""
        tasks = islice(self.absences.tasks_at(queue.name), _MOST_COMPARED)
        return any(not self._choose_site(task).site for task in tasks)

    def come_back(self, queue: SiteQueue) -> None:
        """A site that was away answers again, with all that it had."""
        queue.load.is_away = False
        self.absences.end(queue.name)
        self._take_stranded()

    def rejoin(self, queue: SiteQueue) -> None:
        """A site is back: what only waited for it may be placed."""
        queue.rejoin()
        self._take_stranded()

    def _take_stranded(self) -> None:
        self._ready.extend(self._stranded)
        self._stranded.clear()

    def has_waited_enough(self, at: float) -> bool:
        """Whether tasks wait for lost sites, and one of these is not expected back any more."""
        return bool(self._stranded) and at >= self._give_up_at

    def is_due(self, at: float) -> bool:
        """Whether to look again though nothing has happened."""
        return self.absences.is_waiting or self.has_waited_enough(at)

    def dispatch(self, at: float) -> None:
        """Place what is ready, and hand over what the sites have room for (at the next `flush`)."""
        if self.has_waited_enough(at):
            self._take_stranded()
        if self.absences.is_waiting:
            for site, reason in self.absences.find_over(at):
                self.sites[site].executor.give_up(reason)
        if self._ready:
            self._place(at)
        for queue in self.sites.values():
            if queue.moving or queue.stuck:
                queue.settle_moving()
            if queue.waiting.size:
                self._fill(queue)
        if len(self.sites) > 1:
            self._rebalance(at)
            self._pusher.push(self.sites)

    # ---- what sites say ----

    def finished(self, queue: SiteQueue, task: Task, event: TaskFinished) -> None:
        """A task has finished at a site."""
        history = self.history
        history.add(task.function, queue.name, event.run_s)
        for produced in event.outputs:
            if produced.inline is None:
                history.add_output(task.function, produced.size_bytes)
        if event.transfers:
            self.links.learn(queue.name, event.transfers)
        queue.leave(task)
        queue.learn(event.run_s, event.move_s, event.moved_bytes)

    def brought(self, queue: SiteQueue, event: DatumBrought) -> None:
        """A site has fetched a datum ahead of need, or could not."""
        datum = self._pusher.brought(queue.name, event.datum)
        if event.transfer is not None:
            self.links.learn(queue.name, [event.transfer])
        if datum is not None and not event.problem and not self._graph.brought(datum, queue.name):
            queue.executor.drop([datum.id])

    # ---- placing ----

    def _place(self, at: float) -> None:
        if self._strategy.looks_ahead:
            self._sort_ready()
        while self._ready:
            task = self._ready.popleft()
            if task.state is not TaskState.READY:
                continue
            decision = self._choose(task, self._attached)
            if decision.site:
                self._enqueue(task, decision, decision.reason, at)
            elif not self._strand(task, at):
                self._graph.refuse(task, decision.reason, at)

    def _sort_ready(self) -> None:
        self._ranking.refresh(self._graph.tasks, self._graph.counts, self.history, self._byte_s)
        if self._ranking.is_ranked and len(self._ready) > 1:
            self._ready = deque(sorted(self._ready, key=_urgency))

    def _strand(self, task: Task, at: float) -> bool:
        """Let a task wait if a site that is away, or was lost a short while ago, could run it."""
        expected = {
            name: msgspec.structs.replace(load, is_lost=False, is_away=False)
            for name, load in self._loads.items()
            if load.is_away or (load.is_lost and at - self._lost_at[name] < RETURN_WITHIN_S)
        }
        decision = choose_site(task, expected, self.history, links=self.links, strategy=self._strategy)
        if not decision.site:
            return False
        ends = [self._lost_at[name] + RETURN_WITHIN_S for name in expected if self._loads[name].is_lost]
        if not self._stranded:
            log.warning("waiting for %s to come back", " or ".join(expected))
            self._give_up_at = math.inf
        self._give_up_at = min(self._give_up_at, *ends, math.inf)
        self._stranded.append(task)
        return True

    def _choose(self, task: Task, choose: Callable[[Task], Decision] | None = None) -> Decision:
        if task.payload.held_at and not task.attempt:
            held = self._hold(task)
            if held is not None:
                return held
        choose = choose or self._choose_site
        variants: tuple[Variant, ...] = task.payload.variants
        if not variants:
            return choose(task)
        decision, self._picked[task.id] = choose_variant(task, variants, choose, self.history.knows)
        return decision

    def _hold(self, task: Task) -> Decision | None:
        load = self._loads.get(task.payload.held_at)
        if load is None or load.is_lost or task.payload.variants:
            return None
        return Decision(load.name, "it has it from the driver before", (), 0.0)

    def _choose_site(self, task: Task) -> Decision:
        sites = self._shortlist.narrow(task, self._loads, self.history, also=self._idle)
        return choose_site(task, sites, self.history, links=self.links, strategy=self._strategy)

    def _attached(self, task: Task) -> Decision:
        return choose_site(
            task,
            self._shortlist.narrow(task, self._loads, self.history),
            self.history,
            links=self.links,
            strategy=self._strategy,
            attachment=_ATTACHMENT,
        )

    def _become(self, task: Task) -> None:
        """Let a task with several ways to be done be the one that was chosen."""
        variant, payload = self._picked.pop(task.id), task.payload
        task.needs = variant.needs
        self._graph.rename(task, variant.name)
        payload.code, payload.engine, payload.time_out_s = variant.code, variant.engine, variant.time_out_s

    def _enqueue(self, task: Task, decision: Decision, reason: str, at: float) -> None:
        if task.payload.variants:
            self._become(task)
        self.sites[decision.site].enqueue(task)
        if decision.moves:
            self.links.begin(task.id, decision.site, decision.moves)
        if len(self.sites) > 1:
            self._pusher.placed(task, self.sites[decision.site], decision)
        placed = stories.Placed(
            at=at,
            task=task.id,
            attempt=task.attempt + 1,
            site=decision.site,
            reason=reason,
            table=decision.table,
            ahead_s=task.rank,
        )
        self._graph.commands.records.append(placed)

    def _fill(self, queue: SiteQueue) -> None:
        while queue.has_room():
            task = queue.next_task()
            if task is None:
                return
            if self._graph.place(task, queue.name):
                self.hand_over(queue, task)
            elif self.absences.is_waiting and self._needs_absent(task):
                queue.stuck.append(task)
            else:
                queue.moving.append(task)

    def _needs_absent(self, task: Task) -> bool:
        """Whether an input has to come from sites that are away."""
        sources = (read.source for read in task.reads)
        return any(
            source.inline is None
            and source.published is None
            and task.site not in source.sites
            and all(self._loads[site].is_away for site in source.sites)
            for source in sources
        )

    def _rebalance(self, at: float) -> None:
        """Look once more at tasks that wait while a site has nothing to do."""
        donors = [queue for queue in self.sites.values() if queue.waiting.size and at >= queue.asks_again_at]
        if not donors:
            return
        idle = (queue.name for queue in self.sites.values() if queue.is_idle())
        self._idle = list(islice(idle, _MOST_IDLE))
        if self._idle:
            donors.sort(key=lambda queue: -len(queue.waiting))
            for donor in donors:
                self._give_away(donor, at)

    def _give_away(self, donor: SiteQueue, at: float) -> None:
        """Place the tasks at the end of a queue once more, until one is best off where it is."""
        for _ in range(min(_GIVE_AT_MOST, len(donor.waiting))):
            task = donor.waiting.take_late()
            donor.lighten(task)
            if task.state is not TaskState.READY:
                continue
            decision = self._choose(task)
            if decision.site == donor.name:
                donor.enqueue(task)
                if decision.moves:
                    self.links.begin(task.id, donor.name, decision.moves)
                donor.asks_again_at = at + max(_ASK_AGAIN_AFTER_S, decision.run_s * _ASK_AGAIN_SHARE)
                return
            self._enqueue(task, decision, f"waited at {donor.name}; {decision.reason}", at)
            self._fill(self.sites[decision.site])

    def hand_over(self, queue: SiteQueue, task: Task) -> None:
        """Put a task into the next batch for its site."""
        queue.in_flight += task.needs.computing_units
        payload: Payload = task.payload
        code = payload.code
        if code.function not in queue.known:
            queue.known.add(code.function)
            queue.functions.append(code)
        spec = TaskSpec(
            task_id=task.id,
            attempt=task.attempt,
            function=code.function,
            call=payload.call,
            inputs=tuple([_input(datum) for datum in task.reads]) if task.reads else (),
            outputs=_outputs_of(task) if task.commuting or task.recoveries else payload.outputs,
            return_count=payload.return_count,
            computing_units=task.needs.computing_units,
            memory_bytes=task.needs.memory_bytes,
            time_out_s=payload.time_out_s,
            priority=task.is_priority,
            gpus=task.needs.gpus,
            engine=payload.engine,
            key=task.key if self.are_held and task.commuting is None else b"",
        )
        queue.specs.append(spec)

    def hand_over_moved(self, task: Task) -> None:
        """The inputs of a placed task can be had at its site now, unless it was called back meanwhile."""
        if task.state is not TaskState.SUBMITTED:
            return
        queue = self.sites[task.site]
        for tasks in (queue.moving, queue.stuck):
            if task in tasks:
                tasks.remove(task)
        self.hand_over(queue, task)

    def flush(self) -> None:
        """Send the batches."""
        for queue in self.sites.values():
            if queue.specs:
                functions, specs = queue.functions, queue.specs
                queue.functions, queue.specs = [], []
                queue.executor.submit(functions, specs)


def _outputs_of(task: Task) -> tuple[Output, ...]:
    """Return the outputs of a task that may have changed places with another one since it was called, or that
    runs again for some of them only: then objects that it has written are not written again."""
    outputs: tuple[Output, ...] = task.payload.outputs
    if task.commuting is not None and task.commuting.is_moved:
        outputs = tuple(
            msgspec.structs.replace(output, datum=datum.id)
            for output, datum in zip(outputs, task.writes, strict=True)
        )
    if not task.recoveries:
        return outputs
    return tuple(
        msgspec.structs.replace(output, publish_as=None) if _is_written(datum) else output
        for output, datum in zip(outputs, task.writes, strict=True)
    )


def _is_written(datum: Datum) -> bool:
    return datum.is_external and datum.state is DatumState.READY


def _urgency(task: Task) -> tuple[bool, float]:
    return (not task.is_priority, -task.rank)


def _input(datum: Datum) -> Input:
    source = datum.same_as or datum
    inline = source.inline
    return Input(
        datum=source.id,
        kind=kind_of(datum.name) if datum.is_file else DatumKind.OBJECT,
        size_bytes=source.size_bytes,
        inline=inline,
        published=None if inline is not None else source.published,
        file_name=datum.name if datum.is_file else "",
    )
