"""What stands for a result that is not there yet, and the values of a run with their versions."""

from collections.abc import Callable
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Datum, Task


class Variable:
    """A value or a file of the program over time: `datum` is its newest version.

    `users` (objects of the store only) are the tasks that use the object under its one name.
    `written_by_task` tells whether the newest version comes from a task; `stamp` is what the program's own
    file looked like when it last was the same as that version.
    """

    __slots__ = ("datum", "name", "number", "stamp", "users", "version", "written_by_task")

    def __init__(self, number: int, *, name: str = "") -> None:
        self.number = number
        self.name = name
        self.version = 0
        self.datum: Datum | None = None
        self.users: list[Task] | None = None
        self.written_by_task = False
        self.stamp: tuple[int, int] | None = None

    def renew(self, *, is_file: bool = False, name: str = "") -> Datum:
        """Make the next version. Who calls releases the version before."""
        self.version += 1
        datum = Datum(f"d{self.number}v{self.version}", is_file=is_file, name=name)
        datum.holders = 1
        self.datum = datum
        return datum


class Future:
    """The result of a task call. Give it to other tasks as it is; `wait_on` makes the value of it.

    It stands for the value itself nowhere else: there is nothing to compute with before it was waited for.
    If the task said which class it returns, tasks that are methods of that class can be called on it.
    """

    __slots__ = ("__weakref__", "_kind", "_release", "_value", "_variable")

    def __init__(
        self, variable: Variable, release: Callable[[Datum], None], kind: type | None = None
    ) -> None:
        self._variable = variable
        self._release = release
        self._kind = kind
        self._value: tuple[int, Any] | None = None

    def __del__(self) -> None:
        datum = self._variable.datum
        if datum is not None:
            self._release(datum)

    def __getattr__(self, name: str) -> Any:
        found = None if name[:1] == "_" or self._kind is None else getattr(self._kind, name, None)
        bind = getattr(found, "bind_to_future", None)
        if bind is not None:
            return bind(self)
        raise AttributeError(
            f"the result of a task has no {name!r} before it is waited for: use wait_on (compss_wait_on)"
        )

    def __reduce__(self) -> Any:
        raise UnresolvedFutureError(
            "the result of a task cannot be taken along inside something else",
            hint="give it to the task as an argument, or wait for it first",
        )

    def __repr__(self) -> str:
        datum = self._variable.datum
        return f"<future {datum.id if datum else '?'}: wait_on gives its value>"


class UnresolvedFutureError(InvalidInputError):
    """A future was found where it cannot be replaced by its value."""
