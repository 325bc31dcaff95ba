"""Lanes: how many pieces are under way at once, found while it goes.

Work is taken from two places: parts of objects that were begun, first, so that few objects are open at a
time; then new objects, of which only a bounded number waits. A lane takes the next piece when it is free, so
a fast way carries more than a slow one without being told. A controller looks at the rate and opens or
closes lanes (`continuum.model.transfers.decide_lanes`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from continuum.model.transfers import FIRST_LANES, MAX_LANES, Lanes, decide_lanes
from continuum.store.transfers.streaming import Meter

LOOK_EVERY_S = 1.0
MAX_WAITING = 4 * MAX_LANES

Work = Callable[[], Awaitable[None]]


class Crew:
    """Runs work in lanes: `await run(plan)`, where `plan` adds objects and work itself adds parts.

    Work raises nothing but what is to end everything.
    """

    def __init__(self, meter: Meter, *, fixed: int | None = None) -> None:
        self._meter = meter
        self._is_fixed = fixed is not None
        self.lanes = Lanes(count=fixed or FIRST_LANES, limit=fixed or MAX_LANES)
        self.failures = 0
        self._parts: deque[Work] = deque()
        self._objects: deque[Work] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._is_planned = False
        self._room = asyncio.Event()
        self._over: asyncio.Future[None]

    async def add(self, work: Work) -> None:
        """Add an object; waits while too many wait already."""
        while len(self._objects) >= MAX_WAITING:
            self._room.clear()
            await self._room.wait()
        self._objects.append(work)
        self._start_some()

    def add_parts(self, works: Iterable[Work]) -> None:
        """Add parts of an object that was begun: they come first."""
        self._parts.extend(works)
        self._start_some()

    async def run(self, plan: Callable[[], Awaitable[None]]) -> None:
        """Run the planner and the lanes until all work is done; the first error ends everything."""
        self._over = asyncio.get_running_loop().create_future()
        planning = asyncio.ensure_future(plan())
        planning.add_done_callback(self._finish_planning)
        watching = asyncio.create_task(self._watch())
        try:
            await self._over
        finally:
            tasks = [planning, watching, *self._running]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _finish_planning(self, task: "asyncio.Future[None]") -> None:
        self._is_planned = True
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._end(problem)
        elif not self._over.done():
            self._start_some()

    def _start_some(self) -> None:
        """Give work to free lanes; know when all is done."""
        while len(self._running) < self.lanes.count and (self._parts or self._objects):
            work = (self._parts or self._objects).popleft()
            task = asyncio.ensure_future(work())
            self._running.add(task)
            task.add_done_callback(self._finish)
        if len(self._objects) < MAX_WAITING:
            self._room.set()
        if self._is_planned and not (self._parts or self._objects or self._running):
            self._end(None)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            self._end(problem)
        else:
            self._start_some()

    def _end(self, problem: BaseException | None) -> None:
        if self._over.done():
            return
        if problem is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(problem)

    async def _watch(self) -> None:
        """Open or close lanes."""
        passed = self._meter.passed_bytes
        while not self._is_fixed:
            await asyncio.sleep(LOOK_EVERY_S)
            now = self._meter.passed_bytes
            failures, self.failures = self.failures, 0
            self.lanes = decide_lanes(self.lanes, (now - passed) / LOOK_EVERY_S, failures)
            passed = now
            self._start_some()
