"""The driver of a run: one thread that feeds the pure graph with what happens and does what it commands.

The program's thread and the executors only put messages into one queue. The driver takes all that are there,
lets the graph and the placement decide, and hands each site what became ready in one batch; nothing waits for
a timer. Sites are told of data, functions and tasks only through `Executor`.

What it does not promise: surviving the program's process. The journal tells what happened until then.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import msgspec

from continuum.model import stories
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.graph import Commands, Graph
from continuum.model.placement import Links, Strategy
from continuum.model.tasks import Datum, DatumState
from continuum.workflow.dispatching import Dispatcher, SiteSettings
from continuum.workflow.journals import Journal
from continuum.workflow.messages import (
    DatumPublished,
    Event,
    Executor,
    ObjectName,
    RunSpec,
    SiteGone,
    SiteReturned,
    TaskFailed,
    TaskFinished,
    TaskStarted,
)
from continuum.workflow.queues import SiteQueue
from continuum.workflow.tracing import with_source_lines

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 1000
_FLUSH_EVERY_S = 0.5


class Op(IntEnum):
    """What the program's thread asks for."""

    SUBMIT = 0
    RELEASE = 1
    WAIT = 2
    BARRIER = 3
    SUPPLY = 4
    LOCATE = 5
    LOCATED = 6
    LOST = 7
    CANCEL = 8
    RECORD = 9
    STOP = 10
    EVENTS = 11
    HOLD = 12


class Found(msgspec.Struct, frozen=True):
    """What is known of an object of the store; `problem` not empty: it cannot be used."""

    size_bytes: int = 0
    sites: tuple[str, ...] = ()
    problem: str = ""


class Locate(Protocol):
    """Ask where objects of the store are; `then` is called once, from any thread, with one answer each."""

    def __call__(self, names: Sequence[ObjectName], then: Callable[[Sequence[Found]], None], /) -> None:
        """Ask."""


