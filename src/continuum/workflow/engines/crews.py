"""The workers of a pool: starting them when they are needed, finding an idle one, seeing them go.

Workers are kept apart by the computing units of the tasks that they execute, because numerical libraries
look once, when they are loaded, how many threads they may use. An idle worker costs memory only; when
there are more than twice as many as the site has units, those of another size that have been idle longest
go.
"""

import mmap
import select
import time
from collections.abc import Callable

from continuum.model.errors import UnavailableError
from continuum.workflow.engines.frames import WorkerSettings
from continuum.workflow.engines.launching import Launcher
from continuum.workflow.engines.pages import MAX_WORKERS, Page
from continuum.workflow.engines.seats import Seat


class Crew:
    """All workers of one pool. Not for several threads at once; the pool's lock guards it."""

    def __init__(  # noqa: PLR0917 - one caller
        self,
        settings: WorkerSettings,
        environment: dict[str, str],
        pages: mmap.mmap,
        poll: select.epoll,
        computing_units: int,
        on_left: Callable[[], None] | None = None,
    ) -> None:
        """Start the fork server; `on_left` hears of each worker that goes. Raises `UnavailableError`."""
        self._on_left = on_left
        self._settings = settings
        self._environment = environment
        self._pages = pages
        self._poll = poll
        self._max_units = 2 * computing_units
        self._seats: dict[int, Seat] = {}  # by name
        self._by_descriptor: dict[int, Seat] = {}
        self._idle: dict[int, list[Seat]] = {}  # by computing units; the last one was busy last
        self._last_name = 0
        self._unused_pages: list[int] = []
        self._next_page = 0
        self._launcher = self._launch()

    @property
    def control(self) -> int:
        """The descriptor on which ends of workers are told."""
        return self._launcher.control.fileno()

    @property
    def seats(self) -> list[Seat]:
        """All workers that have not ended."""
        return list(self._seats.values())

    def by_descriptor(self, descriptor: int) -> Seat | None:
        """Return the worker whose socket this is."""
        return self._by_descriptor.get(descriptor)

    def take(self, computing_units: int) -> Seat:
        """Return an idle worker for tasks of this size, the one that was busy last, or a new one."""
        idle = self._idle.get(computing_units)
        return idle.pop() if idle else self._hire(computing_units)

    def has_idle(self, computing_units: int) -> bool:
        """Whether a worker for tasks of this size has nothing to do."""
        return bool(self._idle.get(computing_units))

    def idle_since(self) -> list[float]:
        """Return since when idle workers have been so."""
        return [seat.idle_since for idle in self._idle.values() for seat in idle]

    def dismiss(self, count: int) -> int:
        """Let so many idle workers go, those that have been idle longest; return how many went."""
        idle = sorted(
            (seat for idle in self._idle.values() for seat in idle), key=lambda seat: seat.idle_since
        )
        for seat in idle[:count]:
            self._idle[seat.computing_units].remove(seat)
            self._let_go(seat)
        return len(idle[:count])

    def rest(self, seat: Seat) -> None:
        """A worker has nothing to do."""
        seat.idle_since = time.monotonic()
        seat.is_recalled = False
        seat.settles_at = 0.0  # what was taken back is settled; what it gets next was not taken back
        self._idle.setdefault(seat.computing_units, []).append(seat)

    def end(self, seat: Seat) -> None:
        """End a worker now; `read_ended` tells when it is gone."""
        self._launcher.kill(seat.name)

    def send_later(self, seat: Seat) -> None:
        """Watch for room to write if there is something unsent, else do not."""
        if seat.socket.fileno() in self._by_descriptor:
            self._poll.modify(seat.socket, select.EPOLLIN | (select.EPOLLOUT if seat.has_unsent else 0))

    def hang_up(self, seat: Seat) -> None:
        """The worker closed its socket: do not watch it any more, its end will be told."""
        if self._by_descriptor.pop(seat.socket.fileno(), None) is not None:
            self._poll.unregister(seat.socket)

    def read_ended(self) -> list[tuple[Seat, int]]:
        """Return which workers ended, with their status. After the fork server's own end: all of them."""
        ended = self._launcher.read()
        if ended is not None:
            seat = self._seats.get(ended.name)
            return [] if seat is None else [(seat, ended.status)]
        self._poll.unregister(self._launcher.control)
        self._launcher.close()
        self._launcher = self._launch()
        return [(seat, 9) for seat in self.seats]

    def remove(self, seat: Seat) -> None:
        """A worker is gone."""
        self._count_out(seat)
        self.hang_up(seat)
        seat.close()
        del self._seats[seat.name]
        self._unused_pages.append(seat.page_index)
        idle = self._idle.get(seat.computing_units, [])
        if seat in idle:
            idle.remove(seat)

    def close(self) -> None:
        """End all and wait until they are gone."""
        for seat in self.seats:
            self.remove(seat)
        self._poll.unregister(self._launcher.control)
        self._launcher.close()

    def _launch(self) -> Launcher:
        launcher = Launcher(self._settings, self._environment)
        self._poll.register(launcher.control, select.EPOLLIN)
        return launcher

    def _hire(self, computing_units: int) -> Seat:
        self._make_room(computing_units)
        index = self._unused_pages.pop() if self._unused_pages else self._next_page
        if index >= MAX_WORKERS:
            raise UnavailableError(f"a pool has at most {MAX_WORKERS} workers")
        self._next_page = max(self._next_page, index + 1)
        page = Page(self._pages, index)
        page.clear()
        self._last_name += 1
        near_end = self._launcher.start(self._last_name, index, computing_units)
        seat = Seat(self._last_name, computing_units, page, index, near_end)
        self._seats[seat.name] = seat
        self._by_descriptor[near_end.fileno()] = seat
        self._poll.register(near_end, select.EPOLLIN)
        return seat

    def _make_room(self, computing_units: int) -> None:
        total = computing_units + sum(seat.computing_units for seat in self._seats.values())
        for units, idle in self._idle.items():
            while idle and units != computing_units and total > self._max_units:
                total -= units
                self._let_go(idle.pop(0))

    def _let_go(self, seat: Seat) -> None:
        self._count_out(seat)
        self.hang_up(seat)
        seat.close()  # the worker ends by itself, and its end is told as any other

    def _count_out(self, seat: Seat) -> None:
        if not seat.is_leaving:
            seat.is_leaving = True
            if self._on_left is not None:
                self._on_left()
