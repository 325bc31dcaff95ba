"""Running a program as (part of) a task: in a folder of its own, its output in the log, its tree ended.

A program is the head of a process group, and is ended with all that it started when it has ended, when its
task is cancelled or when time is up: `Ended` is raised then wherever the task is, and everything that was
begun is taken back on the way out. What leaves its group too is found by its session by whoever ends the
worker (`engines.forking`).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from continuum.model.errors import ContinuumError, NotFoundError
from continuum.workflow.kinds.arguments import Arguments

FOLDER_VARIABLE = "CONTINUUM_TASK_FOLDER"
GRACE_S = 1.0  # between asking a program to end and ending it
PUMP_TIMEOUT_S = 10.0
KEPT_LINES = 20
MAX_LINE_BYTES = 64 * 1024
SIGNAL_STATUS = 128  # a program that a signal ended: this and the signal, as shells say it


class ProgramFailedError(ContinuumError):
    """A program ended with another status than 0, and its task says that this is a failure."""

    code = "ProgramFailed"


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder for what the task does: its own if it runs in a process of its own, else a new one."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        Path(given).mkdir(mode=0o700, parents=True, exist_ok=True)
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="continuum-task-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def find_program(binary: str, what: str) -> str:
    """Return the path of an executable: on the search path, or relative to where tasks start."""
    expanded = os.path.expandvars(Path(binary).expanduser())
    found = shutil.which(expanded) or shutil.which(str(Path(expanded).absolute()))
    if found is None:
        raise NotFoundError(
            f"there is no program {binary!r} here, which {what} is",
            hint="install it here, or keep the task to sites that have it: @constraint(app_software=…)",
        )
    return str(Path(found).absolute())


def run_command(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    arguments: Arguments | None = None,
) -> "Result":
    """Run a program to its end and return how it ended; standard streams go where `arguments` say."""
    with contextlib.ExitStack() as files:
        streams = _open_streams(arguments, files)
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            process_group=0,
        )
        pumps = [_Pump(process.stdout, sys.stdout), _Pump(process.stderr, sys.stderr)]
        try:
            status = process.wait()
        finally:
            _end_group(process)
            for pump in pumps:
                pump.finish()
    return Result(
        command[0], status if status >= 0 else SIGNAL_STATUS - status, pumps[1].kept or pumps[0].kept
    )


class Result:
    """How a program ended."""

    def __init__(self, program: str, status: int, said: Sequence[str]) -> None:
        self.program = program
        self.status = status
        self._said = said

    def check(self) -> None:
        """Raise `ProgramFailedError` unless it ended well."""
        if self.status:
            said = "\n".join(self._said)
            raise ProgramFailedError(
                f"{Path(self.program).name} ended with status {self.status}" + (f":\n{said}" if said else "")
            )


def _open_streams(arguments: Arguments | None, files: contextlib.ExitStack) -> tuple[Any, Any, Any]:
    def find(name: str, default: int) -> Any:
        found = arguments.path_of_stream(name) if arguments is not None else None
        if found is None:
            return default
        path, use = found
        mode = "rb" if name == "stdin" else "ab" if use.is_appended else "wb"
        return files.enter_context(path.open(mode))

    return (
        find("stdin", subprocess.DEVNULL),
        find("stdout", subprocess.PIPE),
        find("stderr", subprocess.PIPE),
    )


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a program's group: with a moment to tidy up if the program itself still runs."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Pump:
    """Copies what a program prints to where the task prints, line by line, and keeps the last ones."""

    def __init__(self, source: IO[bytes] | None, target: IO[str]) -> None:
        self.kept: deque[str] = deque(maxlen=KEPT_LINES)
        self._source = source
        self._target = target
        self._thread: threading.Thread | None = None
        if source is not None:
            self._thread = threading.Thread(target=self._copy, name="program-output", daemon=True)
            self._thread.start()

    def _copy(self) -> None:
        assert self._source is not None  # noqa: S101 - else there is no thread
        while line := self._source.readline(MAX_LINE_BYTES):
            text = line.decode("utf-8", "backslashreplace")
            self.kept.append(text.rstrip("\n"))
            self._target.write(text)

    def finish(self) -> None:
        """Wait until all is copied."""
        if self._thread is not None:
            self._thread.join(PUMP_TIMEOUT_S)
            self._target.flush()
            if self._source is not None and not self._thread.is_alive():
                self._source.close()
