"""Tasks that update one variable in any order, one after the other: whoever is ready first goes first.

Each call makes a version from the version before, as an update in the order of the calls does; so there is a
chain of data, and each task has a turn: the link that it reads and the link that it writes. All that
commuting does is to exchange turns. If the task whose turn has come still waits for something else, it
exchanges with one that waits for nothing but its turn. So exclusion, versions, retries and recovery are those
of any update, and who reads the variable later reads the end of the chain, which holds all updates.

A task takes part in one chain only: with two, exchanging could make a circle. A turn is not exchanged any
more once its task has been placed; what runs again later runs in the order that it was.
"""

from collections import deque

from continuum.model.tasks import Datum, DatumState, Task, TaskState

_WAITING = TaskState.WAITING
_PENDING, _THERE = DatumState.PENDING, DatumState.READY


class Chain:
    """Tasks called one after the other that update the same variable and commute.

    `head` is a task whose turn has come, but which waits for something else; `ready` wait for nothing but
    their turn. Both may be out of date: what they say is checked when it is used. `successor` is the chain of
    those called later, if none of them may go before the ones in this. `is_moved`: turns have been
    exchanged, so a link need not hold the updates that were called up to it (the last one holds all).
    """

    __slots__ = ("head", "is_moved", "ready", "successor")

    def __init__(self) -> None:
        self.is_moved = False
        self.head: Task | None = None
        self.ready: deque[Task] = deque()
        self.successor: Chain | None = None


class Turn:
    """A task's place in a chain: which of its reads and of its writes are the links.

    `is_moved`: it has been exchanged, so the task writes another datum than its call was made with.
    """

    __slots__ = ("chain", "is_moved", "is_open", "read", "write")

    def __init__(self, chain: Chain, read: int, write: int) -> None:
        self.chain = chain
        self.read = read
        self.write = write
        self.is_open = True
        self.is_moved = False


def join_chain(task: Task) -> None:
    """The program called `task`: it takes its place behind all that has been called before."""
    turn: Turn = task.commuting
    turn.chain = _last(turn.chain)


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
    if _link(task).state is _THERE:
        chain.head = task
    elif task.missing == 1 and _link(task).state is _PENDING:
        chain.ready.append(task)
    else:
        return None
    return _exchange_in(chain)


def _exchange_in(chain: Chain) -> Task | None:
    head = chain.head
    if head is None or not _may_move(head) or _link(head).state is not _THERE:
        chain.head = None
        return None
    while chain.ready:
        other = chain.ready.popleft()
        if _may_move(other) and other.missing == 1 and _link(other).state is _PENDING:
            _exchange(head, other)
            chain.head = None
            return other
    return None


def _may_move(task: Task) -> bool:
    return task.state is _WAITING and task.commuting.is_open


def _link(task: Task) -> Datum:
    turn: Turn = task.commuting
    return task.reads[turn.read]


def _exchange(head: Task, other: Task) -> None:
    """Give `other`, which waits for its turn alone, the turn of `head`, which has come."""
    first, second = head.commuting, other.commuting
    come, due = _link(head), _link(other)
    head.reads[first.read], other.reads[second.read] = due, come  # type: ignore[index]  # lists, for these
    due.waiting[due.waiting.index(other)] = head
    head.missing += 1
    other.missing -= 1
    early, late = head.writes[first.write], other.writes[second.write]
    head.writes[first.write], other.writes[second.write] = late, early  # type: ignore[index]
    early.producer, late.producer = other, head
    first.is_moved = second.is_moved = first.chain.is_moved = True
