"""What a call does with the parameters that it does not plainly read: which versions it takes and makes.

Decided at the time of the call, in the order of the calls: a parameter that is only read becomes the slot of
its newest version; one that is written is noted as a `Writing`, and gets its new version when the call is
frozen.
"""

from typing import Any

from continuum.model.tasks import Datum
from continuum.workflow.capturing import ATOMIC, Capture, Slot, newest
from continuum.workflow.directions import Access, Direction
from continuum.workflow.filing import Files
from continuum.workflow.futures import Future, Variable
from continuum.workflow.holdings import Holdings
from continuum.workflow.programming import TaskFunction
from continuum.workflow.serialising import dumps

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Writing:
    """A write of a call, to be given its version once the call is frozen.

    `before` is the version that it updates, `default` what stands for it if a failure is ignored, `vessel`
    the copy of the program's object that an OUT parameter fills.
    """

    __slots__ = ("before", "default", "direction", "name", "parameter", "superseded", "variable", "vessel")

    def __init__(
        self,
        variable: Variable,
        parameter: str,
        direction: Direction,
        *,
        name: str = "",
        before: Datum | None = None,
        default: bytes | None = None,
        vessel: Datum | None = None,
    ) -> None:
        self.vessel = vessel
        self.superseded: Datum | None = None
        self.variable = variable
        self.parameter = parameter
        self.direction = direction
        self.name = name
        self.before = before
        self.default = default


class Parameters:
    """Looks at the parameters of one call. `writings` are what it will write."""

    __slots__ = ("_capture", "_files", "_holdings", "writings")

    def __init__(self, holdings: Holdings, files: Files, capture: Capture) -> None:
        self._holdings = holdings
        self._files = files
        self._capture = capture
        self.writings: list[Writing] = []

    def direct(self, function: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Return the arguments with slots where the versions that the call takes belong."""
        given, named = list(args), dict(kwargs)
        for parameter, direction in function.directions.items():
            position = (
                function.parameters.index(parameter) if parameter in function.parameters else len(given)
            )
            if position < len(given):
                given[position] = self._use(parameter, direction, given[position])
            elif parameter in named or parameter in function.defaults:
                value = named.get(parameter, function.defaults.get(parameter))
                named[parameter] = self._use(parameter, direction, value)
        return tuple(given), named

    def _use(self, parameter: str, direction: Direction, value: Any) -> Any:
        if direction.is_file:
            return self._use_file(parameter, direction, value)
        if type(value) in ATOMIC or isinstance(value, type):
            return value  # nothing that a task could change for the program
        variable = self._holdings.find_variable(value) or self._holdings.adopt(value)
        before = newest(variable)
        if direction.access is Access.WRITE and type(value) is not Future:
            # What the program has in its hands is only the vessel.
            before = self._holdings.make_base(value)
            writing = Writing(variable, parameter, direction, vessel=before, default=dumps(value))
        else:
            writing = Writing(variable, parameter, direction, before=before)
        self.writings.append(writing)
        return Slot(self._capture.slot(before))

    def _use_file(self, parameter: str, direction: Direction, value: Any) -> Any:
        if value is None:
            return None
        if direction.is_collection:
            return self._each_file(parameter, value)
        variable = self._files.variable_of(parameter, value)
        name = self._files.base_name(variable)
        if direction.access is Access.WRITE:
            self.writings.append(Writing(variable, parameter, direction, name=name, default=b""))
            return str(value)
        before = self._files.current(parameter, variable)
        if direction.access is Access.UPDATE:
            self.writings.append(Writing(variable, parameter, direction, name=name, before=before))
        return Slot(self._capture.slot(before))

    def _each_file(self, parameter: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._each_file(parameter, item) for item in value)
        variable = self._files.variable_of(parameter, value)
        return Slot(self._capture.slot(self._files.current(parameter, variable)))
