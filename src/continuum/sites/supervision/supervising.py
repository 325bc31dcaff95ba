"""The supervisor: starts the plan's processes in the order of their needs, keeps them running, stops them.

Processes that do not wait for each other start at the same time. If one fails while the continuum is being
started, everything is stopped again. Once all are ready, a process that dies or hangs is restarted, and what
needs space is restarted when a disk that was full has room again.

A control socket in the run folder (JSON lines, for the owner of the home only) answers `status` and `stop`. A
lock on `supervisor.pid` keeps a second supervisor away from the same home for as long as the first lives.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from continuum.model.errors import ConflictError, ContinuumError
from continuum.sites.documents import format_document, parse_document
from continuum.sites.supervision.controlling import (
    Command,
    ContinuumStatus,
    ProcessStatus,
    control_socket,
    pid_file,
)
from continuum.sites.supervision.folders import choose_run_folder, ensure_private
from continuum.sites.supervision.plans import Plan, PlannedProcess
from continuum.sites.supervision.processes import ProcessFailedError, State, SupervisedProcess

DISK_EVERY_S = 2.0
FULL_BYTES = 256 * 1024 * 1024  # below this a store takes no more
ROOM_BYTES = 320 * 1024 * 1024

Tell = Callable[[SupervisedProcess], None]


class Lock:
    """The right to supervise a home, held until `release` or the end of this process."""

    def __init__(self, home: Path, *, hint: str) -> None:
        self._home = home
        self._path = pid_file(choose_run_folder(home))
        self._hint = hint
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `ConflictError` if another supervisor has it."""
        ensure_private(self._path.parent)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            file.close()
            raise ConflictError(
                f"another supervisor runs, or is starting, what is in {self._home}",
                hint=self._hint,
            ) from problem
        if not self._is_the_file_at_the_path(file):  # its former holder has just removed it
            file.close()
            self.acquire()
            return
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def _is_the_file_at_the_path(self, file: IO[str]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back; an empty file tells that the end was orderly."""
        if self._file is not None:
            self._file.truncate(0)
            if not self._path.is_relative_to(self._home):  # a folder under /tmp, for a home with a long path
                shutil.rmtree(self._path.parent, ignore_errors=True)
            self._file.close()
            self._file = None


class Supervisor:
    """Runs one plan. `tell` hears of every change of a process."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self._plan = plan
        self._tell = tell
        self._processes = {
            planned.name: SupervisedProcess(planned, plan.home / "logs", self._changed)
            for planned in plan.processes
        }
        self._keepers: list[asyncio.Task[None]] = []
        self._added: dict[str, asyncio.Task[None]] = {}
        self._free_bytes = _free_bytes(plan.home)
        self._is_full = False
        self._stop_asked = asyncio.Event()
        self._is_up = False
        self._started_at = time.time()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start all, call `on_ready`, and return after a stop was asked for and carried out.

        Raises what made the start fail, after everything has been stopped.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked.set)
        socket_path = control_socket(self._plan.run_folder)
        socket_path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, socket_path)
        try:
            if await self._start_all():
                self._is_up = True
                on_ready()
                await self._stop_asked.wait()
        finally:
            await self._stop_all()
            server.close()
            socket_path.unlink(missing_ok=True)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _start_all(self) -> bool:
        """Return whether all are ready (else: a stop was asked for meanwhile)."""
        starting = asyncio.create_task(self._start_in_order())
        stopping = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not starting.done():
                starting.cancel()
            await asyncio.wait({starting})
        if starting.cancelled():
            return False
        problem = starting.exception()
        if problem is not None:
            raise _first_reason(problem)
        self._keepers = [asyncio.create_task(process.keep()) for process in self._processes.values()]
        self._keepers.append(asyncio.create_task(self._watch_disk()))
        for planned in self._plan.added:
            await self._begin(planned)
        return True

    async def _start_in_order(self) -> None:
        ready = {name: asyncio.Event() for name in self._processes}

        async def start(process: SupervisedProcess) -> None:
            for needed in process.planned.after:
                await ready[needed].wait()
            await process.start()
            ready[process.name].set()

        async with asyncio.TaskGroup() as group:
            for process in self._processes.values():
                group.create_task(start(process))

    async def _watch_disk(self) -> None:
        """Know whether the disk is full, and renew what may not have survived it once it is not."""
        while True:
            await asyncio.sleep(DISK_EVERY_S)
            self._free_bytes = await asyncio.to_thread(_free_bytes, self._plan.home)
            if self._free_bytes < FULL_BYTES:
                self._is_full = True
            elif self._is_full and self._free_bytes > ROOM_BYTES:
                self._is_full = False
                for process in self._processes.values():
                    if process.planned.needs_space:
                        await process.renew("was started again: the disk had been full")

    async def _stop_all(self) -> None:
        keepers = [*self._keepers, *self._added.values()]
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers)
        for names in _stop_order(self._processes):
            await asyncio.gather(*(self._processes[name].stop() for name in names))
        for process in self._processes.values():
            process.close()

    # ---- processes that are added while all runs ----

    async def _begin(self, planned: PlannedProcess) -> None:
        """Start a further process; one of its name that was begun before is ended."""
        await self._end(planned.name)
        process = SupervisedProcess(planned, self._plan.home / "logs", self._changed)
        self._processes[planned.name] = process
        self._added[planned.name] = asyncio.create_task(_run_added(process))

    async def _end(self, name: str) -> None:
        """End a process that was begun."""
        keeper = self._added.pop(name, None)
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
            process = self._processes.pop(name)
            await process.stop()
            process.close()

    def _changed(self, process: SupervisedProcess) -> None:
        self._tell(process)

    def status(self) -> ContinuumStatus:
        """Return how everything stands."""
        return ContinuumStatus(
            home=self._plan.home,
            state=self._state(),
            supervisor_pid=os.getpid(),
            started_at=self._started_at,
            hub_url=self._plan.hub_url,
            gateways=self._plan.gateways,
            processes=tuple(_status(process) for process in self._processes.values()),
            free_bytes=self._free_bytes,
            is_full=self._is_full,
        )

    def _state(self) -> str:
        if self._stop_asked.is_set():
            return "stopping"
        if not self._is_up:
            return "starting"
        is_well = all(process.state is State.READY and process.pid for process in self._processes.values())
        return "up" if is_well and not self._is_full else "degraded"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                command = parse_document(await reader.readline(), Command)
                if command.stop:
                    self._stop_asked.set()
                if command.end:
                    await self._end(command.end)
                if command.begin is not None:
                    await self._begin(command.begin)
                writer.write(format_document(self.status()))
                await writer.drain()
        except (msgspec.MsgspecError, TimeoutError, OSError, ValueError):
            pass  # whoever asked went away or spoke nonsense; there is nobody to tell
        finally:
            writer.close()


