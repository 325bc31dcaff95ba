"""Waiting for futures one by one, with a limit of time, or without blocking an event loop.

`await future` works in any running loop: the driver's thread tells the loop that a datum is there, small
values are loaded in the loop and others are fetched in a thread. Whoever waits hears within a second when the
run itself breaks. Without a run everything is finished already (`futures.Finished`).
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, overload

from continuum.model.errors import UnavailableError
from continuum.model.grouping import Group
from continuum.model.tasks import Datum, DatumState
from continuum.workflow.capturing import newest
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.futures import Finished, Future
from continuum.workflow.operations import Op
from continuum.workflow.programming import find_run

CHECK_EVERY_S = 1.0
T = TypeVar("T")


class Arrival:
    """A watcher that calls `then`, in the driver's thread, when all that it counts is there."""

    __slots__ = ("_then", "count")

    def __init__(self, then: Callable[[], None]) -> None:
        self.count = 1
        self._then = then

    def one_less(self) -> None:
        """One of the things is there."""
        self.count -= 1
        if not self.count:
            self._then()


# ---- one future ----


def result_of(future: Future[T], timeout_s: float | None = None) -> T:
    """Return the value, waiting for it. Raises `TaskFailedError`, or `TimeoutError` after `timeout_s`."""
    run = _run_of(future)
    if timeout_s is not None:
        _wait(run, [newest(future._variable)], timeout_s)  # noqa: SLF001
    value: T = run.wait_on(future)
    return value


def problem_of(future: Future[Any], timeout_s: float | None = None) -> TaskFailedError | None:
    """Return why there is no value, or None if there is one. Raises `TimeoutError`."""
    run = _run_of(future)
    datum = newest(future._variable)  # noqa: SLF001
    _wait(run, [datum], timeout_s)
    return run.failure(datum) if datum.state is DatumState.FAILED else None


def is_done(future: Future[Any]) -> bool:
    """Whether the task has ended, with a value or without."""
    return newest(future._variable).state is not DatumState.PENDING  # noqa: SLF001


def cancel(future: Future[Any]) -> bool:
    """Cancel the task that makes it; return False if that has ended already."""
    if is_done(future):
        return False
    datum = newest(future._variable)  # noqa: SLF001
    _run_of(future).driver.post(
        Op.DO, lambda graph, at: graph.cancel_producer(datum, "the program cancelled it", at)
    )
    return True


async def value_of(future: Future[T]) -> T:
    """Return the value without blocking the running loop. Raises `TaskFailedError`."""
    run = _run_of(future)
    datum = newest(future._variable)  # noqa: SLF001
    if datum.state is not DatumState.READY:
        await _arrival(run, [datum])
    value: T
    if datum.state is DatumState.FAILED or datum.source.inline is not None:
        value = run.wait_on(future)
    else:
        value = await asyncio.to_thread(run.wait_on, future)
    return value


async def arrival_of_group(run: Any, group: Group) -> None:
    """Wait until nothing of a group is unsettled."""
    await _told(
        run, lambda watcher: run.driver.post(Op.DO, lambda graph, _: graph.watch_group(group, watcher))
    )


# ---- many ----


async def gather(*values: Any) -> list[Any]:
    """Return the values of futures (also in lists, tuples and dicts) without blocking the running loop."""
    run = find_run()
    if run is None:
        from continuum.workflow.alone import resolve  # noqa: PLC0415 - needs what needs this

        return [resolve(value) for value in values]
    wanted = list(values)
    await _arrival(run, run.find_all(wanted))
    result: list[Any] = await asyncio.to_thread(run.wait_on, wanted)
    return result


class Completed(Generic[T]):
    """Futures in the order in which they are done: for `for` and for `async for`."""

    def __init__(self, futures: Iterable[Future[T]], timeout_s: float | None) -> None:
        self._futures = list(futures)
        self._timeout_s = timeout_s

    def __iter__(self) -> Iterator[Future[T]]:
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        arrived: SimpleQueue[Future[T]] = SimpleQueue()
        run = self._watch(arrived.put)
        for _ in self._futures:
            yield _take(arrived, run, deadline)

    async def __aiter__(self) -> AsyncIterator[Future[T]]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Future[T]] = asyncio.Queue()

        def put(future: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(arrived.put_nowait, future)

        run = self._watch(put)
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        for _ in self._futures:
            yield await _checked(run, arrived.get, deadline)

    def _watch(self, tell: Callable[[Future[T]], None]) -> Any:
        run = find_run()
        for future in self._futures:
            if isinstance(future, Finished):
                tell(future)
            else:
                run = _run_of(future)
                datum = newest(future._variable)  # noqa: SLF001
                run.driver.post(Op.WAIT, ([datum], Arrival(lambda each=future: tell(each))))  # type: ignore[misc]
        return run


def as_completed(futures: Iterable[Future[T]], timeout_s: float | None = None) -> Completed[T]:
    """Give futures as they are done: `for future in as_completed(all)` or `async for`.

    Raises `TimeoutError` while one is not done after `timeout_s`.
    """
    return Completed(futures, timeout_s)


@overload
def map_calls(task: Callable[..., Future[T]], /, *iterables: Iterable[Any]) -> list[Future[T]]: ...
@overload
def map_calls(task: Callable[..., T], /, *iterables: Iterable[Any]) -> list[T]: ...
def map_calls(task: Callable[..., Any], /, *iterables: Iterable[Any]) -> list[Any]:
    """Call a task once for every element, as `map` does, and return the futures."""
    return [task(*arguments) for arguments in zip(*iterables, strict=False)]


# ---- how ----


def _run_of(future: Future[Any]) -> Any:
    run = find_run()
    if run is None:
        raise UnavailableError(f"the run of {future!r} has ended", hint="wait for results before its end")
    return run


def _wait(run: Any, data: Sequence[Datum], timeout_s: float | None) -> None:
    event = threading.Event()
    run.driver.post(Op.WAIT, (data, Arrival(event.set)))
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while not event.wait(_patience(deadline)):
        run.driver.check()
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"{data[0].id} is not there after {timeout_s} s")


def _take(arrived: "SimpleQueue[Future[T]]", run: Any, deadline: float | None) -> Future[T]:
    while True:
        try:
            return arrived.get(timeout=_patience(deadline))
        except Empty:
            run.driver.check()
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError("some futures are not done") from None


def _patience(deadline: float | None) -> float:
    if deadline is None:
        return CHECK_EVERY_S
    return max(0.0, min(CHECK_EVERY_S, deadline - time.monotonic()))


async def _arrival(run: Any, data: Sequence[Datum]) -> None:
    await _told(run, lambda watcher: run.driver.post(Op.WAIT, (data, watcher)))


async def _told(run: Any, watch: Callable[[Arrival], None]) -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(arrived.set)

    watch(Arrival(tell))
    await _checked(run, arrived.wait)


async def _checked(run: Any, wait: Callable[[], Any], deadline: float | None = None) -> Any:
    """Wait for what another thread tells; raise if the run does not work any more, or at the deadline."""
    while True:
        try:
            async with asyncio.timeout(_patience(deadline)):
                return await wait()
        except TimeoutError:
            if deadline is not None and time.monotonic() >= deadline:
                raise
            if run is not None:
                run.driver.check()
