"""One thread that writes, with group commit.

All changes that wait are executed in one transaction, each in a savepoint of its own so that one that is
refused undoes only itself; then there is one commit, that is one flush of the disk, and only then all are
answered. The more wait, the more share a flush. If the commit fails (disk full, read-only), all of them fail
and none was done; the next transaction is tried on a fresh connection, so writing goes on when there is
space again.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from continuum.model.errors import UnavailableError
from continuum.store.locator.database import Connection, IndexUnavailableError

log = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
Change = Callable[[Connection], Any]

MAX_BATCH = 512  # bounds how long the first of a batch waits for the last: about 0.1 s


class _Waiting:
    """A change that waits, and who waits for it."""

    __slots__ = ("answer", "change", "problem", "result")

    def __init__(self, change: Change, answer: "asyncio.Future[Any]") -> None:
        self.change = change
        self.answer = answer
        self.result: Any = None
        self.problem: BaseException | None = None

    def perform(self, connection: Connection) -> None:
        self.result = self.change(connection)

    def deliver(self) -> None:
        if self.answer.cancelled():
            return
        if self.problem is not None:
            self.answer.set_exception(self.problem)
        else:
            self.answer.set_result(self.result)


class Writer:
    """Executes changes; `start` and `stop` it from the loop that waits for the answers.

    `begin` is done first in every transaction.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        max_waiting: int,
        begin: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._connection: Connection | None = None
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="locator-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def write(
        self,
        change: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Execute `change(connection, …)`; return its result once that is on the disk.

        Raises what `change` raises, having undone it, and `UnavailableError` if nothing can be written now.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        with self._wake:
            if self._is_stopping:
                raise UnavailableError("the locator is stopping")
            if len(self._waiting) >= self._max_waiting:
                raise UnavailableError(
                    "too many changes are waiting for the index",
                    hint="try again in a moment, with fewer at once",
                )
            self._waiting.append(_Waiting(lambda connection: change(connection, *args, **settings), answer))
            self._wake.notify()
        return await answer

    async def stop(self) -> None:
        """Execute what waits, then end the thread."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while batch := self._take():
            self._perform(batch)
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop was closed without `stop`
                    self._loop.call_soon_threadsafe(_deliver, batch)
        self._disconnect()

    def _take(self) -> list[_Waiting]:
        with self._wake:
            while not self._waiting and not self._is_stopping:
                self._wake.wait()
            return [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]

    def _perform(self, batch: list[_Waiting]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            if len(batch) == 1:
                _alone(self._connection, batch[0], self._begin)
            else:
                _together(self._connection, batch, self._begin)
        except IndexUnavailableError as problem:
            log.warning("%d changes failed: %s", len(batch), problem)
            for waiting in batch:
                waiting.problem = problem
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _alone(connection: Connection, waiting: _Waiting, begin: Change) -> None:
    try:
        with connection.writing():
            begin(connection)
            waiting.perform(connection)
    except IndexUnavailableError:
        raise
    except Exception as problem:  # noqa: BLE001 - it goes to who waits
        waiting.problem = problem


def _together(connection: Connection, batch: list[_Waiting], begin: Change) -> None:
    with connection.writing():
        begin(connection)
        for waiting in batch:
            try:
                with connection.saving():
                    waiting.perform(connection)
            except IndexUnavailableError:
                raise
            except Exception as problem:  # noqa: BLE001 - it goes to who waits
                waiting.problem = problem


def _deliver(batch: list[_Waiting]) -> None:
    for waiting in batch:
        waiting.deliver()
