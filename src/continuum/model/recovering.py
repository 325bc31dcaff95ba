"""Waiting for data, losing them and making them again: the middle layer of `graph`.

What a task that ended without a result would have updated is what it was before (`Datum.same_as`): if that is
lost, both are. A task that has finished is run again only for its data: it makes them again or they cannot be
had, but it does not leave them as they were before, for others have seen what it made of them.
"""

from collections.abc import Sequence

from continuum.model import stories
from continuum.model.settling import Settlement
from continuum.model.tasks import Datum, DatumState, Problem, Task, TaskState

MAX_RECOVERIES = 5
_WAITING, _READY = TaskState.WAITING, TaskState.READY
_PENDING, _THERE = DatumState.PENDING, DatumState.READY
_DROPPED, _BROKEN = DatumState.DROPPED, DatumState.FAILED
_WITHOUT_RESULT = frozenset((TaskState.IGNORED, TaskState.CANCELLED, TaskState.FAILED))
_BEFORE_SITE = frozenset((TaskState.WAITING, TaskState.READY, TaskState.MOVING))


class Recovery(Settlement):
    """A settlement that can make lost data again by running their producers again."""

    def _await_inputs(self, task: Task, at: float) -> None:
        missing = 0
        odd: list[Datum] | None = None
        for datum in task.reads:
            if datum.state is not _THERE:
                datum.waiting.append(task)
                missing += 1
                if datum.state is not _PENDING:
                    odd = [*odd, datum] if odd else [datum]
        for other in task.after:
            if other.id in self.tasks:
                other.followers = [*(other.followers or ()), task]
                missing += 1
        task.missing = missing
        if not missing:
            self._move(task, _READY)
            self.commands.place.append(task)
            if task.commuting is not None:
                task.commuting.is_open = False
        elif odd:
            self._await_odd(task, odd, at)

    def _await_odd(self, task: Task, odd: list[Datum], at: float) -> None:
        for datum in odd:
            if datum.state is _BROKEN and task.id in self.tasks:
                self._cancel_for(task, datum, at)
            elif datum.state is _DROPPED:
                self._recover(datum, f"task {task.id} needs it", at)

    def _again(self, task: Task, at: float) -> None:
        """Back to the start, in whatever state of waiting or placement it was."""
        _detach(task)
        task.site = ""
        self._move(task, _WAITING)
        self._await_inputs(task, at)

    def _publish(self, datum: Datum) -> None:
        if not datum.publishing:
            datum.publishing = datum.sites[0]
            self.commands.publish.append((datum.publishing, datum))

    def _forget(self, datum: Datum, site: str) -> None:
        datum.sites = tuple(name for name in datum.sites if name != site)
        if datum.publishing == site:
            datum.publishing = ""
            if datum.sites and datum.published is None and datum.awaiting:
                self._publish(datum)

    def _strand(self, data: Sequence[Datum], at: float) -> None:
        """See what follows for who waits if the last place of some of `data` is gone."""
        gone = {datum.id: datum for datum in data if datum.state is _THERE and not datum.is_available}
        if not gone:
            return
        for name in list(gone):
            gone.update((heir.id, heir) for heir in self.heirs.get(name, ()) if heir.state is _THERE)
        for datum in gone.values():
            datum.state = _DROPPED
        stranded = [
            task
            for task in self.tasks.values()
            if task.state in _BEFORE_SITE and any(read.id in gone for read in task.reads)
        ]
        for task in stranded:
            _detach(task)  # all of them, before any of these data begins to be made again
        for task in stranded:
            if task.id in self.tasks:
                self._again(task, at)

    def _recover(self, datum: Datum, reason: str, at: float) -> None:
        """Run producers again, as far back as needed."""
        wanted = [(datum, reason)]
        heirs = []
        while wanted:
            lost, reason = wanted.pop()
            if lost.state is not _DROPPED:
                continue
            producer = lost.producer
            if lost.same_as is not None or _left_as_it_was(lost):
                lost.state = _PENDING
                root = self._find_root(lost)
                heirs.append((lost, root))
                wanted.append((root, reason))
            elif producer is None and lost.origin is not None:
                lost.state = _PENDING
                self.stored[lost.id] = lost
                self.commands.supply.append(lost)
            elif producer is None or producer.recoveries >= MAX_RECOVERIES:
                self._unrecoverable(lost, producer, at)
            else:
                lost.state = _PENDING
                if producer.id not in self.tasks:
                    wanted += self._repeat(producer, lost, reason, at)
        for lost, root in heirs:
            self._inherit(lost, root, at)

    def _find_root(self, datum: Datum) -> Datum:
        """Return of which datum this one is the same, and hold that."""
        if datum.same_as is not None:
            return self._part(datum)
        root = datum.previous
        while root is not None and root.state is _DROPPED and root.same_as is None and _left_as_it_was(root):
            root = root.previous
        assert root is not None  # `_left_as_it_was` says so  # noqa: S101
        root.holders += 1
        return root

    def _inherit(self, datum: Datum, previous: Datum, at: float) -> None:
        """Let `datum` be what `previous` is, as soon as that is known; `previous` is held until then."""
        if previous.state is _DROPPED:
            self._recover(previous, f"{datum.id} is what it was before a task without a result", at)
        if previous.state is _PENDING:
            previous.watchers.append(_Heir(self, datum, previous, at))
            return
        if previous.state is _BROKEN:
            assert previous.problem is not None  # a failed datum says why  # noqa: S101
            self._fail_data([datum], previous.problem, at)
        elif datum.state is _PENDING:
            source = datum.same_as = previous.source
            source.holders += 1
            self.heirs.setdefault(source.id, {})[datum] = None
            datum.inline = source.inline
            datum.size_bytes = source.size_bytes
            self._there(datum)
            if not datum.holders and not datum.readers:
                self._drop(datum)
        self.release(previous)

    def _ignore(self, task: Task, at: float) -> None:
        """Go on without what a task would have made: with defaults, or with what was there before."""
        defaults = task.defaults or {}
        updated = []
        for index, datum in enumerate(task.writes):
            if datum.state is _THERE:
                continue
            if index in defaults or datum.previous is None:
                datum.inline = defaults.get(index, b"")
                datum.size_bytes = len(datum.inline)
                self._there(datum)
            elif datum.state is _PENDING:
                updated.append((datum, datum.previous))
                datum.previous.holders += 1  # settling the task may make it the last reader
        self._settle(task, TaskState.IGNORED)
        for datum, previous in updated:
            self._inherit(datum, previous, at)

    def _repeat(self, task: Task, lost: Datum, reason: str, at: float) -> list[tuple[Datum, str]]:
        _detach(task)
        task.recoveries += 1
        task.failures = 0
        self.commands.records.append(stories.Repeated(at=at, task=task.id, datum=lost.id, reason=reason))
        self.tasks[task.id] = task
        self._move(task, _WAITING)
        wanted = []
        missing = 0
        for datum in task.reads:
            datum.readers += 1
            if datum.state is not _THERE:
                datum.waiting.append(task)
                missing += 1
                if datum.state is _DROPPED:
                    wanted.append((datum, f"task {task.id} needs it again"))
        task.missing = missing
        broken = next((datum for datum in task.reads if datum.state is _BROKEN), None)
        if broken is not None:
            self._cancel_for(task, broken, at)
            return []
        if not missing:
            self._move(task, _READY)
            self.commands.place.append(task)
        return wanted

    def _unrecoverable(self, datum: Datum, producer: Task | None, at: float) -> None:
        why = (
            "it came from the main program, which does not have it any more"
            if producer is None
            else f"task {producer.id} ({producer.function}) was run again {MAX_RECOVERIES} times already"
        )
        if datum.id in self.troubles:
            why += f"; what was said last: {self.troubles[datum.id]}"
        problem = Problem(
            task_id=producer.id if producer else 0,
            function=producer.function if producer else "main program",
            kind="input_lost",
            message=f"datum {datum.id} is lost and cannot be made again: {why}",
        )
        self._note_missing(datum, problem)
        self._fail_data([datum], problem, at)


class _Heir:
    """Waits, as a watcher of `previous`, for what `datum` is going to be."""

    __slots__ = ("_at", "_graph", "_previous", "datum")

    def __init__(self, graph: Recovery, datum: Datum, previous: Datum, at: float) -> None:
        self._graph = graph
        self.datum = datum
        self._previous = previous
        self._at = at

    def one_less(self) -> None:
        """`previous` is settled."""
        self._graph._inherit(self.datum, self._previous, self._at)  # noqa: SLF001 - a part of it


def _left_as_it_was(datum: Datum) -> bool:
    """Whether the task that would have updated it ended without a result."""
    producer = datum.producer
    return (
        producer is not None
        and datum.previous is not None
        and producer.state in _WITHOUT_RESULT
        and not producer.recoveries
    )


def _detach(task: Task) -> None:
    """Take a task out of every list in which it waits."""
    for read in task.reads:
        for queue in (read.waiting, read.source.awaiting):
            while task in queue:
                queue.remove(task)
    for other in task.after:
        while other.followers and task in other.followers:
            other.followers.remove(task)
