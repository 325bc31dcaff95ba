"""A worker as its master sees it: what it was given, what it is doing, and the way to it."""

import socket
from collections import deque
from collections.abc import Sequence

import msgspec

from continuum.workflow.engines.frames import Assignment, FrameReader, Outcome, frame
from continuum.workflow.engines.pages import Page
from continuum.workflow.messages import FailureKind, FunctionCode, TaskSpec

RECEIVE_BYTES = 256 * 1024


class Given(msgspec.Struct, gc=False):
    """A task that a worker was given: its number there and what it is expected to take."""

    number: int
    task: TaskSpec
    expected_s: float


class Ending(msgspec.Struct, frozen=True):
    """Why we end a worker: because of its task `number`, which shall be reported like this."""

    number: int
    kind: FailureKind
    message: str


class Seat:
    """One worker process, from its start to its end."""

    def __init__(
        self, name: int, computing_units: int, page: Page, page_index: int, near: socket.socket
    ) -> None:
        self.name = name
        self.computing_units = computing_units
        self.memory_bytes = 0
        self.page = page
        self.page_index = page_index
        self.socket = near
        self.given: deque[Given] = deque()
        self.load_s = 0.0
        self.known: set[str] = set()
        self.next_number = 1
        self.announced = 0  # number of the task whose start was said last
        self.is_recalled = False  # gets nothing more until it has nothing left
        self.settles_at = 0.0  # when to look which tasks could be taken back; 0: none is
        self.ending: Ending | None = None
        self.hired_at = 0.0  # seconds since the epoch; 0: not to be looked at
        self.idle_since = 0.0  # on the monotonic clock
        self.is_leaving = False  # was told to end
        self._reader: FrameReader[list[Outcome]] = FrameReader(msgspec.msgpack.Decoder(list[Outcome]))
        self._unsent = bytearray()
        near.setblocking(False)

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do."""
        return not self.given

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait until the worker reads."""
        return bool(self._unsent)

    def give(
        self, functions: Sequence[FunctionCode], tasks: list[TaskSpec], expected_s: Sequence[float]
    ) -> None:
        """Send tasks with what each is expected to take, and functions that it has not seen."""
        number = self.next_number
        for each_number, (task, expected) in enumerate(zip(tasks, expected_s, strict=True), number):
            self.given.append(Given(each_number, task, expected))
        self.next_number += len(tasks)
        self.load_s += sum(expected_s)
        self.known.update(code.function for code in functions)
        self._unsent += frame(Assignment(number, tuple(functions), tasks))
        self.send()

    def send(self) -> None:
        """Write what the socket takes now."""
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass  # the loop goes on when there is room
        except OSError:
            self._unsent.clear()  # it is gone; the fork server tells

    def receive(self) -> list[Outcome]:
        """Return what it reported since the last time."""
        outcomes: list[Outcome] = []
        while True:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except OSError:  # nothing there now, or gone
                return outcomes
            for batch in self._reader.feed(data):
                outcomes += batch
            if len(data) < RECEIVE_BYTES:
                return outcomes

    def finish(self) -> Given:
        """Take away the task that it was given first."""
        first = self.given.popleft()
        self.load_s = self.load_s - first.expected_s if self.given else 0.0
        return first

    def running(self) -> tuple[Given, float] | None:
        """Return the task that it executes now, and since when (monotonic clock)."""
        if not self.given:
            return None
        number, at = self.page.begun()
        for each in self.given:
            if each.number == number:
                return each, at
            if each.number > number:
                return None
        return None

    def can_recall(self) -> bool:
        """Tell whether tasks can be taken back: the worker has passed all that were taken back before."""
        first, end = self.page.taken_back()
        return self.settles_at == 0.0 and (first == end or self.page.begun()[0] >= end)

    def recall(self, settles_at: float) -> None:
        """Take back all that has not begun; `settle` tells what that is."""
        begun, _ = self.page.begun()
        self.page.take_back(begun + 1, self.next_number)
        self.is_recalled = True
        self.settles_at = settles_at

    def settle(self) -> list[TaskSpec]:
        """Return the tasks that were taken back for sure. Of one in between the worker tells itself."""
        self.settles_at = 0.0
        begun, _ = self.page.begun()
        taken: list[TaskSpec] = []
        while self.given and self.given[-1].number > begun:
            last = self.given.pop()
            self.load_s -= last.expected_s
            taken.append(last.task)
        taken.reverse()
        return taken

    def close(self) -> None:
        """Let the worker end by itself when it has nothing to do."""
        self.socket.close()
