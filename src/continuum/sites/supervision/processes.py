"""One supervised process: started, probed, restarted when it dies, stopped.

A child lives in a process group of its own, so a Ctrl-C in the terminal does not reach it, and asks the
kernel to be killed when the supervisor dies (`PR_SET_PDEATHSIG`), so that nothing is left running even after
`kill -9` of the supervisor. A process that dies, or hangs so that its probe gets no answer, is started again
after a pause that doubles from 0.2 s up to 10 s, and begins at 0.2 s again after half a minute without
trouble.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from continuum.model.errors import UnavailableError
from continuum.sites.supervision.logs import LogFile
from continuum.sites.supervision.plans import PlannedProcess, ReadyLine
from continuum.sites.supervision.probing import wait_until_serving, wait_until_silent

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
CALM_S = 30.0
KILL_WAIT_S = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class State(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ProcessFailedError(UnavailableError):
    """A process ended, or did not get ready in time, while the continuum was being started."""

    code = "ProcessFailed"

    def __init__(self, name: str, reason: str, last_lines: list[str], log: Path) -> None:
        super().__init__(f"{name} {reason}", hint=f"its log is {log}")
        self.process = name
        self.last_lines = last_lines


class SupervisedProcess:
    """A planned process and what became of it. `on_change` is called whenever its state changes."""

    def __init__(
        self, planned: PlannedProcess, log_folder: Path, on_change: Callable[["SupervisedProcess"], None]
    ) -> None:
        self.planned = planned
        self.state = State.WAITING
        self.restarts = 0
        self.last_failure = ""
        self.ready_at = 0.0
        self._log_path = log_folder / f"{planned.name}.log"
        self._on_change = on_change
        self._log: LogFile | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None
        self._said_ready = asyncio.Event()
        self._reason = ""
        self._renewal = ""

    @property
    def name(self) -> str:
        """The process's name in the plan."""
        return self.planned.name

    @property
    def pid(self) -> int:
        """The id of the running process; 0 if none runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def start(self) -> None:
        """Start the process and return when it is ready. Raises `ProcessFailedError`; then it does not
        run.
        """
        self._set(State.STARTING)
        await self._spawn()
        try:
            await self._wait_until_ready()
        except BaseException:
            await self._end()
            raise
        self.ready_at = time.time()
        self._set(State.READY)

    async def keep(self) -> None:
        """Start the process again whenever it dies or hangs; runs until it is cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._reason = await self._wait_for_trouble()
            if time.time() - self.ready_at > CALM_S:
                pause_s = FIRST_PAUSE_S
            await self._restart(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def renew(self, reason: str) -> None:
        """End the process, so that `keep` starts it again; `reason` is what people see."""
        self._renewal = reason
        await self._end(self.planned.stop_s)

    async def _wait_for_trouble(self) -> str:
        """Return why the process has to be started again, once it has to."""
        ended = asyncio.create_task(self._ended())
        waiting = {ended}
        probe = self.planned.probe
        if not isinstance(probe, ReadyLine):
            waiting.add(asyncio.create_task(wait_until_silent(probe)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        renewal, self._renewal = self._renewal, ""
        if ended.cancelled():
            return "ran but did not answer"
        return renewal or self._describe_end()

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL for its whole group if it does not go in time."""
        self._set(State.STOPPING)
        await self._end(self.planned.stop_s)
        self._set(State.STOPPED)

    def last_lines(self) -> list[str]:
        """Return the last lines that the process wrote."""
        return list(self._log.last_lines) if self._log is not None else []

    async def _restart(self, pause_s: float) -> None:
        self.last_failure = self._reason
        self.restarts += 1
        self._set(State.RESTARTING)
        await self._end()
        await asyncio.sleep(pause_s)
        try:
            await self.start()
        except ProcessFailedError as problem:
            self.last_failure = problem.message
            self._set(State.RESTARTING)

    async def _spawn(self) -> None:
        planned = self.planned
        if self._log is None:
            self._log = LogFile(self._log_path)
        self._said_ready.clear()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *planned.argv,
                cwd=planned.folder,
                env=planned.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with(os.getpid()),
            )
        except OSError as problem:
            reason = f"cannot be started: {problem.strerror or problem}"
            raise ProcessFailedError(self.name, reason, [], self._log_path) from problem
        self._pump = asyncio.create_task(self._read_output(self._process, self._log))

    async def _read_output(self, process: asyncio.subprocess.Process, log: LogFile) -> None:
        output = process.stdout
        while output is not None and (data := await output.read(65536)):
            lines = log.write(data)
            if not self._said_ready.is_set() and any(line.startswith("ready") for line in lines):
                self._said_ready.set()

    async def _wait_until_ready(self) -> None:
        probe = self.planned.probe
        serving = asyncio.create_task(
            self._wait_for_line() if isinstance(probe, ReadyLine) else wait_until_serving(probe)
        )
        ended = asyncio.create_task(self._ended())
        try:
            done, _ = await asyncio.wait(
                {serving, ended}, timeout=self.planned.ready_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            serving.cancel()
            ended.cancel()
            await asyncio.wait({serving, ended})
        if ended in done:
            raise self._failure(self._describe_end())
        if serving not in done:
            raise self._failure(f"was not ready after {self.planned.ready_s:.0f} s")

    async def _wait_for_line(self) -> None:
        await self._said_ready.wait()

    def _failure(self, reason: str) -> ProcessFailedError:
        return ProcessFailedError(self.name, reason, self.last_lines(), self._log_path)

    async def _ended(self) -> None:
        """Return when the process has ended and all that it wrote has been read."""
        if self._process is not None:
            await self._process.wait()
        if self._pump is not None:  # a grandchild may still hold the pipe: then its words are not waited for
            await asyncio.wait({self._pump}, timeout=1.0)

    def _describe_end(self) -> str:
        status = self._process.returncode if self._process is not None else None
        if status is None:
            return "does not run"
        if status >= 0:
            return f"ended with exit status {status}"
        return f"was killed by {signal.Signals(-status).name}"

    async def _end(self, grace_s: float = 0.0) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None and grace_s > 0:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left in its group goes with it
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_WAIT_S)
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=1.0)
            self._pump.cancel()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _set(self, state: State) -> None:
        self.state = state
        self._on_change(self)


def _die_with(supervisor: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program: ask to be killed when the supervisor dies."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it died in between
            os._exit(1)

    return prepare
