"""Tasks that update one variable in any order, one after the other: whoever is ready first goes first.

Each call makes a version from the version before, as an update in the order of the calls does; so there is a
chain of data, and each task has a turn: the link that it reads and the link that it writes. All that
commuting does is to exchange turns. If the task whose turn has come still waits for something else, it
exchanges with one that waits for nothing but its turn. So exclusion, versions, retries and recovery are those
of any update, and who reads the variable later reads the end of the chain, which holds all updates.

Tasks that update the same several variables have one chain with a link for each of them: they exchange all
their links at once. A task takes part in one chain only: with two, exchanging could make a circle, so tasks
that share but some of their variables keep the order of the calls. A turn is not exchanged any more once its
task has been placed; what runs again later runs in the order that it was.
"""

from collections import deque
from collections.abc import Sequence

from continuum.model.tasks import DatumState, Task, TaskState

_WAITING = TaskState.WAITING
_PENDING, _THERE = DatumState.PENDING, DatumState.READY


class Chain:
    """Tasks called one after the other that update the same variable, or variables, and commute.

    `variables` are their numbers, none as long as that does not matter.
    `head` is a task whose turn has come, but which waits for something else; `ready` wait for nothing but
    their turn. Both may be out of date: what they say is checked when it is used. `successor` is the chain of
    those called later, if none of them may go before the ones in this. `is_moved`: turns have been
    exchanged, so a link need not hold the updates that were called up to it (the last one holds all).
    """

    __slots__ = ("count", "head", "is_moved", "ready", "successor", "variables")

    def __init__(self, variables: frozenset[int] = frozenset()) -> None:
        self.variables = variables
        self.count = 0
        self.is_moved = False
        self.head: Task | None = None
        self.ready: deque[Task] = deque()
        self.successor: Chain | None = None


class Turn:
    """A task's place in a chain: which of its reads and of its writes are the links, one for each variable.

    `is_moved`: it has been exchanged, so the task writes another datum than its call was made with. `place`
    is as which of the chain's tasks it was called, from 1 on, `at` the place that it has now.
    """

    __slots__ = ("at", "chain", "is_moved", "is_open", "place", "reads", "writes")

    def __init__(self, chain: Chain, reads: tuple[int, ...], writes: tuple[int, ...]) -> None:
        self.chain = chain
        self.reads = reads
        self.writes = writes
        self.place = self.at = 0
        self.is_open = True
        self.is_moved = False


def choose_chain(latest: Sequence[Chain | None], variables: frozenset[int]) -> Chain:
    """Return the chain of a call that updates `variables`, whose latest chains are these: the one that they
    all are if it is of just these variables, else a new one, which begins where those end.
    """
    chain = latest[0]
    is_one = chain is not None and chain.variables == variables and all(each is chain for each in latest)
    return chain if chain is not None and is_one else Chain(variables)


def join_chain(task: Task) -> None:
    """The program called `task`: it takes its place behind all that has been called before."""
    turn: Turn = task.commuting
    turn.chain = _last(turn.chain)
    turn.chain.count += 1
    turn.place = turn.at = turn.chain.count


def cut_chain(task: Task) -> None:
    """The update of `task` is there already, with those called before: no later one may go before it."""
    turn: Turn = task.commuting
    turn.is_open = False
    _last(turn.chain).successor = Chain()


def _last(chain: Chain) -> Chain:
    while chain.successor is not None:
        chain = chain.successor
    return chain


def exchange_turns(task: Task) -> Task | None:
    """`task` waits for less than before: exchange turns if that lets some task run, and return that one."""
    turn: Turn = task.commuting
    if not turn.is_open:
        return None
    chain = turn.chain
    if _has_turn(task):
        chain.head = task
    elif _waits_for_turn_alone(task):
        chain.ready.append(task)
    else:
        return None
    return _exchange_in(chain)


def _exchange_in(chain: Chain) -> Task | None:
    head = chain.head
    if head is None or not _may_move(head) or not _has_turn(head):
        chain.head = None
        return None
    while chain.ready:
        other = chain.ready.popleft()
        if _may_move(other) and _waits_for_turn_alone(other):
            _exchange(head, other)
            chain.head = None
            return other
    return None


def _may_move(task: Task) -> bool:
    return task.state is _WAITING and task.commuting.is_open


def _has_turn(task: Task) -> bool:
    turn: Turn = task.commuting
    return all(task.reads[link].state is _THERE for link in turn.reads)


def _waits_for_turn_alone(task: Task) -> bool:
    turn: Turn = task.commuting
    is_due = all(task.reads[link].state is _PENDING for link in turn.reads)
    return is_due and task.missing == len(turn.reads)


def _exchange(head: Task, other: Task) -> None:
    """Give `other`, which waits for its turn alone, the turn of `head`, which has come."""
    first, second = head.commuting, other.commuting
    for mine, its in zip(first.reads, second.reads, strict=True):
        come, due = head.reads[mine], other.reads[its]
        head.reads[mine], other.reads[its] = due, come  # type: ignore[index]  # lists, for these
        due.waiting[due.waiting.index(other)] = head
        head.missing += 1
        other.missing -= 1
    for mine, its in zip(first.writes, second.writes, strict=True):
        early, late = head.writes[mine], other.writes[its]
        head.writes[mine], other.writes[its] = late, early  # type: ignore[index]
        early.producer, late.producer = other, head
    first.at, second.at = second.at, first.at
    first.is_moved = second.is_moved = first.chain.is_moved = True