class Waiter:
    """Somebody who waits for `count` things. A signal (Ctrl-C) gets through while waiting."""

    __slots__ = ("_lock", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._lock.acquire()

    def one_less(self) -> None:
        """One of the things is there."""
        self.count -= 1
        if self.count == 0:
            self._lock.release()

    def wait(self, check: Callable[[], None]) -> None:
        """Block until all are there; `check` raises if they never will be."""
        while not self._lock.acquire(timeout=1.0):
            check()


class Driver:
    """Owns the graph of one run, its executors and its journal."""

    def __init__(
        self,
        spec: RunSpec,
        executors: Sequence[Executor],
        journal: Journal,
        *,
        home: str = "",
        strategy: Strategy | None = None,
        links: Links | None = None,
        sites: Mapping[str, SiteSettings] | None = None,
        locate: Locate | None = None,
    ) -> None:
        self.spec = spec
        self.journal = journal
        self.graph = Graph()
        self.dispatcher = Dispatcher(self.graph, strategy or Strategy(), links or Links())
        self.sites = self.dispatcher.sites
        self.home = home or executors[0].site
        self.moved_bytes = 0
        self._locate = locate
        self._executors = list(executors)
        self._settings = sites or {}
        self._queue: SimpleQueue[tuple[Op, Any]] = SimpleQueue()
        self._barriers: list[Waiter] = []
        self._locating: list[Datum] = []
        self._error: BaseException | None = None
        self._is_stopping = False
        self._dirty: set[str] = set()
        self._thread = threading.Thread(target=self._live, name="driver", daemon=True)

    # ---- called by the program's thread ----

    def start(self) -> None:
        """Start the executors and the thread. Sites that cannot take part are left out, with a warning.

        Raises `UnavailableError` if none can.
        """
        problems = []
        for executor in self._executors:
            try:
                executor.start(self.spec, self._sink)
            except UnavailableError as problem:
                log.warning("site %s does not take part: %s", executor.site, problem)
                problems.append(f"{executor.site}: {problem.message}")
            else:
                self._join(executor)
        if not self.sites:
            raise UnavailableError("no site can take part in the run: " + "; ".join(problems))
        if self.home not in self.sites:
            self.home = next(iter(self.sites))
            self.sites[self.home].load.is_home = True
        self._thread.start()

    def _join(self, executor: Executor) -> None:
        settings = self._settings.get(executor.site, SiteSettings())
        self.dispatcher.join(executor, settings, is_home=executor.site == self.home)
        units = executor.computing_units
        self.journal.add([stories.SiteJoined(at=time.time(), site=executor.site, computing_units=units)])

    def _sink(self, site: str, events: Sequence[Event]) -> None:
        self._queue.put((Op.EVENTS, (site, events)))

    def post(self, op: Op, argument: Any) -> None:
        """Leave a message for the driver."""
        self._queue.put((op, argument))

    def check(self) -> None:
        """Raise if the driver does not work any more."""
        if self._error is not None:
            raise UnavailableError(f"the driver of the run has failed: {self._error!r}") from self._error

    def wait_for(self, data: Sequence[Datum]) -> None:
        """Block until all these data are there or cannot be had."""
        waiter = Waiter(1)
        self._queue.put((Op.WAIT, (data, waiter)))
        waiter.wait(self.check)

    def wait_for_all(self) -> None:
        """Block until every task is settled."""
        waiter = Waiter(1)
        self._queue.put((Op.BARRIER, waiter))
        waiter.wait(self.check)

    def read(self, datum: Datum) -> bytes:
        """Return the bytes of a datum that is there. Raises `UnavailableError`, and tells the driver."""
        source = datum.source
        inline = source.inline
        if inline is not None:
            return inline
        sites = [self.sites[name] for name in source.sites if not self.sites[name].load.is_lost]
        site = sites[0] if sites else self.sites[self.home]
        try:
            return site.executor.read(source.id, source.published)
        except ContinuumError as problem:
            self._queue.put((Op.LOST, (source, site.name if sites else "")))
            raise UnavailableError(problem.message, hint=problem.hint) from problem

    def cancel(self, reason: str) -> None:
        """Stop everything that is not settled."""
        self._queue.put((Op.CANCEL, reason))

    def close(self) -> None:
        """End the thread, then the executors. Idempotent."""
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._thread.is_alive():
            self._queue.put((Op.STOP, None))
            self._thread.join(timeout=10)
        closing = [threading.Thread(target=_close, args=(site.executor,)) for site in self.sites.values()]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    # ---- the thread ----

    def _live(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as problem:
            log.exception("the driver failed")
            self._error = problem
        finally:
            self.journal.flush()

    def _turn(self) -> bool:
        try:
            op, argument = self._queue.get(timeout=_FLUSH_EVERY_S)
        except Empty:
            self.journal.flush()
            if self.dispatcher.has_waited_enough(at := time.time()):
                self._act(at)
            return True
        at = time.time()
        goes_on = self._handle(op, argument, at)
        try:
            for _ in range(_MOST_AT_ONCE):
                op, argument = self._queue.get_nowait()
                goes_on = self._handle(op, argument, at) and goes_on
        except Empty:
            pass
        self._act(at)
        return goes_on

    def _handle(self, op: Op, argument: Any, at: float) -> bool:
        if op is Op.SUBMIT:
            self.graph.submit(argument, at, call=argument.payload.title)
        elif op is Op.EVENTS:
            self._take_events(argument[0], argument[1], at)
        elif op is Op.RELEASE:
            self.graph.release(argument)
        elif op is Op.WAIT:
            self._watch(argument[0], argument[1], at)
        else:
            return self._handle_rare(op, argument, at)
        return True

    def _handle_rare(self, op: Op, argument: Any, at: float) -> bool:
        match op:
            case Op.BARRIER:
                self._barriers.append(argument)
            case Op.SUPPLY:
                self.graph.keep(argument)
                self._supply(argument, at)
            case Op.LOCATE:
                self.graph.keep(argument)
                self._locating.append(argument)
            case Op.LOCATED:
                self._located(argument[0], argument[1], at)
            case Op.HOLD:
                argument.holders += 1
            case Op.LOST:
                self.graph.datum_lost(argument[0], argument[1], at)
            case Op.CANCEL:
                self.graph.cancel_all(argument, at)
            case Op.RECORD:
                self.graph.commands.records.append(argument)
            case _:
                return False
        return True

    def _watch(self, data: Sequence[Datum], waiter: Waiter, at: float) -> None:
        for datum in data:
            self.graph.require(datum, at)
            if datum.state is DatumState.PENDING:
                datum.watchers.append(waiter)
                waiter.count += 1
        waiter.one_less()

    # ---- what sites say ----

    def _take_events(self, site: str, events: Sequence[Event], at: float) -> None:
        queue = self.sites[site]
        for event in events:
            if type(event) is TaskFinished:
                self._finished(queue, event, at)
            elif type(event) is TaskStarted:
                self.graph.started(event.task_id, event.attempt, event.at)
            elif type(event) is TaskFailed:
                self._failed(queue, event, at)
            elif type(event) is DatumPublished:
                self._published(site, event, at)
            elif type(event) is SiteGone:
                self._site_gone(queue, event.reason, at)
            elif type(event) is SiteReturned:
                self._site_returned(queue, at)

    def _finished(self, queue: SiteQueue, event: TaskFinished, at: float) -> None:
        task = self.graph.finished(
            event.task_id,
            event.attempt,
            event.outputs,
            at,
            run_s=event.run_s,
            move_s=event.move_s,
            moved_bytes=event.moved_bytes,
            worker=event.worker,
        )
        if task is None:
            return
        self.dispatcher.history.add(task.function, queue.name, event.run_s)
        self.moved_bytes += event.moved_bytes
        queue.leave(task)
        queue.learn(event.run_s, event.move_s, event.moved_bytes)

    def _failed(self, queue: SiteQueue, event: TaskFailed, at: float) -> None:
        task = self.graph.failed(
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

    def _published(self, site: str, event: DatumPublished, at: float) -> None:
        if event.problem:
            log.warning("%s could not be published from %s: %s", event.datum, site, event.problem)
            self.graph.unpublished(event.datum, site, event.problem, at)
        else:
            self.graph.published(event.datum, site, event.published, at)

    def _site_gone(self, queue: SiteQueue, reason: str, at: float) -> None:
        if queue.load.is_lost:
            return
        log.warning("site %s was lost: %s", queue.name, reason)
        self.dispatcher.lose(queue, at)
        if queue.name == self.home:
            self.home = next((name for name, site in self.sites.items() if not site.load.is_lost), self.home)
        self.graph.site_lost(queue.name, reason, at)

    def _site_returned(self, queue: SiteQueue, at: float) -> None:
        if not queue.load.is_lost:
            return
        log.warning("site %s takes part again", queue.name)
        self.dispatcher.rejoin(queue)
        self.journal.add([stories.SiteJoined(at=at, site=queue.name, computing_units=queue.units)])

    def _located(self, data: Sequence[Datum], answers: Sequence[Found], at: float) -> None:
        for datum, found in zip(data, answers, strict=True):
            if found.problem:
                self.graph.missing(datum, found.problem, at)
            else:
                self.graph.located(datum, found.size_bytes, found.sites)

    # ---- what the graph commands ----

    def _act(self, at: float) -> None:
        if self._locating:
            self._ask_locations(at)
        commands = self.graph.take_commands()
        while True:
            self._carry_out(commands, at)
            self.dispatcher.dispatch(at)
            commands = self.graph.take_commands()
            if not (commands.place or commands.records or commands.publish or commands.settled):
                break
        self.dispatcher.flush()
        if self._barriers and not self.graph.tasks:
            for waiter in self._barriers:
                waiter.one_less()
            self._barriers.clear()

    def _carry_out(self, commands: Commands, at: float) -> None:
        self.dispatcher.add(commands.place)
        for task in commands.submit:
            self.dispatcher.hand_over_moved(task)
        for site, datum in commands.publish:
            self.sites[site].executor.publish([(datum.id, self._name_of(datum))])
        if commands.drop:
            self._drop(commands.drop)
        for site, task in commands.cancel:
            self.sites[site].executor.cancel([task.id])
            self.sites[site].leave(task)
        for datum in commands.supply:
            self._supply(datum, at)
        for datum in commands.watched:
            watchers, datum.watchers = datum.watchers, []
            for waiter in watchers:
                waiter.one_less()
        self.journal.add(commands.records)

    def _name_of(self, datum: Datum) -> ObjectName:
        return ObjectName(bucket=self.spec.objects.bucket, key=f"{self.spec.objects.key}/{datum.id}")

    def _drop(self, drops: Sequence[tuple[str, tuple[str, ...], Any]]) -> None:
        by_site: dict[str, list[str]] = {}
        for datum_id, sites, _ in drops:
            for site in sites:
                by_site.setdefault(site, []).append(datum_id)
        for site, data in by_site.items():
            if not self.sites[site].load.is_lost:
                self.sites[site].executor.drop(data)

    def _supply(self, datum: Datum, at: float) -> None:
        source: bytes | Path = datum.origin
        if isinstance(source, bytes):
            datum.origin = None  # the site has it from now on
        elif not source.exists():
            self.graph.missing(datum, f"the file {source} is gone", at)
            return
        self.sites[self.home].executor.put(datum.id, source, self._name_of(datum))

    def _ask_locations(self, at: float) -> None:
        data, self._locating = self._locating, []
        if self._locate is None:
            for datum in data:
                name: ObjectName = datum.published
                problem = f"s3://{name.bucket}/{name.key}: this run has no store (no continuum is up)"
                self.graph.missing(datum, problem, at)
            return
        self._locate(
            [datum.published for datum in data],
            lambda answers: self._queue.put((Op.LOCATED, (data, answers))),
        )


def _close(executor: Executor) -> None:
    try:
        executor.close()
    except (ContinuumError, OSError) as problem:
        log.warning("closing the executor of %s failed: %s", executor.site, problem)
