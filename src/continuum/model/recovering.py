"""Waiting for data, losing them and making them again: the middle layer of `graph`."""

from collections.abc import Sequence

from continuum.model import stories
from continuum.model.settling import Settlement
from continuum.model.tasks import Datum, DatumState, Problem, Task, TaskState

MAX_RECOVERIES = 5
_WAITING, _READY = TaskState.WAITING, TaskState.READY
_PENDING, _THERE = DatumState.PENDING, DatumState.READY
_DROPPED, _BROKEN = DatumState.DROPPED, DatumState.FAILED
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
        gone = {datum.id for datum in data if datum.state is _THERE and not datum.is_available}
        if not gone:
            return
        for datum in data:
            if datum.id in gone:
                datum.state = _DROPPED
        for task in list(self.tasks.values()):
            if task.state in _BEFORE_SITE and any(read.source.id in gone for read in task.reads):
                for read in task.reads:
                    if read.source.id in gone and read.state is _THERE:
                        read.state = _DROPPED
                self._again(task, at)

    def _recover(self, datum: Datum, reason: str, at: float) -> None:
        """Run producers again, as far back as needed."""
        wanted = [(datum, reason)]
        while wanted:
            lost, reason = wanted.pop()
            if lost.state is not _DROPPED:
                continue
            producer = lost.producer
            if producer is None and lost.origin is not None:
                lost.state = _PENDING
                self.commands.supply.append(lost)
            elif producer is None or producer.recoveries >= MAX_RECOVERIES:
                self._unrecoverable(lost, producer, at)
            else:
                lost.state = _PENDING
                if producer.id not in self.tasks:
                    wanted += self._repeat(producer, lost, reason, at)

    def _repeat(self, task: Task, lost: Datum, reason: str, at: float) -> list[tuple[Datum, str]]:
        _detach(task)
        task.recoveries += 1
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
        problem = Problem(
            task_id=producer.id if producer else 0,
            function=producer.function if producer else "main program",
            kind="input_lost",
            message=f"datum {datum.id} is lost and cannot be made again: {why}",
        )
        self._note_missing(datum, problem)
        self._fail_data([datum], problem, at)


def _detach(task: Task) -> None:
    """Take a task out of every list in which it waits."""
    for read in task.reads:
        for queue in (read.waiting, read.source.awaiting):
            while task in queue:
                queue.remove(task)
    for other in task.after:
        while other.followers and task in other.followers:
            other.followers.remove(task)
