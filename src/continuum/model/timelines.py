"""What happened when and where in a run, put together from its records: tasks, tries, sites and what decided.

A try is drawn from the moment its site was chosen: queued, moving inputs, running. The length of moving is
known, not its moment; it is taken to lie right before the start. Sites have clocks of their own: a start that
the driver's records contradict is shifted to where it is possible. What this does not promise: waiting inside
a site apart from waiting in the driver; both are "queued".
"""

from collections.abc import Iterable, Sequence

from continuum.model import stories
from continuum.model.stories import Record
from continuum.model.tasks import TaskState

CALLED, RUNNING = str(TaskState.WAITING), str(TaskState.RUNNING)
FINISHED, FAILED, CANCELLED = str(TaskState.FINISHED), str(TaskState.FAILED), str(TaskState.CANCELLED)
IGNORED, QUEUED = str(TaskState.IGNORED), "queued"
_IGNORING = "ignored"  # how the graph's decision about an ignored failure begins


class Try:
    """One try of a task at one site. Instants are seconds since the epoch; `ended_at` 0: it goes on."""

    __slots__ = (
        "attempt",
        "ended_at",
        "message",
        "moved_bytes",
        "moving_at",
        "outcome",
        "output_bytes",
        "placed_at",
        "reason",
        "site",
        "started_at",
        "task",
        "worker",
    )

    def __init__(self, task: "Call", placed: stories.Placed) -> None:
        self.task = task
        self.attempt = placed.attempt
        self.site = placed.site
        self.worker = ""
        self.reason = placed.reason
        self.placed_at = placed.at
        self.moving_at = 0.0
        self.started_at = 0.0
        self.ended_at = 0.0
        self.outcome = QUEUED
        self.message = ""
        self.moved_bytes = 0
        self.output_bytes = 0

    @property
    def run_s(self) -> float:
        """How long it ran, as far as is known."""
        return self.ended_at - self.started_at if self.started_at and self.ended_at else 0.0

    def begin(self, at: float) -> None:
        """A worker began."""
        self.started_at = self.moving_at = max(at, self.placed_at)
        self.outcome = RUNNING

    def finish(self, record: stories.Finished) -> None:
        """The outputs are there."""
        latest = record.at - record.run_s
        begun = min(record.started_at, latest) if record.started_at else latest
        self.started_at = max(begun, self.placed_at)
        self.moving_at = max(self.started_at - record.move_s, self.placed_at)
        self.ended_at = self.started_at + record.run_s
        self.worker = record.worker
        self.moved_bytes = record.moved_bytes
        self.output_bytes = record.output_bytes
        self.outcome = FINISHED

    def end(self, at: float, outcome: str, message: str = "", worker: str = "") -> None:
        """It ended without outputs."""
        self.ended_at = max(at, self.placed_at)
        if not self.started_at:
            self.started_at = self.moving_at = self.ended_at if outcome == CANCELLED else self.placed_at
        self.outcome = outcome
        self.message = message
        self.worker = worker


class Call:
    """One call of a task: what the program asked for, and its tries. `sources` are tasks it waited for."""

    __slots__ = (
        "called_at",
        "earlier",
        "function",
        "group",
        "id",
        "reads",
        "sources",
        "state",
        "title",
        "tries",
        "units",
        "woken_by",
        "writes",
    )

    def __init__(self, record: stories.Submitted) -> None:
        self.id = record.task
        self.function = record.function
        self.title = record.call
        self.group = record.group
        self.units = record.units
        self.called_at = record.at
        self.reads = record.reads
        self.writes = record.writes
        self.sources: tuple[int, ...] = ()
        self.woken_by: tuple[int, ...] = ()
        self.earlier: Call | None = None
        self.state = CALLED
        self.tries: list[Try] = []

    @property
    def last(self) -> Try | None:
        """Its last try."""
        return self.tries[-1] if self.tries else None

    @property
    def ended_at(self) -> float:
        """When its last try ended; 0 while it goes on or never ran."""
        return self.tries[-1].ended_at if self.tries else 0.0

    def take_over(self, before: "Call", at: float) -> None:
        """This is the same call in a run that was resumed; what the driver that died left open ended then."""
        self.tries = before.tries
        self.earlier = before
        for each in self.tries:
            each.task = self
            if not each.ended_at:
                each.end(at, CANCELLED, "the driver of the run died")

    def recall(self) -> None:
        """It was not made again: what counts is when and after what it was called at first."""
        if self.earlier is not None:
            self.called_at, self.woken_by = self.earlier.called_at, self.earlier.woken_by


