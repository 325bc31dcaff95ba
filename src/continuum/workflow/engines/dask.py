"""The engine of a site of many machines: an existing distributed engine, Dask, fed in batches.

Tasks wait here, in the order in which they go, and leave in orders of about `WINDOW_S` of work each, so that
the milliseconds that a task of Dask costs are paid once per order. What is unknown or takes long goes alone.
Dask decides which of its workers executes an order (computing units and memory are resources of Dask), and
moves it when another one is idle; a station in that worker executes it (see `stations`).

Data stay in the run's folder where workers see it. Where they do not, inputs are given to Dask, once each
while they are in use, and large outputs come back with the answers: through this process, so a folder that
all machines share is better for large data.

A worker of Dask that goes takes with it the orders that it had: their tasks fail as `WORKER_LOST`. A task
that dies by itself costs itself alone. Existing schedulers may execute such an order again by themselves
(`distributed.scheduler.allowed-failures`): set that to 0 where effects must not happen twice.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.model.scaling import Demand
from continuum.workflow.engines import orders, stations
from continuum.workflow.engines.batches import BatchLimits, Durations, took_s
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.connecting import DaskConnection
from continuum.workflow.engines.contracts import EngineLoad, EngineSink
from continuum.workflow.engines.keeping import KeptOrder, OrderBook
from continuum.workflow.engines.lines import TaskLine
from continuum.workflow.engines.orders import Order, Report, StationedRun, Wants
from continuum.workflow.engines.scattering import ScatteredData
from continuum.workflow.engines.staffing import note_workers
from continuum.workflow.folders import RunFolder
from continuum.workflow.looping import OwnLoop
from continuum.workflow.messages import (
    Event,
    FailureKind,
    FunctionCode,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    WorkersChanged,
    failed_task,
    not_begun,
)

if TYPE_CHECKING:
    from continuum.workflow.engines.clusters import ClusterAddress

log = logging.getLogger(__name__)

LIMITS = BatchLimits(window_s=0.1, long_s=0.05, tasks=2000, size_bytes=4 * 1024 * 1024)
CONNECT_TIMEOUT_S = 20.0
OPEN_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 20.0
TELL_EVERY_S = 10.0
MOST_TRIES = 3
SAMPLE_TASKS = 1000  # of those that wait are looked at to tell what all need

_Answer = TaskFinished | TaskFailed


class OrderOut:
    """An order that was sent, with the units and memory that it holds."""

    __slots__ = ("gpus", "memory_bytes", "order", "outstanding", "sending", "units")

    def __init__(self, order: Order, units: int, memory_bytes: int) -> None:
        self.order = order
        self.outstanding = {task.task_id: task for task in order.tasks}
        self.units = units
        self.memory_bytes = memory_bytes
        self.gpus = order.tasks[0].gpus if order.tasks else 0
        self.sending: asyncio.Task[None] | None = None


class DaskEngine:
    """Executes the tasks of one run in workers of Dask. See `contracts.Engine`.

    `folder` is the run's data, `budget` what the site's workers have together; both stay the caller's. Tasks
    start in `directory` where a worker has it. `why_lost` tells, of a worker by name, what became of it, and
    may block for a moment. With `book` orders outlive this process: tasks that an earlier one gave out, and
    that are submitted again, are not given out again. All but the calls of the protocol happens in one event
    loop in a thread of its own; `_lock` guards what both touch.
    """

    def __init__(
        self,
        folder: RunFolder,
        budget: Budget,
        address: "ClusterAddress",
        *,
        log_file: Path,
        directory: Path | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        why_lost: Callable[[str], str] | None = None,
        book: OrderBook | None = None,
    ) -> None:
        self._book = book
        self._found: dict[tuple[int, int], int] = {}  # tasks that an earlier process gave out, by order
        self._early: dict[tuple[int, int], _Answer] = {}  # answered before they were asked for again
        self._why_lost = why_lost
        self._folder = folder
        self._budget = budget
        self._address = address
        self._log_file = log_file
        self._directory = directory
        self._connect_timeout_s = connect_timeout_s
        self._lock = threading.Lock()
        self._loop = OwnLoop("dask")
        self._share = budget.join(self._wake)
        self._durations = Durations()
        self._line = TaskLine(self._durations, LIMITS)
        self._functions: dict[str, FunctionCode] = {}
        self._known: dict[str, set[str]] = {}  # which stations have executed a function
        self._connection = DaskConnection(address, connect_timeout_s)
        self._scattered = ScatteredData(folder)
        self._largest_memory_bytes = address.memory_bytes_per_worker or budget.memory_bytes
        self._out: dict[int, OrderOut] = {}
        self._cancelled: set[int] = set()
        self._refused: list[Event] = []
        self._forgotten: list[str] = []
        self._last_order = book.first_number if book is not None else 0
        self._is_open = False
        self._is_woken = False

    # ---- the engine's face ----

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Connect to the scheduler and open the run at all stations. Raises `UnavailableError`."""
        self._sink = sink
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        mark = secrets.token_hex(16)
        for place in self._folder.places:
            (place / orders.MARK_NAME).write_text(mark)
        self._stationed = StationedRun(
            run=run,
            places=tuple(str(place) for place in self._folder.shown),
            mark=mark,
            log_file=str(self._log_file.absolute()),
            directory=str(self._directory or ""),
        )
        try:
            self._loop.run(self._open()).result(2 * self._connect_timeout_s + OPEN_TIMEOUT_S)
        except Exception as problem:
            self._share.leave()
            self._loop.stop()
            if isinstance(problem, UnavailableError):
                raise
            raise UnavailableError(
                f"Dask cannot be used at {self._address.url}: {problem or type(problem).__name__}"
            ) from problem

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks."""
        with self._lock:
            if not self._is_open:
                raise UnavailableError("the engine is closed")
            for code in functions:
                self._functions[code.function] = code
            for task in tasks:
                self._enqueue(task)
            out = self._make_orders()
        self._loop.call(lambda: self._send_all(out))

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Take tasks from the queue; tell the stations of those that are there."""
        with self._lock:
            if not self._is_open:
                return
            wanted = set(task_ids)
            self._refused += [not_begun(task) for task in self._line.remove(wanted)]
            there = wanted & {task_id for out in self._out.values() for task_id in out.outstanding}
            self._cancelled |= there
        if there:
            self._loop.run(self._connection.tell(stations.cancel_tasks, tuple(there)))
        self._wake()

    def forget(self, data: Sequence[str]) -> None:
        """Copies of these data may go."""
        with self._lock:
            self._forgotten += data

    def load(self) -> EngineLoad:
        """Return how busy it is: orders that were sent, and tasks beside the first of each."""
        with self._lock:
            queued = len(self._line) + sum(len(out.outstanding) - 1 for out in self._out.values())
            return EngineLoad(running_tasks=len(self._out), queued_tasks=queued)

    def demand(self) -> list[Demand]:
        """Return what waits and what is at work, by how many units it needs and what it takes."""
        with self._lock:
            if not self._is_open:
                return []
            first = self._line.first(SAMPLE_TASKS)
            share = len(self._line) / max(1, len(first))
            counts = Counter(_kind_of(task) for task in first)
            counts = Counter({kind: round(count * share) for kind, count in counts.items()})
            for out in self._out.values():
                for first_out in islice(out.outstanding.values(), 1):
                    counts[_kind_of(first_out)] += len(out.outstanding)
            return [
                Demand(
                    units=units,
                    tasks=count,
                    run_s=self._durations.find(function),
                    memory_bytes=memory_bytes,
                    gpus=gpus,
                )
                for (units, memory_bytes, gpus, function), count in counts.items()
                if count
            ]

    @property
    def held_units(self) -> int:
        """How many computing units the orders have that were sent."""
        with self._lock:
            return sum(out.units for out in self._out.values()) if self._is_open else 0

    def note_workers(self, before: int, now: int, reason: str) -> None:
        """Say that there are more workers, or fewer."""
        note_workers(self._log_file, before, now, reason)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call(lambda: self._sink([WorkersChanged(workers=now, reason=reason)]))

    def give_up(self, reason: str) -> None:
        """Let all tasks fail that wait: no worker will come for them."""
        with self._lock:
            tasks = self._line.clear()
            out = list(self._out.values())
            for each in out:
                tasks += each.outstanding.values()
                each.outstanding.clear()
            self._refused += [failed_task(task, FailureKind.WORKER_LOST, reason) for task in tasks]
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call(lambda: self._abandon(out))

    def _abandon(self, out: Sequence[OrderOut]) -> None:
        for each in out:
            if each.sending is not None:
                each.sending.cancel()
        self._send_all(())

    def close(self) -> None:
        """End all processes of the run at all stations; blocks until they are gone."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
        self._end(is_over=True)

    def leave(self) -> None:
        """End what is in this process; stations go on with the run for a while."""
        with self._lock:
            is_open, self._is_open = self._is_open, False
        if is_open:
            self._end(is_over=False)

    def _end(self, *, is_over: bool) -> None:
        try:
            self._loop.run(self._close(is_over=is_over)).result(CLOSE_TIMEOUT_S)
        except Exception:
            log.exception("a run was not closed at its Dask workers")
        if self._book is not None:
            self._book.close()
        self._share.leave()
        self._loop.stop()

    # ---- connecting ----

    async def _open(self) -> None:
        await self._connection.open(self._stationed, self._hear)
        self._note_largest()
        await self._find_orders()
        self._is_open = True
        self._telling = asyncio.create_task(self._keep_telling())

    async def _find_orders(self) -> None:
        """Look for what an earlier process gave out, and wait for it."""
        if self._book is None or not self._book.found:
            return
        found = await self._connection.find_orders(list(self._book.found.values()))
        for order in found:
            self._found |= dict.fromkeys(order.tasks, order.number)
            empty = Order(number=order.number, run_id=self._stationed.run.run_id, tasks=[])
            self._out[order.number] = OrderOut(empty, 0, 0)
        for event in await self._connection.events():
            self._hear(event, is_old=True)
        for order in found:
            out = self._out[order.number]
            out.sending = asyncio.create_task(self._attend(out, order))
            out.sending.add_done_callback(_log_failure)

    async def _attend(self, out: OrderOut, order: KeptOrder) -> None:
        try:
            data, blobs = await self._connection.attend(order)
            reply = orders.decode_reply(data)
        except Exception as problem:  # noqa: BLE001 - Dask raises what it likes when a worker is lost
            log.warning("an order of the process before is lost: %s", problem)
            reply, blobs = Wants(), {}
        await self._settle(out, reply if isinstance(reply, Report) else _nothing(out), blobs)
        with self._lock:
            for name in order.tasks:
                if name not in self._early:
                    self._found.pop(name, None)

    async def _close(self, *, is_over: bool) -> None:
        self._telling.cancel()
        await self._connection.close(is_over=is_over)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _keep_telling(self) -> None:
        """Say that this engine lives, and what data nobody needs any more."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            with self._lock:
                data, self._forgotten = self._forgotten, []
                is_idle = not self._out and not len(self._line)
            for datum in data:
                self._scattered.drop(datum)
            if is_idle:
                self._scattered.clear()  # a worker that holds some cannot go
            await self._connection.tell(stations.forget_data, tuple(data))
            await self._look_at_workers()
            self._note_largest()

    async def _look_at_workers(self) -> None:
        """Look again; a scheduler that does not answer now is asked again later."""
        try:
            await asyncio.wait_for(self._connection.look_at_workers(), TELL_EVERY_S)
        except (OSError, TimeoutError) as problem:
            log.warning("the workers of Dask are not known for now: %s", problem)

    def _note_largest(self) -> None:
        """Let placement know what a task can have here."""
        self._budget.largest_units = min(self._connection.largest_units, self._budget.computing_units)

    # ---- giving out tasks ----

    def _enqueue(self, task: TaskSpec) -> None:
        if task.function not in self._functions:
            raise InvalidInputError(f"task {task.task_id} names a function that was not sent")
        if self._found and self._is_found(task):
            return
        units = self._budget.largest_units or self._budget.computing_units
        most_bytes = self._largest_memory_bytes
        if task.computing_units > units or (most_bytes and task.memory_bytes > most_bytes):
            offered = f"{units} computing units, {most_bytes} bytes"
            reason = f"it needs more than a worker of this site has ({offered})"
            self._refused.append(failed_task(task, FailureKind.CANCELLED, reason))
            return
        self._line.add(task)

    def _is_found(self, task: TaskSpec) -> bool:
        """Whether an earlier process gave a task out, so that its answer is here or comes."""
        name = (task.task_id, task.attempt)
        number = self._found.pop(name, None)
        if number is None:
            return False
        if (answer := self._early.pop(name, None)) is not None:
            self._refused.append(answer)
            return True
        out = self._out.get(number)
        if out is not None:
            out.outstanding[task.task_id] = task
        return out is not None

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            if not self._is_woken and self._is_open:
                self._is_woken = True
                self._loop.call(self._feed)

    def _feed(self) -> None:
        self._is_woken = False
        with self._lock:
            out = self._make_orders()
        self._send_all(out)

    def _make_orders(self) -> list[OrderOut]:
        out: list[OrderOut] = []
        while (head := self._line.head) is not None:
            if not self._share.try_take(head.computing_units, head.memory_bytes):
                return out
            out.append(self._make_order(head))
        self._share.stop_waiting()
        return out

    def _send_all(self, out: Sequence[OrderOut]) -> None:
        with self._lock:
            events, self._refused = self._refused, []
        if events:
            self._sink(events)
        for each in out:
            each.sending = asyncio.create_task(self._send(each))
            each.sending.add_done_callback(_log_failure)

    def _make_order(self, head: TaskSpec) -> OrderOut:
        workers = max(1, self._budget.computing_units // max(1, head.computing_units))
        tasks, _ = self._line.take_batch(workers, 0.0)
        names = {task.function for task in tasks}
        unknown = [name for name in names if len(self._known.get(name, ())) < self._connection.stations]
        self._last_order += 1
        order = Order(
            number=self._last_order,
            run_id=self._stationed.run.run_id,
            tasks=tasks,
            functions=tuple(self._functions[name] for name in unknown),
        )
        out = self._out[order.number] = OrderOut(order, head.computing_units, head.memory_bytes)
        return out

    async def _send(self, out: OrderOut) -> None:
        try:
            reply, blobs = await self._execute(out)
        except asyncio.CancelledError:
            if out.outstanding:
                raise
            reply, blobs = _nothing(out), {}
        except Exception as problem:  # noqa: BLE001 - Dask raises what it likes when a worker is lost
            reply, blobs = await self._lost(out, problem), {}
        await self._settle(out, reply, blobs)

    async def _settle(self, out: OrderOut, reply: Report, blobs: Mapping[str, bytes]) -> None:
        """An order is over: take what came of it. Tasks of which nothing was heard go back into the line."""
        for datum, data in blobs.items():
            if self._folder.find(datum) is None:
                await asyncio.to_thread(self._folder.write, datum, [data])
        with self._lock:
            del self._out[out.order.number]
            self._share.give_back(out.units, out.memory_bytes)
        self._take(out, reply)
        with self._lock:
            left = list(out.outstanding.values())
            out.outstanding.clear()
            self._line.put_back(left)
        if self._book is not None:
            self._connection.let_go(out.order.number, self._book)
        self._feed()

    async def _execute(self, out: OrderOut) -> tuple[Report, Mapping[str, bytes]]:
        order, wants = out.order, Wants()
        for tried in range(1, MOST_TRIES + 1):
            scattered = await self._scattered.give(self._connection.client, wants.data)
            data, blobs = await self._connection.execute(
                order,
                scattered,
                units=out.units,
                memory_bytes=out.memory_bytes,
                gpus=out.gpus,
                book=self._book,
            )
            reply = orders.decode_reply(data)
            if isinstance(reply, Report):
                return reply, blobs
            wants = _both(wants, reply)
            order = Order(
                number=order.number,
                run_id=order.run_id,
                tasks=order.tasks,
                functions=tuple(self._functions[name] for name in {task.function for task in order.tasks}),
                run=self._stationed,
                is_last_try=tried == MOST_TRIES - 1 or bool(reply.data),
            )
        raise UnavailableError("no station could execute the order")

    async def _lost(self, out: OrderOut, problem: Exception) -> Report:
        message = f"its worker of Dask was lost: {type(problem).__name__}: {problem}"
        worker = str(getattr(getattr(problem, "last_worker", None), "name", ""))
        if worker and self._why_lost is not None:
            message = await asyncio.to_thread(self._why_lost, worker) or message
        message = message[:2000]
        answers: list[_Answer] = [
            failed_task(task, FailureKind.WORKER_LOST, message) for task in out.outstanding.values()
        ]
        return Report(order=out.order.number, station="", answers=answers)

    # ---- what stations say ----

    def _hear(self, event: tuple[float, bytes], *, is_old: bool = False) -> None:
        """A station says something; `is_old`: what it printed is in the log already."""
        reply = orders.decode_reply(event[1])
        out = self._out.get(reply.order) if isinstance(reply, Report) else None
        if out is not None and isinstance(reply, Report):
            self._take(out, msgspec.structs.replace(reply, log=b"") if is_old else reply)
            self._feed()

    def _take(self, out: OrderOut, report: Report) -> None:
        events: list[Event] = [each for each in report.started if each.task_id in out.outstanding]
        with self._lock:
            for answer in report.answers:
                task = out.outstanding.pop(answer.task_id, None)
                if task is None and (answer.task_id, answer.attempt) in self._found:
                    self._early[answer.task_id, answer.attempt] = answer
                if task is not None:
                    events.append(answer)
                    self._learn(task, answer, report.station)
            returned = [out.outstanding.pop(each) for each in report.returned if each in out.outstanding]
            cancelled = [task for task in returned if task.task_id in self._cancelled]
            self._cancelled.difference_update(task.task_id for task in cancelled)
            events += [not_begun(task) for task in cancelled]
            self._line.put_back([task for task in returned if task not in cancelled])
        if report.log:
            _append(self._log_file, report.log)
        if events and self._is_open:
            self._sink(events)

    def _learn(self, task: TaskSpec, answer: _Answer, station: str) -> None:
        self._cancelled.discard(task.task_id)
        if isinstance(answer, TaskFinished):
            self._durations.add(task.function, took_s(task, answer))
            self._known.setdefault(task.function, set()).add(station)


def _nothing(out: OrderOut) -> Report:
    return Report(order=out.order.number, station="", answers=[])


def _kind_of(task: TaskSpec) -> tuple[int, int, int, str]:
    return (task.computing_units, task.memory_bytes, task.gpus, task.function)


def _both(first: Wants, second: Wants) -> Wants:
    return Wants(
        run=first.run or second.run,
        functions=(*first.functions, *second.functions),
        data=(*first.data, *second.data),
    )


def _append(file: Path, data: bytes) -> None:
    with contextlib.suppress(OSError), file.open("ab") as opened:
        opened.write(data)


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (problem := task.exception()):
        log.error("an order failed", exc_info=problem)
