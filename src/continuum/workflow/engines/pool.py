"""The engine of one machine: worker processes that are fed in batches.

One thread waits for what workers report; whoever submits writes to the workers himself, so that a chain
of tasks costs one wake-up less per link. A worker has the computing units of its tasks from the moment it
gets one until it has none left, so a site's budget is asked once per batch. Tasks go in the order in
which they came, those with priority first; a large one at the head waits until enough units are free, and
nothing overtakes it.

A worker that dies takes with it the task that it was executing (`WORKER_LOST`) and whatever it had finished
within the last milliseconds and not yet reported; what was only queued there runs elsewhere. When workers die
again and again before they have done anything, tasks fail with the reason instead of going round for ever.

Times out and cancels by ending the worker, to within `TICK_S`.
"""

import contextlib
import logging
import os
import queue
import select
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.model.scaling import Demand
from continuum.workflow.engines.batches import Durations, has_room, took_s
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.contracts import EngineLoad, EngineSink
from continuum.workflow.engines.crews import Crew
from continuum.workflow.engines.frames import Outcome, TaskSkipped
from continuum.workflow.engines.launching import say_status, worker_settings
from continuum.workflow.engines.lines import TaskLine
from continuum.workflow.engines.pages import SETTLE_S, create_pages
from continuum.workflow.engines.seats import Ending, Seat
from continuum.workflow.engines.staffing import Member, Staff, note_workers
from continuum.workflow.folders import EngineFolder
from continuum.workflow.messages import (
    Event,
    FailureKind,
    FunctionCode,
    RunSpec,
    TaskFinished,
    TaskSpec,
    TaskStarted,
    WorkersChanged,
    failed_task,
    not_begun,
)

log = logging.getLogger(__name__)

TICK_S = 0.05  # how often running tasks are looked at
FAST_TICK_S = 0.005  # the same while something may have to be taken back from a worker
LINGER_S = 1.0  # of nothing to do before the thread sleeps until it is woken
MAX_FUTILE_ENDS = 5
SAMPLE_TASKS = 200  # of those that wait are looked at to tell what all take

_clock = time.monotonic


