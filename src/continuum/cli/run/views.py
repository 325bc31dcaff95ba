"""What there is to see of a run at one moment, whether its driver is in this process, its journal on this
machine, or only the hub knows of it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from continuum.model import stories
from continuum.model.stories import Record
from continuum.model.tasks import TaskState
from continuum.workflow import Driver, RunSummary

PACE_OVER_S = 20.0
MOST_FAILURES = 3
_WAITING = (TaskState.WAITING, TaskState.READY)
_AT_SITE = (TaskState.MOVING, TaskState.SUBMITTED)
_GOOD = (TaskState.FINISHED, TaskState.IGNORED)
_BAD = (TaskState.FAILED, TaskState.CANCELLED)
_LATER = ("queued",)  # what journals call tasks that have a site


class FunctionView(NamedTuple):
    """The tasks of one function."""

    name: str
    waiting: int
    queued: int
    running: int
    done: int
    failed: int


class SiteView(NamedTuple):
    """One site. `busy` -1: not known."""

    name: str
    units: int
    busy: int
    queued: int
    done: int
    moved_bytes: int
    is_lost: bool


class View(NamedTuple):
    """A run at one moment. `rate` is tasks per second of late, `left_s` -1 if it cannot be told."""

    functions: tuple[FunctionView, ...]
    sites: tuple[SiteView, ...]
    elapsed_s: float
    rate: float = 0.0
    left_s: float = -1.0
    failures: tuple[str, ...] = ()
    state: str = "running"

    @property
    def total(self) -> int:
        """Tasks that were called so far."""
        return sum(sum(each[1:]) for each in self.functions)

    @property
    def done(self) -> int:
        """Tasks that have finished."""
        return sum(each.done for each in self.functions)

    @property
    def failed(self) -> int:
        """Tasks that failed for good or were cancelled."""
        return sum(each.failed for each in self.functions)

    @property
    def moved_bytes(self) -> int:
        """What came to sites from others."""
        return sum(site.moved_bytes for site in self.sites)


class Pace:
    """How fast tasks finish, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, view: View) -> View:
        """Return the view with its rate, and what is left at that rate of what was called so far."""
        now, done = view.elapsed_s, view.done + view.failed
        self._seen.append((now, done))
        while len(self._seen) > 1 and now - self._seen[1][0] >= PACE_OVER_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        left = view.total - done
        return view._replace(rate=rate, left_s=left / rate if rate > 0 and left else -1.0)


def function_view(name: str, counts: Mapping[Any, int]) -> FunctionView:
    """Return the tasks of a function from their numbers by state."""

    def count(states: Iterable[str]) -> int:
        return sum(counts.get(state, 0) for state in states)

    return FunctionView(
        name,
        count(_WAITING),
        count((*_AT_SITE, *_LATER)),
        count((TaskState.RUNNING,)),
        count(_GOOD),
        count(_BAD),
    )


def view_driver(driver: Driver, elapsed_s: float) -> View:
    """Return what a driver in this process knows. May be called from any thread.

    A site is only told of tasks that run for a while, so what runs is taken to be what fits its units.
    """
    functions = tuple(function_view(name, counts) for name, counts in list(driver.graph.counts.items()))
    sites = tuple(
        SiteView(
            site.name,
            site.units,
            0 if site.load.is_lost else min(site.in_flight, site.units),
            len(site.waiting) + max(0, site.in_flight - site.units),
            site.finished,
            site.moved_bytes,
            site.load.is_lost,
        )
        for site in list(driver.sites.values())
    )
    return View(functions, sites, elapsed_s)


def view_summary(summary: RunSummary, now: float) -> View:
    """Return what a summary says."""
    functions = tuple(function_view(function.name, function.tasks) for function in summary.functions)
    sites = tuple(
        SiteView(site.name, site.computing_units, -1, 0, site.tasks, site.moved_bytes, site.is_lost)
        for site in summary.sites
    )
    elapsed_s = (summary.ended_at or now) - summary.started_at
    failures = tuple(
        f"task {each.task_id} ({each.function}): {each.message}" for each in summary.problems[-MOST_FAILURES:]
    )
    return View(functions, sites, elapsed_s, failures=failures, state=summary.state)


class Tally:
    """What a journal says so far, record by record. Instants of tasks are not kept, only where they are."""

    def __init__(self) -> None:
        self._functions: dict[str, dict[str, int]] = {}
        self._tasks: dict[int, tuple[str, str, str]] = {}  # function, state, site
        self._sites: dict[str, SiteView] = {}
        self._failures: deque[str] = deque(maxlen=MOST_FAILURES)

    def add(self, records: Sequence[Record]) -> None:
        """Take more records."""
        for record in records:
            match record:
                case stories.Submitted():
                    self._functions.setdefault(record.function, {})
                    self._tasks.setdefault(record.task, (record.function, "", ""))  # there: it was resumed
                    self._move(record.task, TaskState.WAITING)
                case stories.Placed():
                    self._move(record.task, "queued", record.site)
                case stories.Started():
                    self._move(record.task, TaskState.RUNNING)
                case stories.Finished():
                    self._finished(record)
                case _:
                    self._add_rare(record)

    def _add_rare(self, record: Record) -> None:
        match record:
            case stories.Failed():
                is_ignored = record.decision.startswith(TaskState.IGNORED)
                self._move(record.task, TaskState.IGNORED if is_ignored else TaskState.FAILED)
                name = self._tasks[record.task][0]
                self._failures.append(failure_line(record, name))
            case stories.Cancelled():
                self._move(record.task, TaskState.CANCELLED)
            case stories.Repeated():
                self._move(record.task, TaskState.WAITING)
            case stories.Remembered():
                self._move(record.task, TaskState.FINISHED)
            case stories.SiteJoined():
                units = record.computing_units
                known = self._sites.get(record.site, SiteView(record.site, units, 0, 0, 0, 0, is_lost=False))
                self._sites[record.site] = known._replace(units=units, is_lost=False)
            case stories.SiteLost():
                self._sites[record.site] = self._sites[record.site]._replace(is_lost=True)
            case _:
                pass

    def _finished(self, record: stories.Finished) -> None:
        self._move(record.task, TaskState.FINISHED)
        site = self._sites[record.site]
        moved = site.moved_bytes + record.moved_bytes
        self._sites[record.site] = site._replace(done=site.done + 1, moved_bytes=moved)

    def _move(self, task: int, state: str, site: str = "") -> None:
        function, before, was_at = self._tasks[task]
        counts = self._functions[function]
        if before:
            counts[before] -= 1
        counts[state] = counts.get(state, 0) + 1
        self._tasks[task] = (function, state, site or was_at)

    def view(self, elapsed_s: float, state: str) -> View:
        """Return what there is to see."""
        there: dict[str, int] = {}
        for _, at, site in self._tasks.values():
            if at in {"queued", TaskState.RUNNING}:
                there[site] = there.get(site, 0) + 1
        sites = tuple(
            site._replace(
                busy=0 if site.is_lost else min(there.get(site.name, 0), site.units),
                queued=max(0, there.get(site.name, 0) - site.units),
            )
            for site in self._sites.values()
        )
        functions = tuple(function_view(name, counts) for name, counts in self._functions.items())
        return View(functions, sites, elapsed_s, failures=tuple(self._failures), state=state)


def failure_line(record: stories.Failed, function: str) -> str:
    """Return a failed try in one line."""
    where = f" at {record.site}" if record.site else ""
    message = record.message.partition("\n")[0]
    name = f" ({function})" if function else ""
    return (
        f"{stories.format_time(record.at)[:8]} task {record.task}{name}{where}: {message}; {record.decision}"
    )