class Presence:
    """A site in a run: its units, when it was lost and came back (pairs of instants and words), and how many
    workers it had since when, where they follow the queue."""

    __slots__ = ("computing_units", "is_lost", "name", "turns", "workers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.computing_units = 0
        self.is_lost = False
        self.turns: list[tuple[float, str]] = []
        self.workers: list[tuple[float, int]] = []


class Timeline:
    """A run from its first record to its last."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.begin_at = 0.0
        self.end_at = 0.0
        self._before_at = 0.0
        self.calls: dict[int, Call] = {}
        self.sites: dict[str, Presence] = {}
        self.failures: list[stories.Failed] = []
        self.published: list[stories.Moved] = []
        self._producers: dict[str, int] = {}
        self._awaited: tuple[int, ...] = ()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take one more record."""
        self.begin_at = self.begin_at or record.at
        self._before_at = self.end_at
        self.end_at = max(self.end_at, record.at)
        match record:
            case stories.Submitted():
                self._submitted(record)
            case stories.Placed():
                self._placed(record)
            case stories.Finished():
                self._finished(record)
            case stories.Failed():
                self._failed(record)
            case _:
                self._add_rare(record)

    def _add_rare(self, record: Record) -> None:
        match record:
            case stories.Started():
                self._started(record)
            case stories.Cancelled():
                self._cancelled(record)
            case stories.Repeated():
                self.calls[record.task].state = CALLED
            case stories.Remembered():
                self.calls[record.task].state = FINISHED
                self.calls[record.task].recall()
            case stories.Moved():
                self.published.append(record)
            case stories.Synchronised():
                self._synchronised(record)
            case stories.SiteJoined():
                site = self._site(record.site)
                site.computing_units, site.is_lost = record.computing_units, False
                site.turns.append((record.at, "takes part"))
            case stories.WorkersChanged():
                self._site(record.site).workers.append((record.at, record.workers))
            case stories.SiteLost():
                site = self._site(record.site)
                site.is_lost = True
                site.turns.append((record.at, f"lost: {record.reason}"))
            case _:
                pass

    def _site(self, name: str) -> Presence:
        return self.sites.get(name) or self.sites.setdefault(name, Presence(name))

    def _submitted(self, record: stories.Submitted) -> None:
        call = Call(record)
        before = self.calls.get(record.task)
        if before is not None:
            call.take_over(before, self._before_at)
        self.calls[record.task] = call
        producers = self._producers
        sources = {producers[datum]: None for datum in record.reads if datum in producers}
        sources.update(dict.fromkeys(record.waits_for))
        call.sources = tuple(sources)
        call.woken_by = self._awaited
        for datum in record.writes:
            producers[datum] = record.task

    def _placed(self, record: stories.Placed) -> None:
        call = self.calls[record.task]
        call.state = QUEUED
        last = call.last
        if last is not None and last.attempt == record.attempt and not last.ended_at:
            call.tries.pop()  # it waited for one site and was given to another
        call.tries.append(Try(call, record))

    def _synchronised(self, record: stories.Synchronised) -> None:
        if record.data:
            self._awaited = tuple(self._producers[datum] for datum in record.data if datum in self._producers)
        else:
            self._awaited = tuple(self.calls)[-1:]

    def _try(self, task: int, attempt: int) -> Try | None:
        tries = self.calls[task].tries
        return next(
            (each for each in reversed(tries) if each.attempt == attempt), tries[-1] if tries else None
        )

    def _started(self, record: stories.Started) -> None:
        found = self._try(record.task, record.attempt)
        if found is not None and not found.ended_at:
            found.begin(record.at)
            found.task.state = RUNNING

    def _finished(self, record: stories.Finished) -> None:
        found = self._try(record.task, record.attempt)
        if found is not None:
            found.site = record.site
            found.finish(record)
        self.calls[record.task].state = FINISHED

    def _failed(self, record: stories.Failed) -> None:
        self.failures.append(record)
        is_ignored = record.decision.startswith(_IGNORING)
        self.calls[record.task].state = IGNORED if is_ignored else FAILED
        found = self._try(record.task, record.attempt) if record.site else None
        if found is not None and not found.ended_at:
            found.end(record.at, FAILED, record.message, record.worker)

    def _cancelled(self, record: stories.Cancelled) -> None:
        call = self.calls[record.task]
        call.state = CANCELLED
        if call.last is not None and not call.last.ended_at:
            call.last.end(record.at, CANCELLED, record.reason)

    def extend_to(self, now: float) -> None:
        """The run goes on: what has no end goes on until now."""
        if self.begin_at:
            self.end_at = max(self.end_at, now)

    # ---- what can be asked ----

    @property
    def tries(self) -> list[Try]:
        """All tries that a site got, in the order of the calls."""
        return [each for call in self.calls.values() for each in call.tries]

    def tries_by_site(self) -> dict[str, list[Try]]:
        """Return the tries that each site got."""
        found: dict[str, list[Try]] = {name: [] for name in self.sites}
        for each in self.tries:
            found.setdefault(each.site, []).append(each)
        return found

    @property
    def took_s(self) -> float:
        """From the first record to the last."""
        return self.end_at - self.begin_at

    def producer_of(self, datum: str) -> int:
        """Return the task that wrote a datum; 0: none did."""
        return self._producers.get(datum, 0)

    def functions(self) -> dict[str, int]:
        """How many calls each function had, in the order of first calls."""
        counts: dict[str, int] = {}
        for call in self.calls.values():
            counts[call.function] = counts.get(call.function, 0) + 1
        return counts

    def critical_path(self) -> list[Call]:
        """Return the chain of tasks, first to last, that the end waited for.

        From the task that ended last back to whatever it waited for that ended last: a task whose output it
        read, or, if these were there when it was called, a task that the program waited for before the call.
        """
        done = [call for call in self.calls.values() if call.ended_at]
        if not done:
            return []
        path = [max(done, key=lambda call: (call.ended_at, call.id))]
        seen = {path[0].id}
        while (before := self._decisive(path[-1])) is not None and before.id not in seen:
            seen.add(before.id)
            path.append(before)
        return path[::-1]

    def _decisive(self, call: Call) -> Call | None:
        source = self._latest(call.sources)
        if source is None or source.ended_at <= call.called_at:
            return self._latest(call.woken_by) or source
        return source

    def _latest(self, tasks: Sequence[int]) -> Call | None:
        ended = [self.calls[task] for task in tasks if task in self.calls and self.calls[task].ended_at]
        return max(ended, key=lambda call: call.ended_at, default=None)


def lanes_of(tries: Iterable[Try], end_at: float) -> dict[tuple[str, str], list[Try]]:
    """Return tries that began, by site and worker, in order of time; without a worker: a row with room."""
    lanes: dict[tuple[str, str], list[Try]] = {}
    ordered = sorted((each for each in tries if each.started_at), key=lambda each: each.started_at)
    for each in ordered:
        if each.worker:
            lanes.setdefault((each.site, each.worker), []).append(each)
    free_at: dict[tuple[str, str], float] = {}
    for each in ordered:
        if not each.worker and each.outcome != CANCELLED:
            number = 1
            while free_at.get((each.site, f"~{number}"), 0.0) > each.started_at:
                number += 1
            free_at[each.site, f"~{number}"] = each.ended_at or end_at
            lanes.setdefault((each.site, f"~{number}"), []).append(each)
    return dict(sorted(lanes.items(), key=lambda item: _natural(item[0])))


def _natural(lane: tuple[str, str]) -> tuple[str, bool, int, str]:
    site, worker = lane
    number = "".join(filter(str.isdigit, worker))
    return site, worker.startswith("~"), int(number or 0), worker
