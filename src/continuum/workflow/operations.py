"""What the program's thread asks of the driver, and how it waits for the answer."""

import threading
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

import msgspec

from continuum.workflow.messages import ObjectName


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
    DO = 13  # call the argument with the graph and the time


class Found(msgspec.Struct, frozen=True):
    """What is known of an object of the store; `problem` not empty: it cannot be used."""

    size_bytes: int = 0
    sites: tuple[str, ...] = ()
    problem: str = ""
    etag: str = ""


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
