"""`@task`: a call becomes a task of the run that is going on; without a run it is the plain call it looks.

`TaskFunction` stands where the function stood. It knows what each parameter is used for; what a call means is
the business of the run (`running.Run`), which `continuum run` puts in place with `use_run`. In a worker, and
under plain `python app.py`, there is none, so a task called there just runs, with the same results.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any, Protocol, TypeVar, overload

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Needs, OnFailure
from continuum.workflow.compiling import Compiling, changes_the_call, compile_here, parse_compiling
from continuum.workflow.constraints import ATTRIBUTE, resolve_limit_s, resolve_needs
from continuum.workflow.declaring import DISTRIBUTED, OPTIONS, POSITIONAL, REPLICATED, Declared
from continuum.workflow.directions import Direction, parse_direction
from continuum.workflow.kinds.descriptions import Kind
from continuum.workflow.returning import Returns, parse_returns
from continuum.workflow.spelling import hint_for, options_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_CAMEL_CASE = {
    "onFailure": "on_failure",
    "timeOut": "time_out",
    "targetDirection": "target_direction",
    "varargsType": "varargs_type",
    "isReplicated": "is_replicated",
    "isDistributed": "is_distributed",
    "isReduce": "is_reduce",
    "chunkSize": "chunk_size",
    "cacheReturns": "cache_returns",
}
_ONLY_FALSE = frozenset(("is_reduce", "chunk_size", "tracing_hook"))
_TARGETS = ("self", "cls")
MOST_RETRIES = 100
ON_FAILURE_ATTRIBUTE = "__continuum_on_failure__"
ALTERNATIVES: dict[tuple[str, str], list["TaskFunction"]] = {}
"""Tasks that do the same as another one, by the module and the name of that (see `kinds.implementing`)."""

PROCESS = "process"
"""The engine that gives each task a process of its own."""


class CallsTasks(Protocol):
    """What a run offers to the programming model."""

    def call(self, function: "TaskFunction", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Register a call and return its futures."""


class Failing:
    """What happens when a task fails: its policy and the values that stand for what it would have given."""

    __slots__ = ("defaults", "policy")

    def __init__(self, policy: OnFailure, defaults: Mapping[str, Any]) -> None:
        self.policy = policy
        self.defaults = defaults


_run: CallsTasks | None = None


@contextmanager
def use_run(run: CallsTasks) -> Iterator[None]:
    """Make `run` the one that calls of tasks belong to, in this process."""
    global _run  # noqa: PLW0603 - the decorators of a program find the run here and nowhere else
    before, _run = _run, run
    try:
        yield
    finally:
        _run = before


def find_run() -> Any:
    """Return the run that is going on in this process, or None."""
    return _run


