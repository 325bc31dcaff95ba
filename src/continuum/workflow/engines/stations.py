"""A station: what executes orders inside a worker of Dask, with a pool of processes for each run.

Dask decides which of its workers gets an order; there the pool engine executes it, in processes of their own.
So a task that dies takes nobody with it, tasks can be ended, numerical libraries get their threads, and what
is printed is caught, as on a single machine. Dask's own threads only wait.

If the station sees the run's folder (the same machine, or a shared file system), data are read and written
there. If not, it has a folder of its own: inputs come with the order, large outputs go with the report.

A run whose engine has not been heard for `SILENCE_LIMIT_S` is ended here.
"""

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from continuum.workflow.engines import orders
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.orders import Order, Report, StationedRun, Wants
from continuum.workflow.engines.pool import PoolEngine
from continuum.workflow.engines.process import ProcessEngine
from continuum.workflow.engines.routing import RoutedEngine
from continuum.workflow.folders import EngineFolder, RunFolder
from continuum.workflow.messages import Event, FailureKind, TaskFailed, TaskFinished, TaskStarted
from continuum.workflow.offering import name_gpus

log = logging.getLogger(__name__)

SILENCE_LIMIT_S = 90.0
LOOK_EVERY_S = 10.0

Blobs = dict[str, bytes]


# ---- called by Dask, which gives the worker to those that it runs for a client ----


async def execute_order(data: bytes, blobs: Mapping[str, bytes]) -> tuple[bytes, Blobs]:
    """Execute an order; return an encoded `Reply` and the large data that come with it."""
    return await _station(None).execute(orders.decode_order(data), blobs)


async def open_run(data: bytes, dask_worker: Any = None) -> str:
    """Get ready for a run; return this station's version of continuum."""
    from continuum import __version__  # noqa: PLC0415 - cheap, and only here

    await _station(dask_worker).open(orders.decode_run(data))
    return __version__


async def cancel_tasks(run_id: str, task_ids: Sequence[int], dask_worker: Any = None) -> None:
    """Stop tasks of a run, also those that have not come here yet."""
    _station(dask_worker).cancel(run_id, task_ids)


async def forget_data(run_id: str, data: Sequence[str], dask_worker: Any = None) -> None:
    """Forget copies of data; also says that the run's engine is alive."""
    _station(dask_worker).forget(run_id, data)


async def close_run(run_id: str, dask_worker: Any = None) -> None:
    """End the processes of a run and remove what it has here."""
    await _station(dask_worker).close(run_id)


async def close_all(worker: Any) -> None:
    """End all runs at a worker that goes."""
    if (station := _stations.get(worker)) is not None:
        await station.close_all()


_stations: "WeakKeyDictionary[Any, Station]" = WeakKeyDictionary()


def _station(worker: Any) -> "Station":
    if worker is None:
        from distributed import get_worker  # noqa: PLC0415 - present wherever this is called

        worker = get_worker()
    station = _stations.get(worker)
    if station is None:
        station = _stations[worker] = Station(worker)
    return station


# ---- a station ----


