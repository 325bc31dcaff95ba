"""One run at one site: its engine, its data there, and what it takes from and gives to the global store.

The same for a driver's own machine (`executors.LocalExecutor`) and for an agent (`serving.TaskService`).
Tasks whose inputs are all here go straight to the engine, and what it says goes straight on; only tasks
that need something from elsewhere, or must publish something before they count as finished, take the way
through the loop.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import ContinuumError, NotFoundError, UnavailableError
from continuum.model.sites import Transfer
from continuum.workflow.completing import completed
from continuum.workflow.engines.contracts import Engine, EngineLoad, EngineSink
from continuum.workflow.folders import RunFolder
from continuum.workflow.looping import Loop, spawn
from continuum.workflow.messages import (
    DatumBrought,
    DatumPublished,
    Event,
    FailureKind,
    FunctionCode,
    ObjectName,
    Produced,
    RunSpec,
    Staged,
    TaskFailed,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.transferring import Transfers

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 600.0


class Quota:
    """How much data all runs of a site may keep there; a limit of 0: as much as there is room.

    Counted when a datum is there, so tasks that run can go beyond it by what they write.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._lock = threading.Lock()

    def add(self, size_bytes: int) -> None:
        """Count data that came (or, below 0, went)."""
        with self._lock:
            self.used_bytes += size_bytes

    def is_exceeded(self) -> bool:
        """Whether nothing more may be begun."""
        return self.limit_bytes > 0 and self.used_bytes >= self.limit_bytes


class _Watched(msgspec.Struct):
    """A task that takes the longer way."""

    task: TaskSpec
    moved_bytes: int = 0
    move_s: float = 0.0
    transfers: tuple[Transfer, ...] = ()
    fetching: "asyncio.Task[None] | None" = None


