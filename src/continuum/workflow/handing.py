"""A run whose program is handed as a whole to another runtime on this machine.

There is no driver: the other runtime has the tasks, and what the run knows is what was handed over, what it
printed and how it ended. That is kept like the rest of any run: `run.json`, `journal.jsonl` with one record,
`output.log`. What it prints goes to the terminal as it comes, and line by line into the log.

The run is known in this home alone: the hub is not told of it, and other machines cannot cancel it.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from continuum.model import stories
from continuum.model.errors import UnavailableError
from continuum.model.tasks import Problem
from continuum.workflow import guarding, journals
from continuum.workflow.beginnings import RunOptions
from continuum.workflow.compss import COMPSS, LOGS, check_options, command_of, find_runcompss
from continuum.workflow.journals import ROOM_HINT, Journal, RunSummary
from continuum.workflow.sessions import new_run_id

log = logging.getLogger(__name__)

OUTPUT = "output.log"
READ_BYTES = 64 * 1024
ENDS_WITHIN_S = guarding.LINGER_S + guarding.GRACE_S + 10.0
PUMP_TIMEOUT_S = 10.0


class HandedRun:
    """One program in the hands of COMPSs: `open`, `wait`, `end`, `close`."""

    def __init__(
        self,
        runs: Path,
        program: Path,
        arguments: Sequence[str],
        options: RunOptions,
        handed: Sequence[str] = (),
    ) -> None:
        """`runs`: where runs are kept; `handed`: options for COMPSs. Raises `ContinuumError`."""
        check_options(options, handed)
        runcompss = find_runcompss()
        self.run_id = new_run_id(options.name or program.stem)
        self.folder = runs / self.run_id
        self._program = program
        self._arguments = tuple(arguments)
        self._options = options
        self.command = command_of(
            runcompss,
            program,
            arguments,
            handed=handed,
            folder=self.folder.absolute(),
            draws_graph=options.draws_graph,
        )
        self._journal = Journal(None)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._pumps: list[threading.Thread] = []
        self._state, self._exit_status, self._reason = journals.RUNNING, 0, ""
        self._started_at, self._ended_at = time.time(), 0.0

    def open(self) -> None:
        """Start the program. Call from the main thread: the program ends with the thread that starts it.

        Raises `UnavailableError`.
        """
        self._journal = Journal(self.folder)
        self._journal.add(
            [stories.HandedOver(at=self._started_at, engine=COMPSS, command=self.command)],
        )
        self._journal.flush()
        self._journal.write_summary(self.summary())
        try:
            (self.folder / LOGS).mkdir(exist_ok=True)
            self._log = (self.folder / OUTPUT).open("ab", buffering=0)
        except OSError as problem:
            raise UnavailableError(
                f"what the run prints cannot be kept in {self.folder}: {problem.strerror}", hint=ROOM_HINT
            ) from problem
        self._process = _start(self.command, self._options.environment)
        for source, target in ((self._process.stdout, 1), (self._process.stderr, 2)):
            assert source is not None  # noqa: S101 - both are pipes
            pump = threading.Thread(
                target=self._copy, args=(source, target), name="program-output", daemon=True
            )
            pump.start()
            self._pumps.append(pump)

    def wait(self) -> int:
        """Return the exit status of the program once all that it started has ended."""
        assert self._process is not None  # noqa: S101 - called after `open`
        status = self._process.wait()
        self._finish_output()
        return status

    def end(
        self, state: str, exit_status: int, *, reason: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        """Say how the program ended. There are no `problems` of tasks here."""
        del problems
        self._state, self._exit_status, self._reason = state, exit_status, reason
        self._ended_at = time.time()

    def abandon(self, exit_status: int) -> None:
        """Keep how the run ended, for a process that ends at once: the guard then ends the program."""
        if not self._ended_at:
            self.end(journals.CANCELLED, exit_status, reason="cancelled by the user, at once")
        self._journal.write_summary(self.summary())

    def close(self) -> None:
        """End what still runs, and write the summary. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                log.warning("COMPSs was killed: it had not ended within %.0f s", ENDS_WITHIN_S)
                self._process.kill()
        self._finish_output()
        if self._log is not None:
            self._log.close()
            self._log = None
        self._journal.write_summary(self.summary())
        self._journal.close()

    def summary(self) -> RunSummary:
        """Return the run in short."""
        return RunSummary(
            run_id=self.run_id,
            name=self._options.name or self._program.stem,
            application=str(self._program),
            arguments=self._arguments,
            state=self._state,
            started_at=self._started_at,
            ended_at=self._ended_at,
            exit_status=self._exit_status,
            placement=COMPSS,
            objective="",
            engine=COMPSS,
            handed_over=self.command,
            driver_pid=os.getpid(),
            driver_start=journals.start_of(os.getpid()),
            reason=self._reason[:2000],
        )

    def _copy(self, source: IO[bytes], target: int) -> None:
        assert self._log is not None  # noqa: S101 - opened before the program starts
        shows, keeps, line = True, True, b""
        while chunk := os.read(source.fileno(), READ_BYTES):
            shows = shows and _show(target, chunk)
            whole, newline, line = (line + chunk).rpartition(b"\n")
            if len(line) > READ_BYTES:
                whole, line = whole + newline + line, b""
                newline = b"\n"
            keeps = keeps and self._keep(whole + newline)
        if line and keeps:
            self._keep(line + b"\n")

    def _keep(self, lines: bytes) -> bool:
        """Write whole lines into the log; False: it cannot be written any more."""
        assert self._log is not None  # noqa: S101 - closed when the output has ended
        try:
            self._log.write(lines)
        except OSError as problem:
            log.warning("%s ends here: %s", self.folder / OUTPUT, problem.strerror)
            return False
        return True

    def _finish_output(self) -> None:
        for pump in self._pumps:
            pump.join(PUMP_TIMEOUT_S)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the program under a guard; Ctrl-C of the terminal reaches this process alone."""
    guarded = [sys.executable, "-I", "-m", guarding.__name__, str(os.getpid()), *command]
    return subprocess.Popen(
        guarded,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _show(target: int, chunk: bytes) -> bool:
    """Write to a standard stream; False: nobody reads it any more."""
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError:
        return False
    return True