class Station:
    """All runs at one worker of Dask. Lives in that worker's event loop."""

    def __init__(self, worker: Any) -> None:
        resources = worker.state.total_resources
        units = int(resources.get(orders.UNITS, worker.state.nthreads))
        self.name = str(worker.name).rpartition("/")[2]
        self._worker = worker
        devices = name_gpus(int(resources.get(orders.GPUS, 0)))
        self._budget = Budget(units, int(resources.get(orders.MEMORY, 0)), devices)
        self._runs: dict[str, RunHere] = {}
        self._opening = asyncio.Lock()
        self._looking = asyncio.create_task(self._look_after_runs())

    async def open(self, stationed: StationedRun) -> "RunHere":
        """Start a pool for a run, if there is none."""
        async with self._opening:
            here = self._runs.get(stationed.run.run_id)
            if here is None:
                here = RunHere(self, stationed)
                await asyncio.to_thread(here.start, self._budget)
                self._runs[stationed.run.run_id] = here
        return here

    async def execute(self, order: Order, blobs: Mapping[str, bytes]) -> tuple[bytes, Blobs]:
        """Execute an order and report, or say what is lacking."""
        here = self._runs.get(order.run_id)
        if here is None:
            if order.run is None:
                return orders.encode(Wants(run=True)), {}
            here = await self.open(order.run)
        here.heard_at = time.monotonic()
        await here.keep(blobs)
        wants = here.lacks(order)
        if wants is not None and not order.is_last_try:
            return orders.encode(wants), {}
        return await here.execute(order)

    def say(self, run_id: str, report: Report) -> None:
        """Tell the engine something while an order is still at work."""
        self._worker.log_event(topic_of(run_id), orders.encode(report))

    def cancel(self, run_id: str, task_ids: Sequence[int]) -> None:
        """Stop tasks."""
        if (here := self._runs.get(run_id)) is not None:
            here.cancel(task_ids)

    def forget(self, run_id: str, data: Sequence[str]) -> None:
        """Forget data; the engine lives."""
        if (here := self._runs.get(run_id)) is not None:
            here.heard_at = time.monotonic()
            here.forget(data)

    async def close(self, run_id: str) -> None:
        """End a run."""
        async with self._opening:
            here = self._runs.pop(run_id, None)
        if here is not None:
            await asyncio.to_thread(here.close)
            here.give_up()

    async def close_all(self) -> None:
        """End all runs."""
        for run_id in list(self._runs):
            await self.close(run_id)

    async def _look_after_runs(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for run_id, here in list(self._runs.items()):
                if time.monotonic() - here.heard_at > here.silence_limit_s:
                    log.warning("run %s ends here: its engine has not been heard", run_id)
                    await self.close(run_id)


class RunHere:
    """One run at one station."""

    def __init__(self, station: Station, stationed: StationedRun) -> None:
        self.heard_at = time.monotonic()
        self.silence_limit_s = max(SILENCE_LIMIT_S, stationed.run.hold_s)
        self._station = station
        self._stationed = stationed
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, OrderHere] = {}  # by task
        self._cancelled: set[int] = set()
        self._functions: set[str] = set()
        self._logged_bytes = 0

    def start(self, budget: Budget) -> None:
        """Start the pool; blocks."""
        run = self._stationed.run
        self._own = RunFolder(run.run_id, disk=Path(tempfile.gettempdir()) / "continuum-stations")
        shared = tuple(each for each in map(Path, self._stationed.places) if self._is_same(each))
        self.sees_run = bool(shared) and str(shared[-1]) == self._stationed.places[-1]
        places = shared if self.sees_run else self._own.places
        self._folder = EngineFolder(places, self._own.places)
        self.log_file = Path(self._stationed.log_file) if self.sees_run else self._own.own_work / "log"
        directory = Path(self._stationed.directory) if self._stationed.directory else None
        directory = directory if directory is not None and directory.is_dir() else None
        self._usual = PoolEngine(
            self._folder,
            budget,
            log_file=self.log_file,
            directory=directory,
            station=f"{self._station.name}/",
        )
        programs = ProcessEngine(self._folder, budget, log_file=self.log_file, directory=directory)
        self._engine = RoutedEngine(self._usual, programs)
        try:
            self._engine.start(run, self._on_events)
        except BaseException:
            self._own.close()
            raise

    def _is_same(self, place: Path) -> bool:
        with contextlib.suppress(OSError):
            return (place / orders.MARK_NAME).read_text() == self._stationed.mark
        return False

    def close(self) -> None:
        """End all; blocks."""
        self._engine.close()
        self._own.close()

    def give_up(self) -> None:
        """Let what waits for answers go: there will be none. Dask's resources are free then."""
        for here in self._pending.values():
            here.done.set()

    # ---- before an order ----

    async def keep(self, blobs: Mapping[str, bytes]) -> None:
        """Take data that came with an order."""
        for datum, data in blobs.items():
            if self._folder.find(datum) is None:
                await asyncio.to_thread(self._folder.write, datum, [data])

    def lacks(self, order: Order) -> Wants | None:
        """Return what must be sent before the order can be executed here."""
        self._functions.update(code.function for code in order.functions)
        functions = {task.function for task in order.tasks} - self._functions
        data = {
            given.datum
            for task in order.tasks
            for given in task.inputs
            if given.inline is None and self._folder.find(given.datum) is None
        }
        if not functions and not data:
            return None
        return Wants(functions=tuple(functions), data=tuple(data))

    # ---- an order ----

    async def execute(self, order: Order) -> tuple[bytes, Blobs]:
        """Execute an order and report."""
        here = OrderHere(order)
        for task in order.tasks:
            self._pending[task.task_id] = here
        self._engine.submit(order.functions, order.tasks)
        if self._cancelled:
            self._engine.cancel([task.task_id for task in order.tasks if task.task_id in self._cancelled])
        await here.done.wait()
        blobs = {} if self.sees_run else await asyncio.to_thread(self._gather, here.answers)
        return orders.encode(self._report(here)), blobs

    def _gather(self, answers: Sequence[TaskFinished | TaskFailed]) -> Blobs:
        """Return the large data that tasks produced, for an engine that does not see them."""
        blobs = {}
        for answer in filter(_has_data_beside, answers):
            for output in answer.outputs if isinstance(answer, TaskFinished) else ():
                data = self._folder.read(output.datum) if output.inline is None else None
                if data is not None:
                    blobs[output.datum] = data
        return blobs

    def _report(self, here: "OrderHere", *, may_hold_data: bool = True) -> Report:
        """Return what has not been said yet. Answers whose data travel beside the last report wait for it."""
        waits = not (may_hold_data or self.sees_run)
        kept = [each for each in here.answers if waits and _has_data_beside(each)]
        report = Report(
            order=here.number,
            station=self._station.name,
            answers=[each for each in here.answers if each not in kept] if kept else here.answers,
            started=here.started,
            returned=here.returned,
            log=b"" if self.sees_run else self._read_log(),
        )
        here.answers, here.started, here.returned = kept, [], []
        return report

    def _read_log(self) -> bytes:
        with contextlib.suppress(FileNotFoundError), self.log_file.open("rb") as file:
            file.seek(self._logged_bytes)
            printed = file.read(orders.MAX_LOG_BYTES)
            self._logged_bytes += len(printed)
            return printed
        return b""

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks that are here; remember the others."""
        self._cancelled.update(task_ids)
        self._engine.cancel([each for each in task_ids if each in self._pending])

    def forget(self, data: Sequence[str]) -> None:
        """Forget copies."""
        if not self.sees_run:
            for datum in data:
                self._folder.remove(datum)

    # ---- what the pool says ----

    def _on_events(self, events: Sequence[Event]) -> None:
        with contextlib.suppress(RuntimeError):  # the worker is closing, and its loop with it
            self._loop.call_soon_threadsafe(self._take, list(events))

    def _take(self, events: Sequence[Event]) -> None:
        slow: dict[int, OrderHere] = {}
        for event in events:
            if isinstance(event, TaskStarted | TaskFinished | TaskFailed):
                here = self._pending.get(event.task_id)
                if here is None:
                    continue
                if isinstance(event, TaskStarted):
                    here.started.append(event)
                    self._withdraw(here, event.task_id)
                else:
                    del self._pending[event.task_id]
                    here.take(event, is_cancelled=event.task_id in self._cancelled)
                    self._cancelled.discard(event.task_id)
                if here.is_slow:
                    slow[here.number] = here
        for here in slow.values():
            if here.outstanding:
                report = self._report(here, may_hold_data=False)
                self._station.say(self._stationed.run.run_id, report)

    def _withdraw(self, here: "OrderHere", task_id: int) -> None:
        """A task takes long: give back what waits behind it."""
        here.is_slow = True
        waiting = here.outstanding - {task_id} - here.withdrawn
        if waiting:
            here.withdrawn |= waiting
            self._usual.withdraw(list(waiting))


class OrderHere:
    """An order at work. `returned` are tasks that were taken back before they began.

    `answers`, `started` and `returned` hold what has not been reported yet.
    """

    def __init__(self, order: Order) -> None:
        self.number = order.number
        self.outstanding = {task.task_id for task in order.tasks}
        self.withdrawn: set[int] = set()
        self.is_slow = False
        self.answers: list[TaskFinished | TaskFailed] = []
        self.started: list[TaskStarted] = []
        self.returned: list[int] = []
        self.done = asyncio.Event()

    def take(self, answer: TaskFinished | TaskFailed, *, is_cancelled: bool) -> None:
        """Note an answer of the pool."""
        self.outstanding.discard(answer.task_id)
        if self._is_returned(answer) and not is_cancelled:
            self.returned.append(answer.task_id)
        else:
            self.answers.append(answer)
        if not self.outstanding:
            self.done.set()

    def _is_returned(self, answer: TaskFinished | TaskFailed) -> bool:
        return (
            isinstance(answer, TaskFailed)
            and answer.kind is FailureKind.CANCELLED
            and answer.task_id in self.withdrawn
        )


def _has_data_beside(answer: TaskFinished | TaskFailed) -> bool:
    return isinstance(answer, TaskFinished) and any(output.inline is None for output in answer.outputs)


def topic_of(run_id: str) -> str:
    """Return where stations speak of a run while its orders are at work."""
    return f"continuum-{run_id}"
