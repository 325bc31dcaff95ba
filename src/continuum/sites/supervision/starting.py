"""Starting a supervisor: as a daemon that outlives the command, or in the foreground.

The daemon reports its progress to the command as JSON lines over a pipe until everything is ready or has
failed; then the pipe is closed and the daemon goes on alone, its own words in `HOME/logs/supervisor.log`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

import msgspec

from continuum.model.errors import ContinuumError, UnavailableError
from continuum.sites.homes import Home
from continuum.sites.ports import is_port_free
from continuum.sites.supervision.folders import carry_out, explain_os_error
from continuum.sites.supervision.plans import Plan
from continuum.sites.supervision.processes import ProcessFailedError, SupervisedProcess
from continuum.sites.supervision.supervising import Lock, Supervisor

SHOWN_LINES = 12
MOST_STARTS = 3  # a port that was free when it was chosen may be somebody's when it is needed


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What happened during a start: a `note`, or `process` went into `state`; at the end `ready` or `failed`.

    With `failed` come the reason in `note`, the `hint`, and the last `lines` of the process that failed.
    """

    note: str = ""
    process: str = ""
    state: str = ""
    ready: bool = False
    failed: bool = False
    code: str = ""
    hint: str = ""
    lines: tuple[str, ...] = ()


class StartFailedError(UnavailableError):
    """The continuum could not be started; nothing of it is left running."""

    code = "StartFailed"

    def __init__(self, message: str, *, hint: str = "", lines: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.lines = lines


Report = Callable[[Progress], None]
MakePlan = Callable[[Callable[[str], None]], Plan]


def start_daemon(home: Home, command: Sequence[str], report: Report) -> None:
    """Run `command`, which calls `run_daemon`, in the background and return when everything is ready.

    The descriptor to report to is added to the command. `report` hears what happens. Raises
    `StartFailedError`; then nothing runs.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        try:
            daemon = _spawn(home, command, writing)
        finally:
            os.close(writing)
        try:
            _follow(pipe, report)
        except BaseException:
            _end(daemon)
            raise
        daemon.returncode = 0  # it lives on without us: there is nothing to wait for


def run_daemon(home: Home, make_plan: MakePlan, descriptor: int, *, hint: str) -> int:
    """Be the daemon: supervise until told to stop; return the exit status."""
    report = _report_to_pipe(descriptor)
    try:
        supervise(home, make_plan, report, hint=hint)
    except ContinuumError as problem:
        print(problem, flush=True)  # noqa: T201 -- the supervisor's log
        lines = problem.lines if isinstance(problem, StartFailedError) else ()
        report(Progress(failed=True, note=problem.message, hint=problem.hint, code=problem.code, lines=lines))
        return 1
    return 0


def supervise(home: Home, make_plan: MakePlan, report: Report, *, hint: str) -> None:
    """Make a plan and run it until SIGTERM or SIGINT, holding the lock of `home`.

    `make_plan` is given a function that tells a person something; it is asked again when a process lost its
    port to somebody while it was starting. `hint` is for whoever finds the lock held.
    Raises `StartFailedError` or another `ContinuumError`; then nothing runs.
    """
    lock = Lock(home.path, hint=hint)
    lock.acquire()
    try:
        _supervise(home, make_plan, report)
    finally:
        lock.release()


def _supervise(home: Home, make_plan: MakePlan, report: Report) -> None:
    for further_starts in reversed(range(MOST_STARTS)):
        plan = _prepare(home, make_plan, report)
        try:
            asyncio.run(_run(plan, report))
        except ProcessFailedError as problem:
            if not (further_starts and _lost_a_port(plan, problem)):
                raise StartFailedError(
                    problem.message, hint=problem.hint, lines=tuple(problem.last_lines[-SHOWN_LINES:])
                ) from problem
            report(Progress(note=f"{problem.process} lost a port to another program: all is started again"))
        else:
            return


def _prepare(home: Home, make_plan: MakePlan, report: Report) -> Plan:
    try:
        plan = make_plan(lambda note: report(Progress(note=note)))
        carry_out(plan)
    except OSError as problem:
        raise explain_os_error(home.path, problem) from problem
    return plan


async def _run(plan: Plan, report: Report) -> None:
    def tell(process: SupervisedProcess) -> None:
        report(Progress(process=process.name, state=process.state.value))

    await Supervisor(plan, tell).run(lambda: report(Progress(ready=True)))


def _lost_a_port(plan: Plan, problem: ProcessFailedError) -> bool:
    """Tell whether somebody has a port of a process that failed; nothing of the plan is running."""
    ports = next(process.ports for process in plan.processes if process.name == problem.process)
    return not all(map(is_port_free, ports))


def _spawn(home: Home, command: Sequence[str], report_to: int) -> subprocess.Popen[bytes]:
    with (home.logs() / "supervisor.log").open("ab") as output:
        return subprocess.Popen(
            [*command, str(report_to)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(report_to,),
            start_new_session=True,
            cwd="/",
        )


def _follow(pipe: IO[bytes], report: Report) -> None:
    for line in pipe:
        progress = msgspec.json.decode(line, type=Progress)
        if progress.failed:
            raise StartFailedError(progress.note, hint=progress.hint, lines=progress.lines)
        report(progress)
        if progress.ready:
            return
    raise StartFailedError(
        "the supervisor ended before the continuum was ready", hint="see logs/supervisor.log in the home"
    )  # it says why before it ends, unless it was killed or has a fault


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """Wait for a daemon that gives up by itself, or tell it to stop (Ctrl-C during the start)."""
    with contextlib.suppress(ProcessLookupError):
        daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()


def _report_to_pipe(descriptor: int) -> Report:
    """Return a report that writes to the command that started us, for as long as it listens."""
    pipe: list[IO[bytes]] = [os.fdopen(descriptor, "wb", buffering=0)]

    def report(progress: Progress) -> None:
        if progress.process or progress.note:
            what = f"{progress.process} {progress.state}" if progress.process else progress.note
            print(time.strftime("%Y-%m-%d %H:%M:%S"), what, flush=True)  # noqa: T201 -- the supervisor's log
        if not pipe:
            return
        try:
            pipe[0].write(msgspec.json.encode(progress) + b"\n")
        except OSError:
            pipe.pop().close()  # the command is gone; go on without it
            return
        if progress.ready or progress.failed:
            pipe.pop().close()

    return report
