"""An event loop in a thread of its own, for programs that are not asyncio: drivers of workflows."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 5.0

Result = TypeVar("Result")


class Loop(Protocol):
    """Where coroutines can be run from any thread."""

    def run(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        """Start a coroutine; its result comes in the future."""


class OwnLoop:
    """A loop in a thread that starts when it is first needed. `stop` cancels what still runs there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        """Start a coroutine in the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._started())

    def call(self, work: Callable[[], None]) -> None:
        """Have the thread call something soon."""
        self._started().call_soon_threadsafe(work)

    def stop(self) -> None:
        """Cancel what runs and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if threading.current_thread() is not thread:
            thread.join(STOP_TIMEOUT_S)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name=self._name, daemon=True
                )
                self._thread.start()
            return self._loop


class ThisLoop:
    """The loop that is running where this is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def run(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        """Start a coroutine in it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def spawn(loop: Loop, work: Coroutine[Any, Any, None]) -> "Future[None]":
    """Start a coroutine; if it fails the log says so."""
    future = loop.run(work)
    future.add_done_callback(_log_failure)
    return future


def _log_failure(future: "Future[None]") -> None:
    if not future.cancelled() and (problem := future.exception()):
        log.error("a background task failed", exc_info=problem)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=STOP_TIMEOUT_S / 2))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