class HostedRun:
    """A run at this site. Methods may be called from any thread and return at once, except where said."""

    def __init__(
        self, engine: Engine, folder: RunFolder, transfers: Transfers, loop: Loop, quota: Quota | None = None
    ) -> None:
        self._engine = engine
        self._forget_copies: Callable[[Sequence[str]], None] | None = getattr(engine, "forget", None)
        self._folder = folder
        self._transfers = transfers
        self._loop = loop
        self._quota = quota or Quota()
        self._emitting = threading.Lock()
        self._watched: dict[int, _Watched] = {}
        self._sizes: dict[str, int] = {}  # of data here
        self._fetched: dict[str, ObjectName] = {}  # data that can be fetched again, oldest first

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Start the engine."""
        self._sink = sink
        self._engine.start(run, self._on_events)

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; those with inputs elsewhere are queued when these are here."""
        ready = []
        waiting = []
        for task in tasks:
            missing = self._missing(task) if task.inputs else []
            must_wait = bool(missing) or self._quota.is_exceeded()
            if must_wait or self._must_watch(task):
                watched = self._watched[task.task_id] = _Watched(task)
                if must_wait:
                    waiting.append((watched, missing))
                    continue
            ready.append(task)
        self._engine.submit(functions, ready)  # first: inputs may be here before this returns
        for watched, missing in waiting:
            spawn(self._loop, self._stage(watched, missing))

    def put(self, datum: str, source: bytes | Path) -> None:
        """Keep data of the driver; answered by `DatumPublished`."""
        spawn(self._loop, self._put(datum, source))

    def publish(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Put data into the global store; each is answered by `DatumPublished`."""
        for datum, name in data:
            spawn(self._loop, self._publish(datum, name))

    def bring(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Fetch data ahead of need; each is answered by `DatumBrought`."""
        for datum, name in data:
            spawn(self._loop, self._bring(datum, name))

    def complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        """Let what a task staged be its objects; answered by `OutputsCompleted`."""
        spawn(self._loop, self._complete(task_id, attempt, staged))

    def unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        """What was staged here is complete, or is to be removed."""
        spawn(self._loop, self._unstage(staged, is_complete=is_complete))

    def drop(self, data: Sequence[str]) -> None:
        """Forget data, here and what of it was published for the run."""
        if self._forget_copies is not None:
            self._forget_copies(data)
        for datum in data:
            self._forget(datum)
            self._fetched.pop(datum, None)
        if self._transfers.has_published:
            spawn(self._loop, self._transfers.unpublish(data))

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks."""
        for task_id in task_ids:
            watched = self._watched.get(task_id)
            if watched is not None and watched.fetching is not None:
                spawn(self._loop, _cancel(watched.fetching))
        self._engine.cancel(task_ids)

    def read(self, datum: str, published: ObjectName | None) -> bytes:
        """Return the bytes of a datum; blocks. Raises `ContinuumError`."""
        data = self._folder.read(datum)
        if data is not None:
            return data
        if published is None:
            raise NotFoundError(f"{datum} is not at this site any more")
        return self._loop.run(self._transfers.read(published)).result(READ_TIMEOUT_S)

    def load(self) -> EngineLoad:
        """Return how busy it is."""
        load = self._engine.load()
        fetching = sum(watched.fetching is not None for watched in list(self._watched.values()))
        return EngineLoad(running_tasks=load.running_tasks, queued_tasks=load.queued_tasks + fetching)

    def data(self) -> list[str]:
        """Return the names of the data here."""
        return [datum for datum in list(self._sizes) if self.has(datum)]

    def has(self, datum: str) -> bool:
        """Whether a datum is here."""
        return self._folder.find(datum) is not None

    def close_engine(self) -> None:
        """End the workers; blocks."""
        self._engine.close()

    def leave(self) -> None:
        """Let go of workers that outlive this process, and of the data; blocks."""
        leave = getattr(self._engine, "leave", None)
        if leave is not None:
            leave()
        self._folder.leave()

    def adopt_data(self) -> None:
        """Take over what lies in the folder from a process before this one."""
        for datum, size_bytes in self._folder.list_data():
            self._remember(datum, size_bytes)

    async def remove_data(self) -> None:
        """Remove what the run has here and what it published for itself; after `close_engine`."""
        await self._transfers.close()
        self._quota.add(-sum(self._sizes.values()))
        self._sizes.clear()
        await asyncio.to_thread(self._folder.close)

    # ---- before a task ----

    def _missing(self, task: TaskSpec) -> list[tuple[str, ObjectName]]:
        missing = []
        for given in task.inputs:
            if given.inline is not None or self._folder.find(given.datum) is not None:
                continue
            name = given.published or self._fetched.get(given.datum)
            if name is not None:
                missing.append((given.datum, name))
        return missing

    async def _stage(self, watched: _Watched, missing: Sequence[tuple[str, ObjectName]]) -> None:
        task = watched.task
        watched.fetching = asyncio.current_task()
        begin = time.perf_counter()
        try:
            self._make_room()
            await asyncio.gather(*(self._fetch(watched, datum, name) for datum, name in missing))
        except _InputLostError as problem:
            self._give_up(task, FailureKind.INPUT_LOST, str(problem), problem.datum)
        except asyncio.CancelledError:
            self._give_up(task, FailureKind.CANCELLED, "cancelled while its inputs were fetched")
        except ContinuumError as problem:
            self._give_up(task, FailureKind.OUTPUT_LOST, str(problem))
        else:
            watched.fetching = None
            watched.move_s = time.perf_counter() - begin
            with contextlib.suppress(UnavailableError):  # closed meanwhile: nobody waits for the task
                self._engine.submit((), (task,))

    async def _fetch(self, watched: _Watched, datum: str, name: ObjectName) -> None:
        try:
            fetched = await self._transfers.fetch(datum, name)
        except ContinuumError as problem:
            raise _InputLostError(datum, f"{name.bucket}/{name.key} cannot be read: {problem}") from problem
        watched.moved_bytes += fetched.moved_bytes
        if fetched.transfer is not None:
            watched.transfers += (fetched.transfer,)
        if fetched.size_bytes:
            self._remember(datum, fetched.size_bytes)
            self._fetched[datum] = name

    def _must_watch(self, task: TaskSpec) -> bool:
        if any(output.publish_as is not None for output in task.outputs):
            return True
        return self._quota.limit_bytes > 0 and any(given.datum in self._fetched for given in task.inputs)

    def _make_room(self) -> None:
        """Remove what can be fetched again and nobody uses; raise `UnavailableError` if it is too little."""
        if not self._quota.is_exceeded():
            return
        in_use = {given.datum for watched in list(self._watched.values()) for given in watched.task.inputs}
        for datum in [datum for datum in self._fetched if datum not in in_use]:
            self._forget(datum)
            if not self._quota.is_exceeded():
                return
        raise UnavailableError(
            f"the site keeps {self._quota.used_bytes} bytes for its runs;"
            f" its limit is {self._quota.limit_bytes}"
        )

    # ---- after a task ----

    def _on_events(self, events: Sequence[Event]) -> None:
        passing: list[Event] = []
        for event in events:
            if isinstance(event, TaskFinished):
                for output in event.outputs:
                    if output.inline is None:
                        self._remember(output.datum, output.size_bytes)
            watched = None
            if self._watched and isinstance(event, TaskFinished | TaskFailed):
                watched = self._watched.pop(event.task_id, None)
            if watched is None or not isinstance(event, TaskFinished):
                passing.append(event)
                continue
            finished = msgspec.structs.replace(
                event,
                moved_bytes=watched.moved_bytes,
                move_s=watched.move_s,
                transfers=watched.transfers,
            )
            spawn(self._loop, self._finish(watched.task, finished))
        if passing:
            self._emit(passing)

    async def _finish(self, task: TaskSpec, event: TaskFinished) -> None:
        names = {output.datum: output.publish_as for output in task.outputs}
        try:
            outputs = await self._stage_all(event.outputs, names)
        except ContinuumError as problem:
            self._give_up(task, FailureKind.OUTPUT_LOST, str(problem))
        else:
            self._emit([msgspec.structs.replace(event, outputs=outputs)])

    async def _stage_all(
        self, outputs: Sequence[Produced], names: Mapping[str, ObjectName | None]
    ) -> tuple[Produced, ...]:
        """Stage all outputs, or none: what was staged beside one that cannot be is removed at once."""
        staging = [self._staged(each, names.get(each.datum)) for each in outputs]
        done = await asyncio.gather(*staging, return_exceptions=True)
        problem = next((each for each in done if isinstance(each, BaseException)), None)
        made = tuple([each for each in done if not isinstance(each, BaseException)])
        if problem is not None:
            await self._unstage([each.staged for each in made if each.staged is not None], is_complete=False)
            raise problem
        return made

    async def _staged(self, output: Produced, name: ObjectName | None) -> Produced:
        if name is None:
            return output
        if output.inline is not None and not self.has(output.datum):  # a worker elsewhere made it
            await asyncio.to_thread(self._folder.write, output.datum, [output.inline])
            self._remember(output.datum, output.size_bytes)
        staged = await self._transfers.stage(output.datum, name)
        return msgspec.structs.replace(output, staged=staged)

    def _give_up(self, task: TaskSpec, kind: FailureKind, message: str, lost_datum: str = "") -> None:
        self._watched.pop(task.task_id, None)
        failed = TaskFailed(
            task_id=task.task_id, attempt=task.attempt, kind=kind, message=message, lost_datum=lost_datum
        )
        self._emit([failed])

    def _emit(self, events: Sequence[Event]) -> None:
        with self._emitting:
            self._sink(events)

    # ---- data ----

    async def _put(self, datum: str, source: bytes | Path) -> None:
        try:
            size_bytes = await asyncio.to_thread(self._keep, datum, source)
        except OSError as problem:
            self._emit([DatumPublished(datum=datum, problem=f"cannot be kept: {problem.strerror}")])
            return
        self._remember(datum, size_bytes)
        self._emit([DatumPublished(datum=datum)])

    def _keep(self, datum: str, source: bytes | Path) -> int:
        if isinstance(source, bytes):
            return self._folder.write(datum, [source])
        return self._folder.link(datum, source)

    async def _bring(self, datum: str, name: ObjectName) -> None:
        if self._quota.is_exceeded():
            self._emit([DatumBrought(datum=datum, problem="the site keeps as much for its runs as it may")])
            return
        try:
            fetched = await self._transfers.fetch(datum, name)
        except ContinuumError as problem:
            self._emit([DatumBrought(datum=datum, problem=str(problem))])
            return
        if fetched.size_bytes:
            self._remember(datum, fetched.size_bytes)
            self._fetched[datum] = name
        self._emit([DatumBrought(datum=datum, transfer=fetched.transfer)])

    async def _publish(self, datum: str, name: ObjectName) -> None:
        try:
            await self._transfers.publish(datum, name)
        except ContinuumError as problem:
            self._emit([DatumPublished(datum=datum, problem=str(problem))])
        else:
            self._emit([DatumPublished(datum=datum, published=name)])

    async def _complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        self._emit([await completed(self._transfers.complete(staged), task_id, attempt)])

    async def _unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        try:
            await self._transfers.unstage(staged, is_complete=is_complete)
        except ContinuumError as problem:
            log.warning("what was staged for an overtaken task stays until the store ends it: %s", problem)

    def _remember(self, datum: str, size_bytes: int) -> None:
        self._quota.add(size_bytes - self._sizes.get(datum, 0))
        self._sizes[datum] = size_bytes

    def _forget(self, datum: str) -> None:
        size_bytes = self._sizes.pop(datum, None)
        if size_bytes is not None:
            self._quota.add(-size_bytes)
            self._folder.remove(datum)


class _InputLostError(Exception):
    def __init__(self, datum: str, message: str) -> None:
        super().__init__(message)
        self.datum = datum


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
