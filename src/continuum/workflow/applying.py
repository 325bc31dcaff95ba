"""In which order tasks that commute were applied, and what of that can be remembered.

Tasks of a chain may exchange their turns (`model.commuting`): a link then holds other updates than the calls
up to it would have made. But as soon as the tasks that have been applied are just the first ones that were
called, the last link holds what these calls make in any order. Then they are remembered together: the last
that was called with that link, the others with nothing of the links before, which nobody can read.
"""

from collections.abc import Callable, Sequence

from continuum.model.commuting import Chain, Turn
from continuum.model.tasks import Datum, Task, TaskState
from continuum.workflow.memories import Done, Kept


class _Applied:
    """`tasks` were applied since the first `known` ones; `latest` is the place of the one called last."""

    __slots__ = ("chain", "is_spoilt", "known", "latest", "tasks")

    def __init__(self, chain: Chain) -> None:
        self.chain = chain  # so that nobody else has its id
        self.tasks: list[Task] = []
        self.known = self.latest = 0
        self.is_spoilt = False


class Orders:
    """The chains of a run. `keep` says what there is of a datum that a task wrote."""

    def __init__(self, keep: Callable[[Datum], Kept]) -> None:
        self._keep = keep
        self._chains: dict[int, _Applied] = {}

    def settled(self, task: Task) -> Sequence[Done]:
        """A task that commutes has ended: return what can be remembered now."""
        turn: Turn = task.commuting
        applied = self._chains.get(id(turn.chain))
        if applied is None:
            applied = self._chains[id(turn.chain)] = _Applied(turn.chain)
        if turn.at != applied.known + len(applied.tasks) + 1:
            return ()  # it was made again
        applied.tasks.append(task)
        applied.latest = max(applied.latest, turn.place)
        if task.state is not TaskState.FINISHED:
            applied.is_spoilt = True
        if applied.is_spoilt or applied.latest != turn.at:
            return ()
        tasks, applied.tasks, applied.known = applied.tasks, [], turn.at
        at = {each.commuting.at: each for each in tasks}
        return [Done(each.key, self._outputs_of(each, at, task)) for each in tasks]

    def _outputs_of(self, task: Task, at: dict[int, Task], last: Task) -> tuple[Kept, ...]:
        """Return what is left of what a call writes: its link is the one at its own place."""
        turn: Turn = task.commuting
        other = at[turn.place]
        links = dict(zip(turn.writes, other.commuting.writes, strict=True))
        kept = []
        for index, datum in enumerate(task.writes):
            if index not in links:
                kept.append(self._keep(datum))
                continue
            link = other.writes[links[index]]
            kept.append(self._keep(link) if other is last else Kept(link.id, 0))
        return tuple(kept)