class TaskFunction:
    """A function whose calls are tasks. `function` is the plain one.

    `binding` is "class" or "static" if it stands for such a method, `spread` how its calls go round sites.
    `has_streams`: it stands for a program, whose standard streams parameters can be.
    """

    has_streams = False

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function = function
        self.name = function.__qualname__.replace("<locals>.", "")
        update_wrapper(self, function)
        self._given = options
        self.priority = bool(options.get("priority", False))
        self.max_tries = _max_tries(options.get("retries"))
        self._time_out_s = _time_out(options.get("time_out", 0))
        self._limit_s: float | None = None
        declared = Declared(function, options)
        for name, value in declared.rest.items():
            _refuse(function, name, value)
        self.directions = declared.directions
        self.parameters = declared.parameters
        self.names = declared.names
        self.varargs = declared.varargs
        self.keywords = declared.keywords
        self.streams = tuple(name for name, each in declared.directions.items() if each.stream)
        signature = inspect.signature(function)
        self.has_target = bool(self.parameters) and self.parameters[0] in _TARGETS
        self.defaults = {
            name: kind.default
            for name, kind in signature.parameters.items()
            if kind.default is not kind.empty and name in self.directions
        }
        self._signature = signature
        self._fewest, self._most = _arity(signature)
        self._returns: Returns | None = None
        self._needs: Needs | None = None
        self._failing: Failing | None = None
        if "on_failure" in options:
            parse_policy(options["on_failure"])  # a misspelt one is told here, not at the first call
        self.code: Any = None
        self.gives_futures = False
        self.binding = ""
        self.spread = next((name for name in (REPLICATED, DISTRIBUTED) if options.get(name)), "")
        self.compiling = parse_compiling(self.name, options)
        self.kind: Kind | None = None
        self.expand: Callable[..., Any] | None = None

    # What other decorators above or below @task may still change is looked at on the first call.

    @property
    def returns(self) -> Returns:
        """How many values a call gives."""
        if self._returns is None:
            self._returns = parse_returns(self._given.get("returns"), self.function)
        return self._returns

    @property
    def failing(self) -> Failing:
        """What happens on failure."""
        if self._failing is None:
            found = getattr(self, ON_FAILURE_ATTRIBUTE, None) or getattr(
                self.function, ON_FAILURE_ATTRIBUTE, None
            )
            self._failing = found or Failing(parse_policy(self._given.get("on_failure", "RETRY")), {})
        return self._failing

    @property
    def time_out_s(self) -> float:
        """After how long a task is ended; 0: never."""
        if self._limit_s is None:
            limit_s = resolve_limit_s(self._constraints(), self.function)
            limits = [each for each in (self._time_out_s, limit_s) if each]
            self._limit_s = min(limits, default=0.0)
        return self._limit_s

    def needs_of(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Needs:
        """Return what a call with these arguments asks of its site."""
        if self._needs is None:
            options = self._constraints()
            needs = resolve_needs(options, self.function, None)
            if needs is None or self.kind is not None:
                arguments = self._signature.bind(*args, **kwargs)
                arguments.apply_defaults()
                needs = resolve_needs(options, self.function, arguments.arguments) or Needs()
                return self._needs_of_kind(needs, arguments.arguments)
            self._needs = needs
        return self._needs

    def _needs_of_kind(self, needs: Needs, arguments: Mapping[str, Any]) -> Needs:
        if self.kind is None:
            return needs
        from continuum.workflow.kinds.settling import needs_of_kind  # noqa: PLC0415 - for few programs

        return needs_of_kind(needs, self.kind, self.function, arguments)

    def _constraints(self) -> dict[str, Any]:
        return {**getattr(self.function, ATTRIBUTE, {}), **getattr(self, ATTRIBUTE, {})}

    def engine_for(self, needs: Needs) -> str:
        """Return which engine of a site such a task needs; nothing: the usual one."""
        is_apart = (
            needs.gpus or not needs.computing_units or (self.kind is not None and self.kind.needs_process)
        )
        return PROCESS if is_apart else ""

    @property
    def parameter_names(self) -> frozenset[str]:
        """The names of all parameters."""
        return frozenset(self._signature.parameters)

    @property
    def given_directions(self) -> dict[str, Direction]:
        """The directions that the program gives, also of what is plainly read."""
        return {
            name: parse_direction(name, value)
            for name, value in self._given.items()
            if name in self._signature.parameters
        }

    def body_of(self, function: Any) -> Any:
        """Return what is called in place of `function` (this one, or what stands for it on its way)."""
        if self.compiling is not None:
            function = Compiling(function, self.compiling)
        if self.kind is None or not self.kind.has_body:
            return function
        from continuum.workflow.kinds.bodies import make_body  # noqa: PLC0415 - for few programs

        return make_body(self, function, self.kind)

    def check_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise the `TypeError` of a call with wrong arguments: here, where it is made, and not at a site."""
        if not kwargs and self._fewest <= len(args) <= self._most:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as problem:
            raise TypeError(f"{self.name}(): {problem}") from None

    def check_streams(self) -> None:
        """Raise `InvalidInputError` if a parameter is a standard stream of a task that is no program."""
        if self.streams and not self.has_streams:
            name = self.streams[0]
            raise InvalidInputError(
                f"{self.directions[name]} (parameter {name} of {self.name}): a Python task has no standard"
                " streams of its own",
                hint="use FILE_IN or FILE_OUT and open the file, or @binary for a program",
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a task of this call; without a run, call the function."""
        run = _run
        if self.expand is not None:
            return self.expand(self._call_once, args, kwargs)
        if run is None:
            return self.call_alone(args, kwargs)
        return run.call(self, args, kwargs)

    def call_alone(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function where there is no run; a task of our own words still gives futures then."""
        if self.gives_futures:
            from continuum.workflow.alone import call  # noqa: PLC0415 - needs this module

            return call(self, args, kwargs)
        return self.call_here(args, kwargs)

    def _call_once(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        run = _run
        return self.call_alone(args, kwargs) if run is None else run.call(self, args, kwargs)

    def call_here(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function itself, now; a failure is ignored if its policy says so."""
        failing = self.failing
        if self.spread == REPLICATED:
            from continuum.workflow.spreading import check_only_reads  # noqa: PLC0415 - for few programs

            check_only_reads(self)
        function = self.function if self.kind is None else self.body_of(self.function)
        if self.compiling is not None and changes_the_call(self.compiling):
            function = compile_here(function, *self.compiling)
        is_silent = self.has_streams and not self.returns.count  # a program whose status nobody asks for
        if failing.policy is not OnFailure.IGNORE:
            result = function(*args, **kwargs)
            return None if is_silent else result
        try:
            result = function(*args, **kwargs)
        except Exception as problem:  # noqa: BLE001 - this is what the policy IGNORE asks for
            print(f"task {self.name} failed and is ignored: {problem!r}", file=sys.stderr)  # noqa: T201
            return failing.defaults.get("returns")
        return None if is_silent else result

    @overload
    def __get__(self, instance: None, owner: type) -> "TaskFunction": ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> "BoundTask": ...
    def __get__(self, instance: object | None, owner: type | None = None) -> "TaskFunction | BoundTask":
        if self.binding:
            return self if self.binding == "static" else BoundTask(self, owner or type(instance))
        return self if instance is None else BoundTask(self, instance)

    def bind_to_future(self, future: Any) -> "BoundTask":
        """Return this method bound to an object that is still a future."""
        return BoundTask(self, future)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "code": None}  # a run's own; another process has none

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class BoundTask:
    """A task that is a method, with its object."""

    __slots__ = ("_target", "_task")

    def __init__(self, task: TaskFunction, target: object) -> None:
        self._task = task
        self._target = target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task with its object as the first argument."""
        return self._task(self._target, *args, **kwargs)


@overload
def task(function: Decorated, /) -> Decorated: ...
@overload
def task(**options: Any) -> Callable[[Decorated], Decorated]: ...
def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make calls of a function tasks: `@task()`, `@task(returns=1, path=FILE_IN, x=INOUT, priority=True)`.

    Parameters are named with their direction (default `IN`). Options: `returns` (a number, a type, a tuple or
    list of types, a name), `priority`, `on_failure` (`RETRY`, `FAIL`, `CANCEL_SUCCESSORS`, `IGNORE`),
    `retries`, `time_out` (seconds), `target_direction` (of `self`), `varargs_type`, `is_distributed`,
    `is_replicated`, `numba` and its options, `cache_returns` (a hint). To a type checker a task looks like
    the function itself, as its calls may be read sequentially.

    Raises `InvalidInputError` naming an option or direction that is not known or not supported.
    """
    named = {_CAMEL_CASE.get(name, name): value for name, value in options.items()}
    if function is not None:
        return _make_task(function, named)
    return lambda decorated: _make_task(decorated, named)


def _make_task(decorated: Any, options: dict[str, Any]) -> TaskFunction:
    if not isinstance(decorated, classmethod | staticmethod):
        return TaskFunction(_plain(decorated), options)
    made = TaskFunction(_plain(decorated.__func__), options)
    made.binding = "class" if isinstance(decorated, classmethod) else "static"
    return made


def _plain(function: Any) -> Callable[..., Any]:
    if not inspect.isfunction(function):
        raise InvalidInputError(f"@task needs a function, not {function!r}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidInputError(f"{function.__qualname__} is a coroutine or generator and cannot be a task")
    return function


@options_of("on_failure")
def on_failure(management: str = "RETRY", **defaults: Any) -> Callable[[Any], Any]:
    """Say what happens when the task below fails: `RETRY`, `FAIL`, `CANCEL_SUCCESSORS` or `IGNORE`.

    With `IGNORE`, `returns=value` and `parameter=value` stand for what the task would have given.
    """
    failing = Failing(parse_policy(management), defaults)

    def decorate(function: Any) -> Any:
        _check_defaults(getattr(function, "function", function), defaults)
        setattr(function, ON_FAILURE_ATTRIBUTE, failing)
        return function

    return decorate


def _check_defaults(function: Callable[..., Any], defaults: Mapping[str, Any]) -> None:
    found = inspect.signature(function).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in found.values())
    for name in () if takes_any else sorted(defaults.keys() - found.keys() - {"returns"}):
        raise InvalidInputError(
            f"@on_failure has no option {name}, and the task below no such parameter",
            hint=hint_for(name, ("management", "returns", *found)),
        )


def parse_policy(text: object) -> OnFailure:
    """Return the policy of that name."""
    try:
        return OnFailure(str(text).upper())
    except ValueError:
        hint = hint_for(str(text), OnFailure)
        raise InvalidInputError(f"on_failure={text!r} is not known", hint=hint) from None


def _max_tries(retries: Any) -> int:
    """Return how often a task is tried; 0: as often as the run says."""
    if retries is None:
        return 0
    if not isinstance(retries, int) or isinstance(retries, bool) or not 0 <= retries <= MOST_RETRIES:
        raise InvalidInputError(f"retries={retries!r} must be a number from 0 to {MOST_RETRIES}")
    return 1 + retries


def _time_out(value: Any) -> float:
    if not isinstance(value, int | float) or value < 0:
        raise InvalidInputError(f"time_out={value!r} must be a number of seconds")
    return float(value)


def _arity(signature: inspect.Signature) -> tuple[int, float]:
    """Return how many positional arguments without keywords are right for sure."""
    fewest, most = 0, 0.0
    for parameter in signature.parameters.values():
        if parameter.kind in POSITIONAL:
            most += 1
            fewest += parameter.default is parameter.empty
        elif parameter.kind is parameter.VAR_POSITIONAL:
            most = float("inf")
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            return 1, 0.0  # never: it has to be given by its name
    return fewest, most


def _refuse(function: Callable[..., Any], name: str, value: Any) -> None:
    if name in _ONLY_FALSE:
        if value:
            raise InvalidInputError(
                f"@task({name}={value!r}) of {function.__qualname__} is not supported yet"
            )
        return
    hint = hint_for(name, OPTIONS)
    raise InvalidInputError(
        f"@task({name}=…): {function.__qualname__} has no parameter and @task no option {name}", hint=hint
    )
