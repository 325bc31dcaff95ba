"""What a call does with the parameters that it does not plainly read: which versions it takes and makes.

Decided at the time of the call, in the order of the calls: a parameter that is only read becomes the slot of
its newest version; one that is written is noted as a `Writing`, and gets its new version when the call is
frozen. Elements of collections and dictionaries are parameters of their own, named by their path.

An element that nothing else can stand for (a number, `None`, a tuple, a fresh `object()`) has no identity of
its own: in the program's list or dict a future takes its place when a task writes it, as if the task had
returned it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from continuum.model.commuting import Chain, Turn, choose_chain
from continuum.model.tasks import Datum, Task
from continuum.workflow.capturing import ATOMIC, Capture, Slot, newest
from continuum.workflow.directions import Access, Direction
from continuum.workflow.filing import Files
from continuum.workflow.futures import Future, Variable
from continuum.workflow.holdings import Holdings
from continuum.workflow.packing import EMPTY, pack_to_bytes
from continuum.workflow.programming import TaskFunction
from continuum.workflow.serialising import dumps
from continuum.workflow.sharing import Sharing

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Place = tuple[int, ...]

_VALUES = frozenset((tuple, frozenset))
_CONTAINERS = (list, tuple, dict)
_REFERENCES_OF_EXCLUSIVE = 3  # its container, the variable that looks at it, and the call that counts


class Writing:
    """A write of a call, to be given its version once the call is frozen.

    `chain` are the calls with which it may change places, if the order of the updates does not matter.
    `element` is the path of the element that is written, if it is not the whole parameter. `before` is the
    version that it updates, `default` what stands for it if a failure is ignored, `vessel` the copy of the
    program's object that an OUT parameter fills; `is_there`: a directory that the task finds there, empty;
    `is_shared`: others update the same version at the same time.
    """

    __slots__ = (
        "before",
        "chain",
        "default",
        "direction",
        "element",
        "is_shared",
        "is_there",
        "name",
        "parameter",
        "superseded",
        "variable",
        "vessel",
    )

    def __init__(
        self,
        variable: Variable,
        parameter: str,
        direction: Direction,
        *,
        element: Place = (),
        name: str = "",
        before: Datum | None = None,
        default: bytes | None = None,
        vessel: Datum | None = None,
        chain: Chain | None = None,
        is_there: bool = False,
        is_shared: bool = False,
    ) -> None:
        self.is_shared = is_shared
        self.chain = chain
        self.is_there = is_there
        self.vessel = vessel
        self.superseded: Datum | None = None
        self.variable = variable
        self.parameter = parameter
        self.direction = direction
        self.element = element
        self.name = name
        self.before = before
        self.default = default


class Use(NamedTuple):
    """A parameter, or the element of it at `path`, and how it is used."""

    parameter: str
    direction: Direction
    path: Place = ()

    def element(self, position: int) -> "Use":
        """Return the use of one element."""
        return Use(self.parameter, self.direction, (*self.path, position))


class Parameters:
    """Looks at the parameters of one call. `writings` are what it will write; `settle` ends it."""

    __slots__ = ("_after", "_capture", "_files", "_holdings", "_share", "writings")

    def __init__(
        self, holdings: Holdings, files: Files, capture: Capture, share: Callable[[Datum], Sharing]
    ) -> None:
        self._share = share
        self._holdings = holdings
        self._files = files
        self._capture = capture
        self._after: list[Callable[[], object]] = []
        self.writings: list[Writing] = []

    def direct(self, function: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Return the arguments with slots where the versions that the call takes belong."""
        given, named = list(args), dict(kwargs)
        for parameter, direction in function.directions.items():
            use = Use(parameter, direction)
            if parameter == function.varargs:
                first = len(function.parameters)
                for position in range(first, len(given)):
                    given[position] = self._use(use.element(position - first), given[position])
            elif parameter == function.keywords:
                for name in sorted(named.keys() - function.directions.keys() - function.names):
                    named[name] = self._use(Use(name, direction), named[name])
            else:
                self._use_named(function, use, given, named)
        return tuple(given), named

    def _use_named(self, function: TaskFunction, use: Use, given: list[Any], named: dict[str, Any]) -> None:
        name = use.parameter
        position = function.parameters.index(name) if name in function.parameters else len(given)
        if position < len(given):
            given[position] = self._use(use, given[position])
        elif name in named or name in function.defaults:
            named[name] = self._use(use, named.get(name, function.defaults.get(name)))

    def give_turn(self, task: Task) -> None:
        """Let a task that updates variables in any order take its turn among others that update the same."""
        found = [(each, index) for index, each in enumerate(self.writings) if each.chain is not None]
        if not found:
            return
        found.sort(key=lambda entry: entry[0].variable.number)  # so that links stand in the same order in all
        variables = frozenset(each.variable.number for each, _ in found)
        if len(variables) < len(found):
            return  # one variable twice: there is no one link of it
        chain = choose_chain([each.chain for each, _ in found], variables)
        reads = tuple(task.reads.index(each.before) for each, _ in found if each.before is not None)
        task.commuting = Turn(chain, reads, tuple(index for _, index in found))
        for each, _ in found:
            each.variable.chain = chain

    def settle(self) -> None:
        """The call has become a task: do what follows for the program's own things."""
        for act in self._after:
            act()

    def _use(self, use: Use, value: Any) -> Any:
        if use.direction.is_collection:
            return self._use_collection(use, value, use.direction.depth)
        return self._use_one(use, value)

    def _use_one(self, use: Use, value: Any) -> Any:
        return self._use_file(use, value) if use.direction.is_file else self._use_object(use, value)

    # ---- collections ----

    def _use_collection(self, use: Use, value: Any, depth: int) -> Any:
        is_whole = not isinstance(value, _CONTAINERS) or self._holdings.find_variable(value) is not None
        if is_whole or (depth <= 0 and not use.direction.is_file):  # lists of paths may nest as they like
            return self._use_one(use, value)
        keys = list(value) if isinstance(value, dict) else range(len(value))
        items = [
            self._use_item(use.element(position), value, key, depth) for position, key in enumerate(keys)
        ]
        if isinstance(value, dict):
            return dict(zip(keys, items, strict=True))
        if hasattr(value, "_fields"):
            return type(value)(*items)
        return tuple(items) if isinstance(value, tuple) else items

    def _use_item(self, use: Use, container: Any, key: Any, depth: int) -> Any:
        value = container[key]
        if (
            use.direction.access is not Access.READ
            and not use.direction.is_file
            and isinstance(container, list | dict)
            and (depth == 1 or not isinstance(value, _CONTAINERS))
            and self._has_no_identity(value)
            and (type(value) is not object or sys.getrefcount(value) <= _REFERENCES_OF_EXCLUSIVE)
        ):
            return self._replace_by_future(use, container, key)
        return self._use_collection(use, value, depth - 1)

    def _has_no_identity(self, value: Any) -> bool:
        kind = type(value)
        if kind in ATOMIC or isinstance(value, type) or kind in _VALUES:
            return True
        return kind is object and self._holdings.find_variable(value) is None

    def _replace_by_future(self, use: Use, container: Any, key: Any) -> Any:
        value = container[key]
        variable = self._holdings.new_variable()
        future: Future[Any] = Future(variable, self._holdings.release)
        self._after.append(lambda: container.__setitem__(key, future))
        default = dumps(None if self._holdings.is_mixed(value) else value)
        self._note(use, variable, default=default)
        return value

    def _note(self, use: Use, variable: Variable, **options: Any) -> None:
        self.writings.append(Writing(variable, use.parameter, use.direction, element=use.path, **options))

    # ---- objects ----

    def _use_object(self, use: Use, value: Any) -> Any:
        if type(value) in ATOMIC or isinstance(value, type):
            return value  # nothing that a task could change for the program
        if use.direction.is_deleted:
            self._after.append(lambda: self._holdings.delete(value))
            return value
        variable = self._holdings.find_variable(value)
        if variable is None and self._holdings.is_mixed(value):
            return self._use_mixed(use, value)
        variable = variable or self._holdings.adopt(value)
        if self._is_shared(use, variable):
            return self._use_shared(use, variable, lambda: newest(variable))
        end, chain = variable.datum, variable.chain
        before = newest(variable)
        if use.direction.access is Access.WRITE and self._is_vessel(use, value):
            before = self._holdings.make_base(value)
            self._note(use, variable, vessel=before, default=dumps(value))
        else:
            self._note(use, variable, before=before, chain=_chain(use, chain if before is end else None))
        return Slot(self._capture.slot(before))

    def _is_shared(self, use: Use, variable: Variable) -> bool:
        """Whether calls need not wait for each other: for things of their own, no elements, given once."""
        is_given_twice = any(each.variable is variable for each in self.writings)
        return use.direction.is_concurrent and not use.path and not is_given_twice

    def _use_shared(self, use: Use, variable: Variable, find: Callable[[], Datum], name: str = "") -> Slot:
        if variable.sharing is None:
            variable.sharing = self._share(find())
        before = variable.sharing.base
        self._note(use, variable, name=name, before=before, is_shared=True)
        return Slot(self._capture.slot(before))

    def _is_vessel(self, use: Use, value: Any) -> bool:
        """Whether what the program has in its hands will do for a task to fill.

        A collection has the form that tasks gave it, so it is none if it is known as a whole.
        """
        is_known = use.direction.is_collection and isinstance(value, _CONTAINERS) and not use.path
        return not (type(value) is Future or is_known or self._holdings.is_mixed(value))

    def _use_mixed(self, use: Use, value: Any) -> Any:
        """Write as a whole what has variables inside: the version before is only made where the task runs."""
        variable = self._holdings.new_variable()
        self._note(use, variable)
        self._after.append(lambda: self._holdings.tracked.add(value, variable))
        return value

    # ---- files ----

    def _use_file(self, use: Use, value: Any) -> Any:
        if value is None:
            return None
        variable = self._files.variable_of(use.parameter, value, is_folder=use.direction.is_directory)
        name = self._files.base_name(variable)
        if use.direction.access is Access.WRITE:
            position = len(self.writings)
            is_there = use.direction.is_directory and self._files.is_there(variable)
            default = EMPTY if use.direction.is_directory else b""
            self._note(use, variable, name=name, default=default, is_there=is_there)
            return Slot(-1 - position) if use.path else str(value)
        is_object = self._files.object_of(variable) is not None  # one name for all versions: in order
        if not is_object and self._is_shared(use, variable):
            return self._use_shared(use, variable, lambda: self._files.current(use.parameter, variable), name)
        end, chain = variable.datum, variable.chain
        before = self._files.current(use.parameter, variable)
        if use.direction.access is Access.UPDATE:
            chain = None if is_object else _chain(use, chain if before is end else None)
            self._note(use, variable, name=name, before=before, chain=chain)
        if use.direction.is_deleted:
            self._after.append(lambda: self._files.delete(variable.name))
        return Slot(self._capture.slot(before))


def read_default(writing: Writing, value: Any) -> bytes:
    """Return what stands for a file or directory if a failure is ignored: the one at the path `value`."""
    path = Path(value)
    return pack_to_bytes(path) if writing.direction.is_directory else path.read_bytes()


def _chain(use: Use, last: Chain | None) -> Chain | None:
    """Return the calls that this one may change places with: objects and files of their own, no elements."""
    if use.path or not use.direction.is_commutative:
        return None
    return last or Chain()
