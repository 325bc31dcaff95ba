"""What stands for a result that is not there yet, and the values of a run with their versions."""

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from continuum.model.commuting import Chain
from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Datum, Task
from continuum.workflow.sharing import Sharing

T = TypeVar("T")


class Variable:
    """A value or a file of the program over time: `datum` is its newest version.

    `chain` are the latest calls that updated it in any order, `sharing` those that share it as CONCURRENT, as
    long as nobody has looked since. `users`
    (objects of the store only) are the tasks that use the object under its one name. `written_by_task` tells
    whether the newest version comes from a task; `stamp` is what the program's own file looked like when it
    last was the same as that version.
    """

    __slots__ = (
        "chain",
        "datum",
        "name",
        "number",
        "sharing",
        "stamp",
        "users",
        "version",
        "written_by_task",
    )

    def __init__(self, number: int, *, name: str = "") -> None:
        self.number = number
        self.name = name
        self.version = 0
        self.datum: Datum | None = None
        self.chain: Chain | None = None
        self.sharing: Sharing | None = None
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


class Future(Generic[T]):
    """The result of a task call. Give it to other tasks as it is; `wait_on`, `result()` and `await` make the
    value of it.

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
        variable = self._variable
        if variable.sharing is not None:
            variable.sharing.drop(variable)
        if variable.datum is not None:
            self._release(variable.datum)

    def result(self, timeout_s: float | None = None) -> T:
        """Return the value, waiting for it. Raises `TaskFailedError`; `TimeoutError` after `timeout_s`."""
        value: T = _awaiting().result_of(self, timeout_s)
        return value

    def exception(self, timeout_s: float | None = None) -> Exception | None:
        """Return the `TaskFailedError` that says why there is no value, or None if there is one."""
        problem: Exception | None = _awaiting().problem_of(self, timeout_s)
        return problem

    def done(self) -> bool:
        """Whether the task has ended, with a value or without."""
        is_done: bool = _awaiting().is_done(self)
        return is_done

    def cancel(self) -> bool:
        """Cancel the task that makes it; return False if that has ended already."""
        is_cancelled: bool = _awaiting().cancel(self)
        return is_cancelled

    def __await__(self) -> Generator[Any, None, T]:
        value: Generator[Any, None, T] = _awaiting().value_of(self).__await__()
        return value

    def __bool__(self) -> bool:
        raise UnresolvedFutureError(
            f"{self!r} is neither true nor false before it was waited for",
            hint="wait_on (compss_wait_on) gives its value; `is None` tells whether there is a future at all",
        )

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


class Finished(Future[T]):
    """The result of a call without a run, where every call is over when it returns. Travels as its value."""

    __slots__ = ("value",)

    def __init__(self, value: T, kind: type | None = None) -> None:
        self.value = value
        self._kind = kind

    def __del__(self) -> None:
        """There is nothing to release."""

    def result(self, timeout_s: float | None = None) -> T:  # noqa: ARG002 - as the other futures
        """Return the value."""
        return self.value

    def exception(self, timeout_s: float | None = None) -> Exception | None:  # noqa: ARG002
        """Return None: the call itself would have raised."""
        return None

    def done(self) -> bool:
        """Return True."""
        return True

    def cancel(self) -> bool:
        """Return False: it is too late."""
        return False

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()
        return self.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __reduce__(self) -> Any:
        return _the_value, (self.value,)

    def __repr__(self) -> str:
        return f"<finished future: {self.value!r}>"


def _the_value(value: T) -> T:
    return value


def _awaiting() -> Any:
    from continuum.workflow import awaiting  # noqa: PLC0415 - it imports this module, and few need it

    return awaiting


class UnresolvedFutureError(InvalidInputError):
    """A future was found where it cannot be replaced by its value."""