class PoolEngine:
    """Executes the tasks of one run in processes of this machine. See `contracts.Engine`.

    `folder` is the run's data and stays the caller's; `budget` is shared with the other runs of the site.
    Tasks start in `directory` (None: a folder for each worker). What they print is appended to `log_file`.
    `station` comes before the workers' names in what is reported. With a `staff` workers follow the queue
    between its limits; without one there are as many as tasks could use at once so far.
    """

    def __init__(
        self,
        folder: EngineFolder,
        budget: Budget,
        *,
        log_file: Path,
        directory: Path | None = None,
        station: str = "",
        staff: Staff | None = None,
    ) -> None:
        self._folder = folder
        self._budget = budget
        self._log_file = log_file
        self._directory = directory
        self._station = station
        self._member = staff.join() if staff is not None else None
        self._told_workers = 0
        self._scaling_reason = ""
        self._lock = threading.Lock()
        self._waking = threading.Lock()
        self._functions: dict[str, FunctionCode] = {}
        self._durations = Durations()
        self._line = TaskLine(self._durations)
        self._cancelled: set[int] = set()
        self._withdrawn: set[int] = set()  # at workers; to be answered as cancelled unless they have begun
        self._events: list[Event] = []
        self._waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.epoll()
        self._poll.register(self._waker, select.EPOLLIN)
        self._share = budget.join(self._wake)
        self._owner_pid = os.getpid()
        self._is_open = False
        self._is_dozing = False
        self._next_check = 0.0
        self._active_at = 0.0
        self._futile_ends = 0

    # ---- the engine's face ----

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Start the thread and the fork server; workers follow when there are tasks."""
        self._sink = sink
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        pages = create_pages(self._folder.pages_file)
        settings = worker_settings(
            self._folder,
            run,
            pages_file=self._folder.pages_file,
            log_file=self._log_file,
            code=self._folder.code,
            directory=self._directory,
            station=self._station,
        )
        started: queue.SimpleQueue[UnavailableError | OSError | None] = queue.SimpleQueue()

        def work() -> None:
            units = self._budget.computing_units
            try:
                on_left = self._member.left if self._member is not None else None
                self._crew = Crew(settings, run.environment, pages, self._poll, units, on_left)
            except (UnavailableError, OSError) as problem:
                started.put(problem)
                return
            self._is_open = True
            started.put(None)
            self._serve()

        self._thread = threading.Thread(target=work, name=f"pool-{run.run_id}", daemon=True)
        self._thread.start()
        if problem := started.get():
            self._leave()
            if isinstance(problem, OSError):
                raise UnavailableError(f"cannot start worker processes: {problem}") from problem
            raise problem

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks and give out what can begin."""
        with self._lock:
            if not self._is_open:
                raise UnavailableError("the engine is closed")
            for code in functions:
                self._functions[code.function] = code
            for task in tasks:
                self._enqueue(task)
            if self._member is not None:
                self._scale(self._member, _clock())
            self._feed(only_idle=True)  # the thread refills busy workers, in larger batches
            if self._member is not None:
                self._tell_workers(self._member)
                self._next_check = 0.0
                self._wake()
            elif self._is_dozing or self._events:
                self._wake()

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Take tasks from the queue; end the workers that execute them."""
        wanted = set(task_ids)
        with self._lock:
            if not self._is_open:
                return
            self._events += [not_begun(task) for task in self._line.remove(wanted)]
            self._cancelled |= wanted & self._given()
            self._next_check = 0.0
            self._wake()

    def withdraw(self, task_ids: Sequence[int]) -> None:
        """Cancel tasks that have not begun; those that have are left alone."""
        wanted = set(task_ids)
        with self._lock:
            if not self._is_open:
                return
            self._events += [not_begun(task) for task in self._line.remove(wanted)]
            self._withdrawn |= wanted & self._given()
            self._next_check = 0.0
            self._wake()

    def load(self) -> EngineLoad:
        """Return how busy it is."""
        with self._lock:
            if not self._is_open:
                return EngineLoad(running_tasks=0, queued_tasks=0)
            busy = [len(seat.given) for seat in self._crew.seats if seat.given]
            queued = len(self._line) + sum(busy) - len(busy)
            return EngineLoad(running_tasks=len(busy), queued_tasks=queued)

    def count_workers(self) -> int:
        """Return how many worker processes it has."""
        with self._lock:
            return sum(not seat.is_leaving for seat in self._crew.seats) if self._is_open else 0

    def close(self) -> None:
        """End all workers; blocks until they are gone."""
        if os.getpid() != self._owner_pid or not self._is_open:
            return  # a fork of the owner has no thread and no workers
        self._is_open = False
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # ---- the thread ----

    def _serve(self) -> None:
        try:
            while self._is_open:
                self._turn(self._poll.poll(self._timeout()))
        except Exception:
            log.exception("the pool engine failed")
            self._fail_all()
        finally:
            self._end()

    def _turn(self, ready: Sequence[tuple[int, int]]) -> None:
        with self._lock:
            now = _clock()
            for descriptor, mask in ready:
                self._active_at = now
                self._attend(descriptor, mask)
            if now >= self._next_check:
                self._check(now)
            self._feed()
            if self._member is not None:
                self._tell_workers(self._member)
            events, self._events = self._events, []
        if events:
            self._sink(events)

    def _timeout(self) -> float:
        with self._lock:
            now = _clock()
            is_busy = self._share.held_units > 0 or bool(self._cancelled)
            if self._member is not None and self._line:
                is_busy = True  # it waits for a worker
            self._is_dozing = not is_busy and now - self._active_at > LINGER_S
            if not self._is_dozing:
                return max(0.0, self._next_check - now)
            return -1 if self._member is None else self._member.next_look_s(self._crew.idle_since(), now)

    def _attend(self, descriptor: int, mask: int) -> None:
        seat = self._crew.by_descriptor(descriptor)
        if seat is not None:
            if mask & select.EPOLLOUT:
                seat.send()
                self._crew.send_later(seat)
            if mask & select.EPOLLIN:
                self._take_outcomes(seat)
            if mask & (select.EPOLLHUP | select.EPOLLERR):
                self._crew.hang_up(seat)
        elif descriptor == self._waker:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._waker)
        elif descriptor == self._crew.control:
            for ended, status in self._crew.read_ended():
                self._bury(ended, status)

    def _take_outcomes(self, seat: Seat) -> None:
        was_idle = seat.is_idle
        for outcome in seat.receive():
            self._take_outcome(seat, outcome)
        if seat.is_idle and not was_idle:
            self._release(seat)
            self._crew.rest(seat)

    def _take_outcome(self, seat: Seat, outcome: Outcome) -> None:
        if isinstance(outcome, TaskSkipped):
            if seat.given and seat.given[0].number == outcome.number:
                self._requeue([seat.finish().task])
            return
        task = seat.finish().task
        self._futile_ends = 0
        if isinstance(outcome, TaskFinished):
            self._durations.add(task.function, took_s(task, outcome))
            if seat.hired_at and self._member is not None:
                self._member.appeared(outcome.started_at - seat.hired_at)
                seat.hired_at = 0.0
        if self._cancelled or self._withdrawn:
            self._cancelled.discard(task.task_id)
            self._withdrawn.discard(task.task_id)
        self._events.append(outcome)

    def _release(self, seat: Seat) -> None:
        self._share.give_back(seat.computing_units, seat.memory_bytes)
        seat.memory_bytes = 0

    def _bury(self, seat: Seat, status: int) -> None:
        had_work = not seat.is_idle
        for outcome in seat.receive():
            self._take_outcome(seat, outcome)
        begun, _ = seat.page.begun()
        ending = seat.ending
        lost = [each for each in seat.given if each.number <= begun]
        for each in lost:
            kind, message = FailureKind.WORKER_LOST, f"its worker {say_status(status)}"
            if ending is not None and ending.number == each.number:
                kind, message = ending.kind, ending.message
            self._cancelled.discard(each.task.task_id)
            self._withdrawn.discard(each.task.task_id)
            self._events.append(failed_task(each.task, kind, message, worker=f"worker-{seat.name}"))
        self._requeue([each.task for each in seat.given if each.number > begun])
        if had_work:
            self._release(seat)
        self._crew.remove(seat)
        if not begun and had_work:
            self._futile_ends += 1
        if self._futile_ends >= MAX_FUTILE_ENDS:
            self._fail_queued(
                f"workers cannot work here: the last one {say_status(status)}; see {self._log_file}"
            )

    # ---- giving out tasks ----

    def _enqueue(self, task: TaskSpec) -> None:
        if task.function not in self._functions:
            raise InvalidInputError(f"task {task.task_id} names a function that was not sent")
        if not self._budget.offers(task.computing_units, task.memory_bytes):
            offered = f"{self._budget.computing_units} computing units, {self._budget.memory_bytes} bytes"
            reason = f"it needs more than this site has ({offered})"
            self._events.append(failed_task(task, FailureKind.CANCELLED, reason))
            return
        self._line.add(task)

    def _requeue(self, tasks: Sequence[TaskSpec]) -> None:
        called_off = self._cancelled | self._withdrawn
        cancelled = [task for task in tasks if task.task_id in called_off]
        self._cancelled.difference_update(task.task_id for task in cancelled)
        self._withdrawn.difference_update(task.task_id for task in cancelled)
        self._events += [not_begun(task) for task in cancelled]
        self._line.put_back([task for task in tasks if task not in cancelled] if cancelled else tasks)

    def _feed(self, *, only_idle: bool = False) -> None:
        while (head := self._line.head) is not None:
            seat = self._choose_seat(head, only_idle=only_idle)
            if seat is None:
                return
            self._give(seat)
        self._share.stop_waiting()

    def _choose_seat(self, task: TaskSpec, *, only_idle: bool) -> Seat | None:
        if self._member is not None:
            seat = self._seat_within_limits(self._member, task)
            if seat is not None or self._member.should_yield():
                return seat
        elif self._share.try_take(task.computing_units, task.memory_bytes):
            seat = self._crew.take(task.computing_units)
            seat.memory_bytes = task.memory_bytes
            return seat
        if only_idle or not self._line.is_batched(task) or self._share.should_yield():
            return None
        fit = [
            seat
            for seat in self._crew.seats
            if seat.given
            and seat.computing_units == task.computing_units
            and has_room(seat.load_s, len(seat.given))
            and not seat.is_recalled
            and seat.ending is None
        ]
        return min(fit, key=lambda seat: seat.load_s, default=None)

    def _give(self, seat: Seat) -> None:
        workers = self._budget.computing_units // seat.computing_units
        tasks, expected_s = self._line.take_batch(workers, seat.load_s)
        unknown = {task.function for task in tasks} - seat.known
        seat.give([self._functions[name] for name in unknown], tasks, expected_s)
        if seat.has_unsent:
            self._crew.send_later(seat)

    # ---- workers that follow the queue ----

    def _seat_within_limits(self, member: Member, task: TaskSpec) -> Seat | None:
        """Return an idle worker, or a new one: one more, or in the place of an idle one of another size."""
        crew, units = self._crew, task.computing_units
        if member.should_yield() or self._budget.free_units < units:
            return None
        is_new = not crew.has_idle(units)
        if is_new and not member.try_hire() and not (crew.dismiss(1) and member.try_hire()):
            return None
        if not self._share.try_take(units, task.memory_bytes):
            if is_new:
                member.left()
            return None
        seat = crew.take(units)
        seat.memory_bytes = task.memory_bytes
        if is_new:
            seat.hired_at = time.time()
        return seat

    def _scale(self, member: Member, now: float) -> None:
        decision = member.decide(self._demand(), len(self._line), self._crew.idle_since(), now)
        if decision.change:
            self._scaling_reason = decision.reason
        if decision.change < 0:
            self._crew.dismiss(-decision.change)

    def _demand(self) -> list[Demand]:
        sample = self._line.first(SAMPLE_TASKS)
        share = len(self._line) / max(1, len(sample))
        counts = Counter(task.function for task in sample)
        demands = [
            Demand(units=1, tasks=round(count * share), run_s=self._durations.find(name))
            for name, count in counts.items()
        ]
        given = Counter(each.task.function for seat in self._crew.seats for each in seat.given)
        return demands + [
            Demand(units=1, tasks=count, run_s=self._durations.find(name)) for name, count in given.items()
        ]

    def _tell_workers(self, member: Member) -> None:
        before, now = self._told_workers, member.workers
        if before != now:
            self._told_workers = now
            self._events.append(WorkersChanged(workers=now, reason=self._scaling_reason))
            note_workers(self._log_file, before, now, self._scaling_reason)

    # ---- looking after what runs ----

    def _check(self, now: float) -> None:
        may_need_more = False
        has_free_units = not self._line and self._budget.free_units > 0
        for seat in self._crew.seats:
            if seat.settles_at and now >= seat.settles_at:
                self._settle(seat)
            running = seat.running()
            if running is None:
                continue
            task, since = running[0].task, running[1]
            self._watch(seat, running[0].number, task, now - since)
            if len(seat.given) > 1:
                may_need_more = True
                is_stuck = has_free_units and now - since > FAST_TICK_S
                if (is_stuck or self._has_cancelled(seat)) and seat.can_recall() and not seat.is_recalled:
                    seat.recall(now + SETTLE_S)
        if self._member is not None:
            self._scale(self._member, now)
            may_need_more = may_need_more or bool(self._line)
        is_eager = may_need_more or self._cancelled or self._withdrawn
        self._next_check = now + (FAST_TICK_S if is_eager else TICK_S)

    def _settle(self, seat: Seat) -> None:
        """Put back in the queue what a worker has not begun; if that was all it had, it is free."""
        was_idle = seat.is_idle
        self._requeue(seat.settle())
        if seat.is_idle and not was_idle:
            self._release(seat)
            self._crew.rest(seat)

    def _watch(self, seat: Seat, number: int, task: TaskSpec, run_s: float) -> None:
        if run_s >= TICK_S and seat.announced < number:
            seat.announced = number
            event = TaskStarted(task_id=task.task_id, attempt=task.attempt, at=time.time() - run_s)
            self._events.append(event)
        if seat.ending is not None:
            return
        if task.time_out_s and run_s >= task.time_out_s:
            seat.ending = Ending(number, FailureKind.TIMED_OUT, f"it ran for more than {task.time_out_s:g} s")
        elif task.task_id in self._cancelled:
            seat.ending = Ending(number, FailureKind.CANCELLED, "cancelled while it ran")
        if seat.ending is not None:
            self._crew.end(seat)

    def _given(self) -> set[int]:
        return {each.task.task_id for seat in self._crew.seats for each in seat.given}

    def _has_cancelled(self, seat: Seat) -> bool:
        called_off = self._cancelled | self._withdrawn
        return bool(called_off) and any(each.task.task_id in called_off for each in seat.given)

    def _fail_queued(self, message: str) -> None:
        self._events += [failed_task(task, FailureKind.WORKER_LOST, message) for task in self._line.clear()]

    def _fail_all(self) -> None:
        message = "the engine itself failed; the log of its process says why"
        with self._lock:
            self._is_open = False
            self._fail_queued(message)
            given = [each.task for seat in self._crew.seats for each in seat.given]
            self._events += [failed_task(task, FailureKind.WORKER_LOST, message) for task in given]
            events, self._events = self._events, []
        self._sink(events)

    # ---- the end ----

    def _wake(self) -> None:
        with self._waking, contextlib.suppress(BlockingIOError):  # then it is awake already
            if self._waker >= 0:
                os.eventfd_write(self._waker, 1)

    def _end(self) -> None:
        with self._lock:
            self._is_open = False
            for seat in self._crew.seats:
                if seat.given:
                    self._release(seat)
            self._crew.close()
            self._leave()

    def _leave(self) -> None:
        self._share.leave()
        if self._member is not None:
            self._member.leave()
        self._poll.close()
        with self._waking:
            os.close(self._waker)
            self._waker = -1
