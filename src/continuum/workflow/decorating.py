"""`@task` in our own words, as type checkers see it: a call of `def f(x: A) -> B` gives `Future[B]`.

At run time it is `programming.task`; only, without a run its calls give futures too, finished ones (`alone`).
To a type checker the arguments are checked as the function's own; a call with a future, a list, a tuple or a
dict among its first four arguments may hold anything, as what stands for a value cannot be told from one.
"""

# mypy: disable-error-code="overload-overlap"
# A function that returns None or a tuple also returns "something": the first overload that fits is meant.

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from continuum.workflow import programming
from continuum.workflow.futures import Future

P = ParamSpec("P")
Q = ParamSpec("Q")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
R = TypeVar("R")
Gives = TypeVar("Gives")
Gives_co = TypeVar("Gives_co", covariant=True)
Promised = Future[Any] | list[Any] | tuple[Any, ...] | dict[Any, Any]


class Task(Protocol[P, Gives_co]):
    """A function whose calls are tasks; `function` is the plain one."""

    name: str
    function: Callable[..., Any]

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Gives_co: ...
    @overload
    def __call__(self, a: Promised, /, *rest: Any, **named: Any) -> Gives_co: ...
    @overload
    def __call__(self, a: Any, b: Promised, /, *rest: Any, **named: Any) -> Gives_co: ...
    @overload
    def __call__(self, a: Any, b: Any, c: Promised, /, *rest: Any, **named: Any) -> Gives_co: ...
    @overload
    def __call__(self, a: Any, b: Any, c: Any, d: Promised, /, *rest: Any, **named: Any) -> Gives_co: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a task of this call."""

    def __get__(
        self: "Task[Concatenate[Any, Q], Gives]", instance: object, owner: type | None = None
    ) -> "Task[Q, Gives]":
        """Return the method of an object."""


class TaskDecorator(Protocol):
    """What `task(…)` returns."""

    @overload
    def __call__(self, function: Callable[P, None], /) -> Task[P, None]: ...
    @overload
    def __call__(self, function: Callable[P, tuple[A, B]], /) -> Task[P, tuple[Future[A], Future[B]]]: ...
    @overload
    def __call__(
        self, function: Callable[P, tuple[A, B, C]], /
    ) -> Task[P, tuple[Future[A], Future[B], Future[C]]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, Future[R]]: ...
    def __call__(self, function: Any, /) -> Any:
        """Decorate a function."""


@overload
def task(function: Callable[P, None], /) -> Task[P, None]: ...
@overload
def task(function: Callable[P, tuple[A, B]], /) -> Task[P, tuple[Future[A], Future[B]]]: ...
@overload
def task(function: Callable[P, tuple[A, B, C]], /) -> Task[P, tuple[Future[A], Future[B], Future[C]]]: ...
@overload
def task(function: Callable[P, R], /) -> Task[P, Future[R]]: ...
@overload
def task(**options: Any) -> TaskDecorator: ...
def task(function: Any = None, /, **options: Any) -> Any:
    """Make calls of a function tasks: `@task`, `@task(returns=1, path=FILE_IN, x=INOUT, priority=True)`.

    Parameters are named with their direction (default `IN`). Options: `returns` (a number, a type, a tuple or
    list of types, a name; default: what the function's annotation says, else its code), `priority`,
    `on_failure` (`RETRY`, `FAIL`, `CANCEL_SUCCESSORS`, `IGNORE`), `retries` (how often a try that failed is
    repeated; default: as `continuum run --retries` says), `time_out` (seconds), `target_direction`
    (of `self`), `varargs_type`.

    Raises `InvalidInputError` naming an option or direction that is not known or not supported.
    """
    if function is not None:
        return _gives_futures(programming.task(function))
    decorate: Callable[[Any], Any] = programming.task(**options)
    return lambda decorated: _gives_futures(decorate(decorated))


def _gives_futures(made: Any) -> Any:
    made.gives_futures = True
    return made
