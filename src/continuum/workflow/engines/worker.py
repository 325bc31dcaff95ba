"""A worker: one process that executes tasks one after the other and reports in batches.

It blocks on its socket, executes what a frame holds, and answers when the frame is done, when the oldest
outcome is a millisecond old, or before a task that may take long. A thread that sleeps while there is
nothing to do sends what would otherwise wait behind a task that takes longer than expected.

It ends when its socket does: then whoever gave it work is gone.
"""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec

from continuum.workflow import engines
from continuum.workflow.engines.executing import TaskRunner
from continuum.workflow.engines.frames import (
    LENGTH,
    Assignment,
    FrameReader,
    Outcome,
    TaskSkipped,
    WorkerSettings,
)
from continuum.workflow.engines.pages import Page
from continuum.workflow.engines.printing import TaskOutput
from continuum.workflow.folders import DataFolder
from continuum.workflow.kinds.ending import Ended
from continuum.workflow.messages import TaskSpec
from continuum.workflow.pycompss import install as install_pycompss

RECEIVE_BYTES = 256 * 1024
MAX_WAIT_S = 0.001
CHECK_EVERY_S = 0.005

_tick = time.perf_counter


class Reporter:
    """Sends outcomes in batches."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._outcomes: list[Outcome] = []
        self._since = 0.0
        self._lock = threading.Lock()
        self._encode = msgspec.msgpack.Encoder().encode_into
        self._buffer = bytearray(64 * 1024)
        self._watched = threading.Event()
        self._has_watcher = False

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; send all if the oldest has waited long enough."""
        with self._lock:
            self._outcomes.append(outcome)
            is_first = len(self._outcomes) == 1
        if is_first:
            self._since = _tick()
        elif _tick() - self._since >= MAX_WAIT_S:
            self.flush()

    def flush(self) -> None:
        """Send all."""
        with self._lock:
            outcomes = self._outcomes
            if not outcomes:
                return
            self._outcomes = []
            self._encode(outcomes, self._buffer, LENGTH.size)
            LENGTH.pack_into(self._buffer, 0, len(self._buffer) - LENGTH.size)
            self._connection.sendall(self._buffer)

    def watch(self) -> None:
        """From now on let nothing wait behind a slow task, until `rest`."""
        if not self._has_watcher:
            self._has_watcher = True
            threading.Thread(target=self._keep_flushing, name="reporter", daemon=True).start()
        self._watched.set()

    def rest(self) -> None:
        """All is sent and nothing is going on."""
        self._watched.clear()

    def _keep_flushing(self) -> None:
        while self._watched.wait():
            time.sleep(CHECK_EVERY_S)
            if self._outcomes and _tick() - self._since >= MAX_WAIT_S:
                self.flush()


class Worker:
    """The loop of a worker process."""

    def __init__(
        self, connection: socket.socket, page: Page, runner: TaskRunner, output: TaskOutput | None = None
    ) -> None:
        self._connection = connection
        self._page = page
        self._runner = runner
        self._output = output
        self._reporter = Reporter(connection)
        self._durations: dict[str, float] = {}  # of the last call of each function
        self._process_id = os.getpid()

    def serve(self) -> None:
        """Work until the socket ends."""
        reader = FrameReader(msgspec.msgpack.Decoder(Assignment))
        while data := self._connection.recv(RECEIVE_BYTES):
            for assignment in reader.feed(data):
                self._work_off(assignment)

    def _work_off(self, assignment: Assignment) -> None:
        if assignment.functions:
            self._runner.learn(assignment.functions)
        number = assignment.first_number
        is_batch = len(assignment.tasks) > 1
        if is_batch:
            self._reporter.watch()
        for task in assignment.tasks:
            self._execute(number, task)
            number += 1
        self._reporter.flush()
        if is_batch:
            self._reporter.rest()

    def _execute(self, number: int, task: TaskSpec) -> None:
        if self._durations.get(task.function, 1.0) >= MAX_WAIT_S:
            self._reporter.flush()
        if not self._page.begin(number):
            self._reporter.add(TaskSkipped(number=number))
            return
        output = self._output
        begin = _tick()
        if output is not None:
            output.begin(task.task_id)
            outcome = self._runner.run(task)
            output.end()
        else:
            outcome = self._runner.run(task)
        if os.getpid() != self._process_id:
            os._exit(
                0
            )  # a task forked, and its child came back here: there is one worker, and it is not this
        self._durations[task.function] = _tick() - begin
        self._reporter.add(outcome)


def run_worker(  # noqa: PLR0917 - one caller
    connection: socket.socket,
    page: Page,
    name: int,
    computing_units: int,
    settings: WorkerSettings,
    environment: dict[str, str] | None = None,
) -> None:
    """Be a worker, in a process that was made for it. With an `environment` it can be ended softly."""
    if environment is not None:
        os.environ.update(environment)
        signal.signal(signal.SIGTERM, _end)
    engines.is_worker = True
    _set_threads(computing_units)
    sys.argv = [settings.application, *settings.arguments]
    if settings.code:
        sys.path.insert(0, settings.code)
    install_pycompss()
    data = DataFolder([Path(place) for place in settings.places])
    work = Path(settings.work)
    directory = Path(settings.directory) if settings.directory else work / f"worker-{name}"
    directory.mkdir(exist_ok=True)
    os.chdir(directory)
    output = TaskOutput(settings.log_file, str(work / f"worker-{name}.output"))
    runner = TaskRunner(data, settings.inline_limit_bytes, f"{settings.station}worker-{name}")
    Worker(connection, page, runner, output).serve()


def _end(*_: object) -> None:
    """Let the task tidy up on the way out, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Ended


def _set_threads(computing_units: int) -> None:
    """Tell numerical libraries how many threads they may use; they look when they are loaded."""
    units = str(computing_units)
    os.environ["COMPSS_NUM_THREADS"] = units
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, units)