async def _run_added(process: SupervisedProcess) -> None:
    """Start a process and keep it running; while it cannot be started its status says why."""
    try:
        await process.start()
    except ProcessFailedError as problem:
        lines = process.last_lines()
        process.last_failure = lines[-1] if lines else problem.message
    await process.keep()


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _status(process: SupervisedProcess) -> ProcessStatus:
    return ProcessStatus(
        name=process.name,
        state=process.state.value,
        pid=process.pid,
        restarts=process.restarts,
        last_failure=process.last_failure,
        ready_at=process.ready_at,
        ports=process.planned.ports,
    )


def _stop_order(processes: dict[str, SupervisedProcess]) -> list[list[str]]:
    """Return the names in groups: a process stops after all that were started after it."""
    left = dict(processes)
    order: list[list[str]] = []
    while left:
        needed = {name for process in left.values() for name in process.planned.after}
        group = [name for name in left if name not in needed]
        order.append(group)
        for name in group:
            del left[name]
    return order


def _first_reason(problem: BaseException) -> BaseException:
    """Return the first error of ours in a group, else the first one."""
    if not isinstance(problem, BaseExceptionGroup):
        return problem
    reasons = [_first_reason(inner) for inner in problem.exceptions]
    return next((reason for reason in reasons if isinstance(reason, ContinuumError)), reasons[0])
