"""What a site keeps of a run whose driver has died, for the one that resumes it.

A driver that dies says nothing. Its sites go on for `RunSpec.hold_s`: tasks that run are finished, and
results stay where they are. When the run is opened again by a later driver (a higher incarnation, the same
program), the site tells what it holds: the data that lie there, and the tasks that it has, by the names of
their calls (`Task.key`), because the new driver numbers its own anew. A call that the new driver hands to the
site, and that it has already, is not executed: it is answered with what the earlier one gave, or will give.

Tasks are numbered by their driver; inside a site the numbers of a later driver are shifted, so that they are
nobody else's. Whatever is told of a task that the present driver has not asked for stays here.

What it does not promise: that everything is held. Of finished tasks the last `MOST_FINISHED` are known;
others are executed again, unless the driver's own memory has them. Nothing outlives the agent.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from continuum.workflow.messages import Event, TaskFailed, TaskFinished, TaskSpec, TaskStarted

MOST_FINISHED = 4096
_SHIFT_BITS = 40


class HeldTask(msgspec.Struct, frozen=True, array_like=True):
    """A call that a site has, and the data that it writes there, in their order."""

    key: bytes
    outputs: tuple[str, ...]


class Held(msgspec.Struct, frozen=True):
    """All that a site holds of a run."""

    data: frozenset[str] = frozenset()
    tasks: Mapping[bytes, tuple[str, ...]] = {}


class _Entry(msgspec.Struct):
    """A task at the site. `asked`: its number and try as the present driver knows it, if that has asked."""

    number: int
    held: HeldTask
    answer: TaskFinished | None = None
    asked: tuple[int, int] | None = None


class Ledger:
    """The tasks of one run at one site. Hold `lock` to call anything."""

    def __init__(self, incarnation: int) -> None:
        self.lock = threading.Lock()
        self._incarnation = incarnation
        self._unfinished: dict[int, _Entry] = {}  # by number
        self._finished: OrderedDict[bytes, _Entry] = OrderedDict()
        self._before: dict[bytes, _Entry] = {}  # of earlier drivers, and not asked for
        self._asked: dict[int, int] = {}  # the numbers of those that were, by the driver's

    def pass_on(self, incarnation: int, has: Callable[[str], bool]) -> list[HeldTask]:
        """A later driver takes over: return what it may ask for. `has` tells whether a datum is here."""
        self._incarnation = incarnation
        self._before |= self._finished | {each.held.key: each for each in self._unfinished.values()}
        self._finished.clear()
        self._asked.clear()
        for entry in self._before.values():
            entry.asked = None
        self._before = {key: each for key, each in self._before.items() if _is_whole(each, has)}
        return [each.held for each in self._before.values()]

    def take(self, task: TaskSpec) -> tuple[TaskSpec | None, TaskFinished | None]:
        """The driver hands over a task: return it as it is to be executed, or what is to be told instead.

        Neither: it is being executed.
        """
        if task.key and task.attempt == 1:
            entry = self._before.pop(task.key, None)
            if entry is not None and entry.held == _held_of(task):
                return None, self._ask(entry, task)
        number = task.task_id + (self._incarnation << _SHIFT_BITS)
        if task.key:
            self._unfinished[number] = _Entry(number, _held_of(task))
        return task if number == task.task_id else msgspec.structs.replace(task, task_id=number), None

    def _ask(self, entry: _Entry, task: TaskSpec) -> TaskFinished | None:
        if entry.answer is not None:
            self._keep(entry)
            return msgspec.structs.replace(entry.answer, task_id=task.task_id, attempt=task.attempt)
        entry.asked = task.task_id, task.attempt
        self._asked[task.task_id] = entry.number
        return None

    def numbers_of(self, task_ids: Sequence[int]) -> list[int]:
        """Return what tasks of the present driver are called here."""
        shift = self._incarnation << _SHIFT_BITS
        return [self._asked.get(task_id, task_id + shift) for task_id in task_ids]

    def tell(self, events: Sequence[Event]) -> list[Event]:
        """Return what the driver is told of these, in its own numbers; and remember what has finished."""
        told = [self._translate(event) for event in events]
        return [event for event in told if event is not None]

    def _translate(self, event: Event) -> Event | None:
        if not isinstance(event, TaskFinished | TaskFailed | TaskStarted):
            return event
        number = event.task_id
        is_end = not isinstance(event, TaskStarted)
        entry = self._unfinished.pop(number, None) if is_end else self._unfinished.get(number)
        if entry is not None and is_end:
            self._settle(entry, event)
        if number >> _SHIFT_BITS == self._incarnation:
            own = number - (self._incarnation << _SHIFT_BITS)
            return event if own == number else msgspec.structs.replace(event, task_id=own)
        if entry is None or entry.asked is None:
            return None
        return msgspec.structs.replace(event, task_id=entry.asked[0], attempt=entry.asked[1])

    def _settle(self, entry: _Entry, event: Event) -> None:
        key = entry.held.key
        if not isinstance(event, TaskFinished):
            if self._before.get(key) is entry:
                del self._before[key]
            return
        entry.answer = event
        if self._before.get(key) is not entry:
            self._keep(entry)

    def _keep(self, entry: _Entry) -> None:
        self._finished[entry.held.key] = entry
        if len(self._finished) > MOST_FINISHED:
            self._finished.popitem(last=False)


def _held_of(task: TaskSpec) -> HeldTask:
    return HeldTask(task.key, tuple([output.datum for output in task.outputs]))


def _is_whole(entry: _Entry, has: Callable[[str], bool]) -> bool:
    if entry.answer is None:
        return True
    return all(output.inline is not None or has(output.datum) for output in entry.answer.outputs)
