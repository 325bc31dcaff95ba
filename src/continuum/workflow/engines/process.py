"""The engine of tasks that want a process of their own: programs, MPI, containers, GPUs, input and output.

Each task gets a fresh process, forked in milliseconds by a fork server like the pool's, that leads a session.
It calls the task's body, which may run anything. When the task has ended, is cancelled or its time is up,
the whole session ends: softly at first, so that a container is removed, and for certain `GRACE_S` later.

Computing units come from the same budget as the pool's. A task of none (input and output, requests) runs
beside them, at most `MOST_IO` at once. A task that waits for units is not overtaken by another that needs
some; one that waits for GPUs is not overtaken by another that needs GPUs.

The fork server starts with the first task: a run without such tasks pays nothing.
"""

import contextlib
import logging
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from continuum.model.errors import ContinuumError, InvalidInputError, UnavailableError
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.contracts import EngineLoad, EngineSink
from continuum.workflow.engines.jobs import Job, ending_of, environment_of
from continuum.workflow.engines.launching import Launcher, say_status, worker_settings
from continuum.workflow.engines.pages import MAX_WORKERS, Page, create_pages
from continuum.workflow.engines.seats import Ending, Seat
from continuum.workflow.engines.staffing import Staff
from continuum.workflow.folders import EngineFolder, remove_tree
from continuum.workflow.messages import (
    Event,
    FailureKind,
    FunctionCode,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    TaskStarted,
    failed_task,
    not_begun,
)

log = logging.getLogger(__name__)

MOST_IO = 32
TICK_S = 0.05
GRACE_S = 3.0
_clock = time.monotonic


