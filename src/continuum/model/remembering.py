"""Tasks that an earlier driver of the same run saw finish: they are done, whatever is left of their data.

What is left of an output is inline, an object, or at a site that kept it; an output of which nothing is left
counts as dropped. So nothing runs again unless somebody needs it, and then only what it needs: the same
recovery that a lost site sets off (`recovering`).
"""

from collections.abc import Sequence
from typing import Any, Protocol

from continuum.model import stories
from continuum.model.commuting import cut_chain
from continuum.model.recovering import Recovery
from continuum.model.tasks import Datum, DatumState, Task, TaskState

_PENDING, _THERE, _DROPPED = DatumState.PENDING, DatumState.READY, DatumState.DROPPED


class KeptDatum(Protocol):
    """What is left of an output of a task that has finished before."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def inline(self) -> bytes | None:
        """Its bytes, if small."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Where it lies in the run's data."""

    @property
    def published(self) -> Any:
        """The name of the object that it is, or None."""


class Remembrance(Recovery):
    """A recovery that can be told of tasks that have finished before."""

    def remember(
        self, task: Task, kept: Sequence[KeptDatum], at: float, *, call: str = "", group: str = ""
    ) -> None:
        """The program called a task that is done already; `kept` is what is left of each of its outputs."""
        counts = self.counts.setdefault(task.function, dict.fromkeys(TaskState, 0))
        counts[TaskState.FINISHED] += 1
        task.state = TaskState.FINISHED
        if task.commuting is not None:
            cut_chain(task)
        self._record_submission(task, at, call, group)
        self.commands.records.append(stories.Remembered(at=at, task=task.id))
        self.commands.settled.append(task)
        for datum, left in zip(task.writes, kept, strict=True):
            datum.producer = task
            self._find_again(datum, left)

    def _find_again(self, datum: Datum, left: KeptDatum) -> None:
        datum.size_bytes = left.size_bytes
        datum.inline, datum.sites, datum.published = left.inline, left.sites, left.published
        if not datum.is_available:
            datum.state = _DROPPED
            return
        if left.inline is None:
            self.stored[datum.id] = datum
        datum.state = _THERE
        if not datum.holders and not datum.readers:
            self._drop(datum)

    def _record_submission(self, task: Task, at: float, call: str, group: str) -> None:
        waits_for = [
            datum.producer.id
            for datum in task.reads
            if datum.state is _PENDING and datum.producer is not None
        ]
        waits_for += [other.id for other in task.after if other.id in self.tasks]
        self.commands.records.append(
            stories.Submitted(
                at=at,
                task=task.id,
                function=task.function,
                reads=tuple([datum.id for datum in task.reads]),
                writes=tuple([datum.id for datum in task.writes]),
                waits_for=tuple(sorted(set(waits_for))) if waits_for else (),
                call=call,
                group=group,
                units=task.needs.computing_units,
            )
        )
