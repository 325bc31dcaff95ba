"""Starting the supervisor: as a daemon that outlives the command, or in the foreground.

The daemon reports its progress to the command as JSON lines over a pipe until everything is ready or has
failed; then the pipe is closed and the daemon goes on alone, its own words in `HOME/logs/supervisor.log`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO

import msgspec

from continuum.model.errors import ContinuumError, UnavailableError
from continuum.sites.embedded.plans import plan
from continuum.sites.embedded.preparing import (
    UpOptions,
    carry_out,
    choose_run_folder,
    ensure_home,
    ensure_private,
    explain_os_error,
    prepare,
)
from continuum.sites.embedded.processes import ProcessFailedError, SupervisedProcess
from continuum.sites.embedded.supervising import Lock, Supervisor
from continuum.sites.homes import Home


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


def start(home: Home, options: UpOptions, report: Report) -> None:
    """Start the continuum of `home` in the background and return when it is ready.

    `report` hears what happens. Raises `StartFailedError` (or another `ContinuumError`); then nothing runs.
    """
    ensure_home(home)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        try:
            daemon = _spawn(home, options, writing)
        finally:
            os.close(writing)
        try:
            _follow(pipe, report)
        except BaseException:
            _end(daemon)
            raise


def run_in_foreground(home: Home, options: UpOptions, report: Report) -> None:
    """Run the continuum of `home` in this process until SIGINT or SIGTERM. Raises as `start` does."""
    ensure_home(home)
    supervise(home, options, report)


def supervise(home: Home, options: UpOptions, report: Report) -> None:
    """Prepare and run the continuum, holding the lock of `home`."""
    run_folder = choose_run_folder(home.path)
    ensure_private(run_folder)
    lock = Lock(run_folder)
    lock.acquire()
    try:
        _supervise(home, options, report)
    finally:
        lock.release()


def _supervise(home: Home, options: UpOptions, report: Report) -> None:
    try:
        settings = prepare(home, options, lambda note: report(Progress(note=note)))
        planned = plan(settings)
        carry_out(planned, settings)
    except OSError as problem:
        raise explain_os_error(home.path, problem) from problem

    def tell(process: SupervisedProcess) -> None:
        report(Progress(process=process.name, state=process.state.value))

    async def run() -> None:
        await Supervisor(settings, planned, tell).run(lambda: report(Progress(ready=True)))

    try:
        asyncio.run(run())
    except ProcessFailedError as problem:
        raise StartFailedError(
            problem.message, hint=problem.hint, lines=tuple(problem.last_lines[-12:])
        ) from problem


def _spawn(home: Home, options: UpOptions, report_to: int) -> subprocess.Popen[bytes]:
    log = home.logs() / "supervisor.log"
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "continuum.sites.embedded",
                str(home.path),
                msgspec.json.encode(options).decode(),
                str(report_to),
            ],
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


def report_to_pipe(descriptor: int) -> Report:
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


def main(arguments: list[str]) -> int:
    """Run as the daemon: home, options (JSON) and the descriptor to report to."""
    home, options = Home(arguments[0]), msgspec.json.decode(arguments[1], type=UpOptions)
    report = report_to_pipe(int(arguments[2]))
    try:
        supervise(home, options, report)
    except ContinuumError as problem:
        print(problem, flush=True)  # noqa: T201 -- the supervisor's log
        lines = problem.lines if isinstance(problem, StartFailedError) else ()
        report(Progress(failed=True, note=problem.message, hint=problem.hint, code=problem.code, lines=lines))
        return 1
    return 0