class ProcessEngine:
    """Executes each task of one run in a process of its own. See `contracts.Engine`.

    `folder` is the run's data and stays the caller's; `budget` is shared with other engines and runs.
    `nodes` are the host names of the site's machines. Of a `staff` each process is one, while it lasts.
    """

    def __init__(
        self,
        folder: EngineFolder,
        budget: Budget,
        *,
        log_file: Path,
        directory: Path | None = None,
        nodes: Sequence[str] = (),
        staff: Staff | None = None,
    ) -> None:
        self._nodes = ",".join(nodes)
        self._member = staff.join() if staff is not None else None
        self._folder = folder
        self._budget = budget
        self._log_file = log_file
        self._directory = directory
        self._lock = threading.Lock()
        self._beginning = threading.Lock()
        self._functions: dict[str, FunctionCode] = {}
        self._waiting: deque[TaskSpec] = deque()
        self._jobs: dict[int, Job] = {}  # by the worker's name
        self._by_descriptor: dict[int, Job] = {}
        self._cancelled: set[int] = set()
        self._events: list[Event] = []
        self._free_pages = list(range(MAX_WORKERS - 1, -1, -1))
        self._last_name = 0
        self._io_tasks = 0
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._owner_pid = os.getpid()

    # ---- the engine's face ----

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Get ready; processes come with tasks."""
        self._run = run
        self._sink = sink
        self._share = self._budget.join(self._wake)
        self._waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_open = True

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks."""
        with self._beginning:
            if self._thread is None and tasks and self._is_open:
                self._begin()
        with self._lock:
            if not self._is_open:
                raise UnavailableError("the engine is closed")
            for code in functions:
                self._functions[code.function] = code
            for task in tasks:
                self._enqueue(task)
            if self._waiting:
                self._feed()
        self._wake()

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Take tasks from the queue; end the processes of those that run."""
        wanted = set(task_ids)
        with self._lock:
            if not self._is_open:
                return
            gone = [task for task in self._waiting if task.task_id in wanted]
            self._waiting = deque(task for task in self._waiting if task.task_id not in wanted)
            self._events += [not_begun(task) for task in gone]
            self._cancelled |= wanted & {job.task.task_id for job in self._jobs.values()}
        self._wake()

    def load(self) -> EngineLoad:
        """Return how busy it is."""
        with self._lock:
            return EngineLoad(running_tasks=len(self._jobs), queued_tasks=len(self._waiting))

    def close(self) -> None:
        """End all processes; blocks until they are gone."""
        if os.getpid() != self._owner_pid or not self._is_open:
            return
        self._is_open = False
        if self._thread is not None:
            self._wake()
            if threading.current_thread() is not self._thread:
                self._thread.join()
        self._share.leave()
        if self._member is not None:
            self._member.leave()
        waker, self._waker = self._waker, -1
        os.close(waker)

    # ---- the thread ----

    def _begin(self) -> None:
        started: queue.SimpleQueue[ContinuumError | OSError | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._live, args=(started,), name=f"process-{self._run.run_id}", daemon=True
        )
        self._thread.start()
        if problem := started.get():
            self._thread = None
            raise UnavailableError(f"cannot start processes for tasks: {problem}") from problem

    def _live(self, started: "queue.SimpleQueue[ContinuumError | OSError | None]") -> None:
        try:
            self._open()
        except (ContinuumError, OSError) as problem:
            started.put(problem)
            return
        started.put(None)
        try:
            while self._is_open:
                self._turn(self._poll.poll(TICK_S if self._jobs or self._lacks_staff() else None))
        except Exception:
            log.exception("the process engine failed")
            self._fail_all()
        finally:
            self._end()

    def _open(self) -> None:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        pages_file = self._folder.pages_file.with_name("pages-of-processes")
        self._pages = create_pages(pages_file)
        self._settings = worker_settings(
            self._folder,
            self._run,
            pages_file=pages_file,
            log_file=self._log_file,
            code=self._folder.code.with_name("code-of-processes"),
            directory=self._directory,
        )
        self._poll = select.epoll()
        self._poll.register(self._waker, select.EPOLLIN)
        self._launch()

    def _launch(self) -> None:
        self._launcher = Launcher(self._settings, self._run.environment)
        self._poll.register(self._launcher.control, select.EPOLLIN)

    def _turn(self, ready: Sequence[tuple[int, int]]) -> None:
        with self._lock:
            for descriptor, mask in ready:
                self._attend(descriptor, mask)
            self._watch(_clock())
            self._feed()
            events, self._events = self._events, []
        if events:
            self._sink(events)

    def _attend(self, descriptor: int, mask: int) -> None:
        job = self._by_descriptor.get(descriptor)
        if job is not None:
            if mask & select.EPOLLOUT:
                job.seat.send()
                self._poll.modify(
                    descriptor, select.EPOLLIN | (select.EPOLLOUT if job.seat.has_unsent else 0)
                )
            if mask & select.EPOLLIN:
                self._hear(job)
            if mask & (select.EPOLLHUP | select.EPOLLERR):
                self._hang_up(job)
        elif descriptor == self._waker:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._waker)
        elif descriptor == self._launcher.control.fileno():
            self._read_ended()

    def _hear(self, job: Job) -> None:
        for outcome in job.seat.receive():
            if isinstance(outcome, TaskFinished | TaskFailed) and not job.is_answered:
                ending = job.seat.ending
                is_ended = ending is not None and isinstance(outcome, TaskFailed)
                self._answer(job, ending_of(job) if is_ended else outcome)
                self._hang_up(job)
                job.seat.close()  # its process ends by itself, and with it whatever it left behind

    def _answer(self, job: Job, event: TaskFinished | TaskFailed) -> None:
        job.is_answered = True
        self._cancelled.discard(job.task.task_id)
        self._events.append(event)

    def _read_ended(self) -> None:
        ended = self._launcher.read()
        if ended is not None:
            job = self._jobs.get(ended.name)
            if job is not None:
                self._bury(job, ended.status)
            return
        self._poll.unregister(self._launcher.control)
        self._launcher.close()
        for job in list(self._jobs.values()):
            self._bury(job, 9)
        self._launch()

    def _bury(self, job: Job, status: int) -> None:
        self._hear(job)
        if not job.is_answered:
            if job.seat.ending is None:
                job.seat.ending = Ending(1, FailureKind.WORKER_LOST, f"its process {say_status(status)}")
            self._answer(job, ending_of(job))
        self._hang_up(job)
        del self._jobs[job.seat.name]
        job.seat.close()
        self._free_pages.append(job.seat.page_index)
        self._give_back(job.task, job.devices)
        remove_tree(job.folder)

    def _hang_up(self, job: Job) -> None:
        if self._by_descriptor.pop(job.seat.socket.fileno(), None) is not None:
            self._poll.unregister(job.seat.socket)

    # ---- beginning tasks ----

    def _enqueue(self, task: TaskSpec) -> None:
        if task.function not in self._functions:
            raise InvalidInputError(f"task {task.task_id} names a function that was not sent")
        if not self._budget.offers(task.computing_units, task.memory_bytes) or task.gpus > len(
            self._budget.devices
        ):
            budget = self._budget
            offered = f"{budget.computing_units} computing units, {budget.memory_bytes} bytes"
            reason = f"it needs more than this site has ({offered}, {len(budget.devices)} GPUs)"
            self._events.append(failed_task(task, FailureKind.CANCELLED, reason))
        elif task.priority:
            self._waiting.appendleft(task)
        else:
            self._waiting.append(task)

    def _feed(self) -> None:
        lacks_units = lacks_devices = False
        kept: deque[TaskSpec] = deque()
        while self._waiting and self._free_pages:
            task = self._waiting.popleft()
            is_io = not task.computing_units
            if (
                (is_io and self._io_tasks >= MOST_IO)
                or (not is_io and lacks_units)
                or (task.gpus and lacks_devices)
            ):
                kept.append(task)
                continue
            devices = self._budget.try_take_devices(task.gpus, self._wake) if task.gpus else ()
            if devices is None:
                lacks_devices = True
                kept.append(task)
            elif not self._take_units(task):
                lacks_units = True
                if devices:
                    self._budget.give_back_devices(devices)
                kept.append(task)
            else:
                self._start(task, devices)
        kept.extend(self._waiting)
        self._waiting = kept
        if not lacks_units:
            self._share.stop_waiting()
            if self._member is not None:
                self._member.stop_waiting()

    def _take_units(self, task: TaskSpec) -> bool:
        if not task.computing_units and not task.memory_bytes:
            self._io_tasks += 1
            return True
        if self._member is not None and task.computing_units and not self._member.try_start():
            return False
        if not self._share.try_take(task.computing_units, task.memory_bytes):
            self._count_out(task)
            return False
        self._io_tasks += not task.computing_units
        return True

    def _give_back(self, task: TaskSpec, devices: tuple[str, ...]) -> None:
        self._io_tasks -= not task.computing_units
        self._count_out(task)
        if task.computing_units or task.memory_bytes:
            self._share.give_back(task.computing_units, task.memory_bytes)
        if devices:
            self._budget.give_back_devices(devices)

    def _lacks_staff(self) -> bool:
        """Whether to look again soon: nobody tells when another engine's worker has gone."""
        return self._member is not None and self._member.is_waiting

    def _count_out(self, task: TaskSpec) -> None:
        if self._member is not None and task.computing_units:
            self._member.left()

    def _start(self, task: TaskSpec, devices: tuple[str, ...]) -> None:
        self._last_name += 1
        name, index = self._last_name, self._free_pages.pop()
        page = Page(self._pages, index)
        page.clear()
        folder = self._folder.work / f"process-{task.task_id}-{task.attempt}"
        units = max(1, task.computing_units)
        environment = environment_of(task, folder, devices if self._budget.devices else None, self._nodes)
        near_end = self._launcher.start(name, index, units, environment)
        seat = Seat(name, units, page, index, near_end)
        job = self._jobs[name] = Job(task, seat, devices, folder)
        self._by_descriptor[near_end.fileno()] = job
        seat.give([self._functions[task.function]], [task], [0.0])
        mask = select.EPOLLIN | (select.EPOLLOUT if seat.has_unsent else 0)
        self._poll.register(near_end, mask)

    # ---- looking after what runs ----

    def _watch(self, now: float) -> None:
        for job in self._jobs.values():
            task, seat = job.task, job.seat
            begun, at = seat.page.begun()
            run_s = now - at if begun else 0.0
            if run_s >= TICK_S and not job.is_announced and not job.is_answered:
                job.is_announced = True
                started_at = time.time() - run_s
                self._events.append(TaskStarted(task_id=task.task_id, attempt=task.attempt, at=started_at))
            if job.kill_at and now >= job.kill_at:
                job.kill_at = now + GRACE_S
                self._launcher.kill(seat.name)
            if seat.ending is not None or job.is_answered:
                continue
            if task.task_id in self._cancelled:
                seat.ending = Ending(1, FailureKind.CANCELLED, "cancelled while it ran")
            elif task.time_out_s and run_s >= task.time_out_s:
                limit = f"it ran for more than {task.time_out_s:g} s"
                seat.ending = Ending(1, FailureKind.TIMED_OUT, limit)
            if seat.ending is not None:
                self._launcher.kill(seat.name, is_soft=bool(begun))
                job.kill_at = now + GRACE_S

    def _fail_all(self) -> None:
        message = "the engine itself failed; the log of its process says why"
        with self._lock:
            self._is_open = False
            tasks = [*self._waiting, *(job.task for job in self._jobs.values() if not job.is_answered)]
            self._waiting.clear()
            self._events += [failed_task(task, FailureKind.WORKER_LOST, message) for task in tasks]
            events, self._events = self._events, []
        self._sink(events)

    # ---- the end ----

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # then it is awake already, or closed
            if self._waker >= 0:
                os.eventfd_write(self._waker, 1)

    def _end(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.seat.close()
            self._launcher.close()
            for job in self._jobs.values():
                self._give_back(job.task, job.devices)
                remove_tree(job.folder)
            self._jobs.clear()
            self._poll.close()
            self._pages.close()
