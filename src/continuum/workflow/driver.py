"""The driver of a run: one thread that feeds the pure graph with what happens and does what it commands.

The program's thread and the executors only put messages into one queue. The driver takes all that are there,
lets the graph and the placement decide, and hands each site what became ready in one batch; nothing waits for
a timer. Sites are told of data, functions and tasks only through `Executor`.

What it does not promise: surviving the program's process. The journal tells what happened until then;
what a driver that resumes the run has to know is remembered by `checkpointing`.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from continuum.model import stories
from continuum.model.errors import AccessDeniedError, ContinuumError, UnavailableError
from continuum.model.graph import Commands, Graph
from continuum.model.patience import PATIENCE_S
from continuum.model.placement import History, Links, Strategy
from continuum.model.tasks import Datum, DatumState
from continuum.workflow.checkpointing import Checkpoints
from continuum.workflow.committing import Commits
from continuum.workflow.dispatching import Dispatcher, SiteSettings
from continuum.workflow.hearing import Hearing
from continuum.workflow.journals import Journal
from continuum.workflow.messages import Event, EventSink, Executor, RunSpec
from continuum.workflow.operations import Found, Locate, Op, Waiter
from continuum.workflow.providing import Provisions

__all__ = ["Driver", "Found", "Locate", "Op", "Waiter"]

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 1000
_FLUSH_EVERY_S = 0.5
_COMMIT_LOOK_EVERY_S = 0.005
COMMIT_PATIENCE_S = 5.0
SNAPSHOT_PATIENCE_S = 3600.0  # results may be large, and links slow


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
        history: History | None = None,
        sites: Mapping[str, SiteSettings] | None = None,
        locate: Locate | None = None,
        checkpoints: Checkpoints | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.spec = spec
        self.checkpoints = checkpoints
        self.journal = journal
        self.graph = Graph()
        self.dispatcher = Dispatcher(self.graph, strategy or Strategy(), links or Links(), history)
        self.dispatcher.are_held = spec.hold_s > 0
        self.dispatcher.absences.limit_s = min(patience_s, spec.hold_s)  # sites end the run after that
        self.sites = self.dispatcher.sites
        self.home = home or executors[0].site
        self._executors = list(executors)
        self._settings = sites or {}
        self._queue: SimpleQueue[tuple[Op, Any]] = SimpleQueue()
        self._barriers: list[Waiter] = []
        self._error: BaseException | None = None
        self._is_stopping = False
        self._dirty: set[str] = set()
        self._commits = Commits(self.graph, self.sites, lambda: self.home, checkpoints)
        self._hearing = Hearing(
            self.graph, self.dispatcher, journal, self._leave_home, self._commits, checkpoints=checkpoints
        )
        self._provisions = Provisions(
            self.graph, self.sites, spec.objects, locate, self.post, checkpoints=checkpoints
        )
        self._thread = threading.Thread(target=self._live, name="driver", daemon=True)

    # ---- called by the program's thread ----

    def start(self) -> None:
        """Start the executors and the thread. Sites that cannot take part are left out, with a warning.

        Raises `UnavailableError` if none can.
        """
        self.join_sites(self._sink)
        self._thread.start()

    def join_sites(self, sink: EventSink) -> None:
        """Start the executors. For `start`, and for who calls `turn` himself: then there is no thread."""
        problems = []
        for executor in self._executors:
            try:
                executor.start(self.spec, sink)
            except (AccessDeniedError, UnavailableError) as problem:
                log.warning("site %s does not take part: %s", executor.site, problem)
                problems.append(f"{executor.site}: {problem.message}")
            else:
                self._join(executor)
        if not self.sites:
            raise UnavailableError("no site can take part in the run: " + "; ".join(problems))
        if self.home not in self.sites:
            self.home = next(iter(self.sites))
            self.sites[self.home].load.is_home = True

    def turn(self, messages: Sequence[tuple[Op, Any]], at: float) -> None:
        """Take messages and act on them, at this time: what the thread does again and again."""
        for op, argument in messages:
            self._handle(op, argument, at)
        self._act(at)

    def _join(self, executor: Executor) -> None:
        settings = self._settings.get(executor.site, getattr(executor, "settings", SiteSettings()))
        self.dispatcher.join(executor, settings, is_home=executor.site == self.home)
        units = executor.computing_units
        if self.checkpoints is not None and (held := getattr(executor, "held", None)) is not None:
            self.checkpoints.hold(executor.site, held)
        self.journal.add([stories.SiteJoined(at=time.time(), site=executor.site, computing_units=units)])

    def _sink(self, site: str, events: Sequence[Event]) -> None:
        self._queue.put((Op.EVENTS, (site, events)))

    def _leave_home(self, lost: str) -> None:
        if lost == self.home:
            self.home = next((name for name, site in self.sites.items() if not site.load.is_lost), lost)

    @property
    def moved_bytes(self) -> int:
        """How much has come to sites from other sites."""
        return self._hearing.moved_bytes

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
        sites.sort(key=lambda site: site.load.is_away)
        site = sites[0] if sites else self.sites[self.home]
        try:
            return site.executor.read(source.id, source.published)
        except ContinuumError as problem:
            self._queue.put((Op.LOST, (source, site.name if sites else "")))
            raise UnavailableError(problem.message, hint=problem.hint) from problem

    def took(self, datum: Datum, path: Path, name: str) -> None:
        """The program's own version of a file or directory, which is at `path`, is given to tasks."""
        if self.checkpoints is not None:
            self.checkpoints.took(datum, path, str(Path(name)))

    def bringing(self, path: Path, data: bytes) -> None:
        """A file of the program is about to be replaced: return once the run remembers that."""
        if self.checkpoints is not None:
            checkpoints = self.checkpoints
            checkpoints.bringing(path, data)
            self._ask(checkpoints.flush)

    def snapshot(self, *, patience_s: float = SNAPSHOT_PATIENCE_S) -> None:
        """Return once all that has finished so far outlives this process and its sites.

        Raises `UnavailableError` if that takes too long.
        """
        if self.checkpoints is not None:
            checkpoints = self.checkpoints
            self._ask(lambda waiter: checkpoints.snapshot(self.graph, self.sites, waiter), patience_s)

    def _ask(self, work: Callable[[Waiter], None], patience_s: float = SNAPSHOT_PATIENCE_S) -> None:
        waiter = Waiter(1)
        deadline = time.monotonic() + patience_s

        def check() -> None:
            self.check()
            if time.monotonic() > deadline:
                raise UnavailableError(f"the run could not be kept within {patience_s:.0f} s")

        self._queue.put((Op.DO, lambda _graph, _at: work(waiter)))
        waiter.wait(check)

    def cancel(self, reason: str) -> None:
        """Stop everything that is not settled."""
        self._queue.put((Op.CANCEL, reason))

    def close(self) -> None:
        """End the thread, then the executors. Idempotent."""
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._thread.is_alive():
            self._await_commits()
            self._queue.put((Op.STOP, None))
            self._thread.join(timeout=10)
        closing = [threading.Thread(target=_close, args=(site.executor,)) for site in self.sites.values()]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        if self.checkpoints is not None:
            self.checkpoints.close()

    def _await_commits(self) -> None:
        """Let objects that are being written be: else who resumes the run has to find out."""
        deadline = time.monotonic() + COMMIT_PATIENCE_S
        while self._commits.is_busy and self._error is None and time.monotonic() < deadline:
            time.sleep(_COMMIT_LOOK_EVERY_S)

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
            if self.checkpoints is not None:
                self.checkpoints.act(self.sites, time.time())
            if self.dispatcher.is_due(at := time.time()):
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
            payload = argument.payload
            if self.checkpoints is None:
                self.graph.submit(argument, at, call=payload.title, group=payload.group)
            else:
                self.checkpoints.submit(self.graph, argument, at)
        elif op is Op.EVENTS:
            self._hearing.take(argument[0], argument[1], at)
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
                self._provisions.supply(argument, self.home, at)
            case Op.LOCATE:
                self.graph.keep(argument)
                self._provisions.look_for(argument)
            case Op.LOCATED:
                self._provisions.located(argument[0], argument[1], at)
            case Op.HOLD:
                argument.holders += 1
            case Op.DO:
                argument(self.graph, at)
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

    # ---- what the graph commands ----

    def _act(self, at: float) -> None:
        if self._provisions.locating:
            self._provisions.ask_locations(at)
        if self.checkpoints is not None and (freed := self.checkpoints.freed()):
            self._provisions.drop(freed)
        commands = self.graph.take_commands()
        while True:
            self._carry_out(commands, at)
            self.dispatcher.dispatch(at)
            commands = self.graph.take_commands()
            if not commands:
                break
        self.dispatcher.flush()
        if self.checkpoints is not None:
            self.checkpoints.act(self.sites, at)
        if self._barriers and not self.graph.tasks:
            for waiter in self._barriers:
                waiter.one_less()
            self._barriers.clear()

    def _carry_out(self, commands: Commands, at: float) -> None:
        self.dispatcher.add(commands.place)
        for task in commands.submit:
            self.dispatcher.hand_over_moved(task)
        for site, datum in commands.publish:
            self.sites[site].executor.publish([(datum.id, self._provisions.name_of(datum))])
        if self.checkpoints is not None and commands.settled:
            self.checkpoints.settled(commands.settled)
        if commands.drop:
            self._provisions.drop(commands.drop)
        for site, task in commands.cancel:
            self.sites[site].executor.cancel([task.id])
            self.sites[site].leave(task)
        for datum in commands.supply:
            self._provisions.supply(datum, self.home, at)
        for datum in commands.watched:
            watchers, datum.watchers = datum.watchers, []
            for waiter in watchers:
                waiter.one_less()
        self.journal.add(commands.records)


def _close(executor: Executor) -> None:
    try:
        executor.close()
    except (ContinuumError, OSError) as problem:
        log.warning("closing the executor of %s failed: %s", executor.site, problem)
