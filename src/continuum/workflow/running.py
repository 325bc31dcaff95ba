"""A run as the program sees it: calls become tasks, values are waited for, files follow their versions.

Everything here happens on the program's thread (or threads: one lock keeps the order of calls). Which version
of a value or a file a call means is decided here, at the time of the call; what happens then is the driver's
business.
"""

import itertools
import pickle
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from continuum.model import stories
from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.model.tasks import Datum, DatumState, Needs, OnFailure, Problem, Task
from continuum.workflow.capturing import (
    ATOMIC,
    Capture,
    Captured,
    Constants,
    Slot,
    Tracked,
    digest_of,
    newest,
)
from continuum.workflow.coding import encode_function
from continuum.workflow.constraints import HOME
from continuum.workflow.directions import Access, Direction
from continuum.workflow.dispatching import Payload
from continuum.workflow.driver import Driver, Op
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.filing import Files
from continuum.workflow.futures import Future, Variable
from continuum.workflow.messages import DatumKind, FunctionCode, Output
from continuum.workflow.programming import TaskFunction
from continuum.workflow.serialising import dump, dumps, load

_READ_TRIES = 5
_FETCHERS = 8
_DIGEST_UP_TO_BYTES = 512 * 1024**2
_TITLE_ARGUMENTS = 6
_TITLE_TEXT = 40


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


class Run:
    """The run that the program belongs to, around a driver that was started; `finish` ends it."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.spec = driver.spec
        self._lock = threading.RLock()
        self._task_ids = itertools.count(1)
        self._data = itertools.count(1)
        self._limit = driver.spec.inline_limit_bytes
        self._tracked = Tracked(self._release_variable)
        self._constants = Constants(self._release)
        self._codes: dict[TaskFunction, FunctionCode] = {}
        self._told: set[tuple[int, str]] = set()
        self._fetched: dict[str, bytes] = {}
        self.files = Files(self)

    # ---- calls ----

    def call(self, function: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Register a call and return its futures.

        Raises `InvalidInputError` for arguments that cannot be used as the task says, and the failure of a
        task with the policy FAIL, if there was one.
        """
        with self._lock:
            self._raise_fatal()
            function.check_call(args, kwargs)
            capture = Capture(self._tracked, self._store, self._limit)
            writings: list[Writing] = []
            given, named = args, kwargs
            if function.directions:
                given, named = self._direct(function, args, kwargs, capture, writings)
            try:
                captured = capture.freeze(given, named)
            except (pickle.PicklingError, TypeError, AttributeError) as problem:
                raise InvalidInputError(
                    f"an argument of the task {function.name} cannot be serialised: {problem}"
                ) from problem
            task, futures = self._make(function, captured, writings)
            needs = function.needs_of(args, kwargs)
            task.needs = needs if needs.site != HOME else _at(needs, self.driver.home)
            task.payload.title = _title(function.name, args, kwargs)
            self._post(task, writings)
        return futures[0] if len(futures) == 1 else futures or None

    def _make(
        self, function: TaskFunction, captured: Captured, writings: Sequence[Writing]
    ) -> tuple[Task, list[Future]]:
        returns = function.returns
        writes: list[Datum] = []
        outputs: list[Output] = []
        for writing in writings:
            self._renew(writing, writes, outputs)
        futures = self._futures(returns.kinds, writes, outputs) if returns.count else []
        code = self._codes.get(function) or self._encode(function)
        payload = Payload(code, captured.call, tuple(outputs), returns.count, time_out_s=function.time_out_s)
        failing = function.failing
        task = Task(
            next(self._task_ids),
            function.name,
            captured.slots,
            writes,
            on_failure=failing.policy,
            is_priority=function.priority,
            payload=payload,
        )
        if failing.policy is OnFailure.IGNORE:
            task.defaults = _defaults(failing.defaults, writings, returns.count)
        return task, futures

    def _post(self, task: Task, writings: Sequence[Writing]) -> None:
        if self.files.has_objects:
            task.after = self.files.after_of([writing.variable for writing in writings])
            self.files.note_use(task)
        self.driver.post(Op.SUBMIT, task)
        for writing in writings:
            for datum in (writing.superseded, writing.vessel):
                if datum is not None:
                    self.driver.post(Op.RELEASE, datum)

    def _futures(
        self, kinds: Sequence[type | None], writes: list[Datum], outputs: list[Output]
    ) -> list[Future]:
        futures = []
        for index, kind in enumerate(kinds):
            variable = Variable(next(self._data))
            datum = variable.renew()
            variable.written_by_task = True
            writes.append(datum)
            outputs.append(Output(datum=datum.id, index=index))
            futures.append(Future(variable, self._release, kind))
        return futures

    def _renew(self, writing: Writing, writes: list[Datum], outputs: list[Output]) -> None:
        variable, direction = writing.variable, writing.direction
        writing.superseded = variable.datum
        datum = variable.renew(is_file=direction.is_file, name=writing.name)
        datum.previous = writing.before
        variable.written_by_task = True
        variable.stamp = None
        published = self.files.object_of(variable) if direction.is_file else None
        datum.is_external = published is not None
        writes.append(datum)
        output = Output(
            datum=datum.id,
            kind=DatumKind.FILE if direction.is_file else DatumKind.OBJECT,
            parameter=writing.parameter,
            file_name=writing.name,
            publish_as=published,
        )
        outputs.append(output)

    def _encode(self, function: TaskFunction) -> FunctionCode:
        code = self._codes[function] = encode_function(function)
        return code

    # ---- parameters that are not plainly read ----

    def _direct(
        self,
        function: TaskFunction,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        capture: Capture,
        writings: list[Writing],
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given, named = list(args), dict(kwargs)
        for parameter, direction in function.directions.items():
            position = (
                function.parameters.index(parameter) if parameter in function.parameters else len(given)
            )
            if position < len(given):
                given[position] = self._use(parameter, direction, given[position], capture, writings)
            elif parameter in named or parameter in function.defaults:
                value = named.get(parameter, function.defaults.get(parameter))
                named[parameter] = self._use(parameter, direction, value, capture, writings)
        return tuple(given), named

    def _use(
        self, parameter: str, direction: Direction, value: Any, capture: Capture, writings: list[Writing]
    ) -> Any:
        if direction.is_file:
            return self._use_file(parameter, direction, value, capture, writings)
        if type(value) in ATOMIC or isinstance(value, type):
            return value  # nothing that a task could change for the program
        variable = value._variable if type(value) is Future else self._tracked.find(value)  # noqa: SLF001
        if variable is None:
            variable = self._adopt(value)
        before = newest(variable)
        if direction.access is Access.WRITE and type(value) is not Future:
            before = self._base(value)  # what the program has in its hands is only the vessel
            writings.append(Writing(variable, parameter, direction, vessel=before, default=dumps(value)))
        else:
            writings.append(Writing(variable, parameter, direction, before=before))
        return Slot(capture.slot(before))

    def _use_file(
        self, parameter: str, direction: Direction, value: Any, capture: Capture, writings: list[Writing]
    ) -> Any:
        if value is None:
            return None
        if direction.is_collection:
            return self._each_file(parameter, value, capture)
        variable = self.files.variable_of(parameter, value)
        name = self.files.base_name(variable)
        if direction.access is Access.WRITE:
            writings.append(Writing(variable, parameter, direction, name=name, default=b""))
            return str(value)
        before = self.files.current(parameter, variable)
        if direction.access is Access.UPDATE:
            writings.append(Writing(variable, parameter, direction, name=name, before=before))
        return Slot(capture.slot(before))

    def _each_file(self, parameter: str, value: Any, capture: Capture) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._each_file(parameter, item, capture) for item in value)
        variable = self.files.variable_of(parameter, value)
        return Slot(capture.slot(self.files.current(parameter, variable)))

    def _adopt(self, value: Any) -> Variable:
        variable = Variable(next(self._data))
        self._fill(variable, value)
        self._tracked.add(value, variable)
        return variable

    # ---- data of the program ----

    def _base(self, value: Any) -> Datum:
        variable = Variable(next(self._data))
        return self._fill(variable, value)

    def _fill(self, variable: Variable, value: Any) -> Datum:
        datum = variable.renew()
        pieces = dump(value)
        datum.size_bytes = sum(memoryview(piece).nbytes for piece in pieces)
        self._supply(datum, b"".join(pieces))
        return datum

    def _store(self, pieces: Sequence[Any], size_bytes: int) -> Datum:
        """Return the datum of a large value: the known one if it has this content."""
        digest = digest_of(pieces)
        known = self._constants.find(digest)
        if known is not None and known.state is not DatumState.FAILED and known.holders > 0:
            return known
        datum = Variable(next(self._data)).renew()
        datum.size_bytes = size_bytes
        self._supply(datum, b"".join(pieces))
        self._constants.add(digest, datum, is_owner=True)
        return datum

    def _supply(self, datum: Datum, data: bytes) -> None:
        datum.size_bytes = len(data)
        if len(data) <= self._limit:
            datum.inline = data
            datum.state = DatumState.READY
        else:
            datum.origin = data
            self.driver.post(Op.SUPPLY, datum)

    def new_variable(self, *, name: str = "") -> Variable:
        """Return a variable without a version."""
        return Variable(next(self._data), name=name)

    def _release(self, datum: Datum) -> None:
        self.driver.post(Op.RELEASE, datum)

    def _release_variable(self, variable: Variable) -> None:
        datum, variable.datum = variable.datum, None
        if datum is not None:
            self.driver.post(Op.RELEASE, datum)

    # ---- waiting ----

    def wait_on(self, value: Any, *, is_read_only: bool = False) -> Any:
        """Return `value` with every future and every object that tasks have changed replaced by its newest
        value, in lists, tuples and dicts of any depth.

        With `is_read_only` the program promises not to change what it gets: given to a task again it is then
        known without looking. Raises `TaskFailedError` if a task that was to produce it failed.
        """
        with self._lock:
            found: dict[int, Variable] = {}
            self._collect(value, found)
            data = [newest(variable) for variable in found.values()]
        if data:
            synchronised = stories.Synchronised(at=time.time(), data=tuple(datum.id for datum in data))
            self.driver.post(Op.RECORD, synchronised)
            if any(datum.state is not DatumState.READY for datum in data):
                self.driver.wait_for(data)
        with self._fetched_at_once(data):
            return self._replace(value, is_read_only=is_read_only)

    @contextmanager
    def _fetched_at_once(self, data: Sequence[Datum]) -> Iterator[None]:
        """Fetch what lies elsewhere at the same time: one after the other the ways there and back add up."""
        away = [datum for datum in data if datum.source.inline is None]
        if len(away) > 1:
            with ThreadPoolExecutor(min(_FETCHERS, len(away)), "fetcher") as pool:
                self._fetched = dict(
                    zip((datum.id for datum in away), pool.map(self.fetch, away), strict=True)
                )
        try:
            yield
        finally:
            self._fetched = {}

    def _collect(self, value: Any, found: dict[int, Variable]) -> None:
        variable = self._variable_of(value)
        if variable is not None:
            found[variable.number] = variable
        elif isinstance(value, dict):
            for item in value.values():
                self._collect(item, found)
        elif isinstance(value, list | tuple | set):
            for item in value:
                if type(item) not in ATOMIC:
                    self._collect(item, found)

    def _variable_of(self, value: Any) -> Variable | None:
        return value._variable if type(value) is Future else self._tracked.find(value)  # noqa: SLF001

    def _replace(self, value: Any, *, is_read_only: bool) -> Any:
        variable = self._variable_of(value)
        if variable is not None:
            return self._value_of(value, variable, is_read_only=is_read_only)
        if type(value) is dict:
            return {key: self._replace(item, is_read_only=is_read_only) for key, item in value.items()}
        if type(value) in {list, set}:
            return type(value)(self._replace(item, is_read_only=is_read_only) for item in value)
        if isinstance(value, tuple):
            items = [self._replace(item, is_read_only=is_read_only) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        return value

    def _value_of(self, holder: Any, variable: Variable, *, is_read_only: bool) -> Any:
        if type(holder) is Future and holder._value is not None and holder._value[0] == variable.version:  # noqa: SLF001
            return holder._value[1]  # noqa: SLF001
        datum = newest(variable)
        data = self.fetch(datum)
        value = load(data)
        if type(holder) is Future:
            holder._value = (variable.version, value)  # noqa: SLF001
        if is_read_only and type(value) not in ATOMIC:
            self._share(value, variable)
        elif self._limit < len(data) <= _DIGEST_UP_TO_BYTES:
            self._constants.add(digest_of([data]), datum, is_owner=False)
        return value

    def _share(self, value: Any, variable: Variable) -> None:
        """Let `value` stand for the version that it is, as long as both live."""
        keeper = Variable(next(self._data))
        keeper.datum = newest(variable)
        self.driver.post(Op.HOLD, keeper.datum)
        self._tracked.add(value, keeper)

    def fetch(self, datum: Datum) -> bytes:
        """Return the bytes of a datum, waiting for it. Raises `TaskFailedError`."""
        fetched = self._fetched.pop(datum.id, None)
        if fetched is not None:
            return fetched
        last: UnavailableError | None = None
        for _ in range(_READ_TRIES):
            if datum.state is not DatumState.READY:
                self.driver.wait_for([datum])
            if datum.state is DatumState.FAILED:
                raise self.failure(datum)
            try:
                return self.driver.read(datum)
            except UnavailableError as problem:
                last = problem
                self.driver.wait_for([])  # until the driver knows that it is lost
        raise UnavailableError(f"{datum.id} cannot be read: {last}") from last

    def settle(self, datum: Datum) -> None:
        """Wait until a datum is there. Raises `TaskFailedError`."""
        if datum.state is not DatumState.READY:
            self.driver.wait_for([datum])
        if datum.state is DatumState.FAILED:
            raise self.failure(datum)

    def failure(self, datum: Datum) -> TaskFailedError:
        """Return the error that says why a datum cannot be had."""
        problem = datum.problem
        assert problem is not None  # a failed datum says why  # noqa: S101
        self._told.add(_key(problem))
        producer = datum.producer
        if producer is None or producer.id == problem.task_id:
            return TaskFailedError.of(problem)
        wanted = f"the result of task {producer.id} ({producer.function})"
        return TaskFailedError.of(problem, wanted=wanted, wanted_id=producer.id)

    def barrier(self) -> None:
        """Wait for all tasks. Raises the first failure that the program has not been told of yet."""
        self.driver.post(Op.RECORD, stories.Synchronised(at=time.time()))
        self.driver.wait_for_all()
        for problem in self.untold_failures():
            self._told.add(_key(problem))
            raise TaskFailedError.of(problem)

    def untold_failures(self) -> list[Problem]:
        """Return the failures that no wait has raised so far."""
        return [problem for problem in self.driver.graph.failures if _key(problem) not in self._told]

    def _raise_fatal(self) -> None:
        fatal = self.driver.graph.fatal
        if fatal is not None:
            self._told.add(_key(fatal))
            raise TaskFailedError.of(fatal)

    # ---- forgetting ----

    def delete_object(self, value: Any) -> bool:
        """The program does not need this value any more; return whether it was known."""
        with self._lock:
            if type(value) is Future:
                known = value._variable.datum is not None  # noqa: SLF001
                self._release_variable(value._variable)  # noqa: SLF001
                return known
            return self._tracked.remove(value)

    def finish(self) -> list[Problem]:
        """Wait for all tasks, bring the program's files up to date, and return failures not told yet."""
        self.driver.wait_for_all()
        problems = self.untold_failures()
        self.files.bring_all()
        return problems


def _key(problem: Problem) -> tuple[int, str]:
    """What tells problems apart: those without a task (a missing input) by what they say."""
    return problem.task_id, "" if problem.task_id else problem.message


def _at(needs: Needs, site: str) -> Needs:
    return msgspec.structs.replace(needs, site=site)


def _defaults(given: Mapping[str, Any], writings: Sequence[Writing], return_count: int) -> dict[int, bytes]:
    """Return what stands for the outputs of a failed task, by their index."""
    defaults: dict[int, bytes] = {}
    for index, writing in enumerate(writings):
        value = given.get(writing.parameter)
        if value is not None:
            defaults[index] = Path(value).read_bytes() if writing.direction.is_file else dumps(value)
        elif writing.default is not None:
            defaults[index] = writing.default
    results = given.get("returns")
    for index in range(return_count):
        result = results[index] if return_count > 1 and isinstance(results, list | tuple) else results
        defaults[len(writings) + index] = dumps(result)
    return defaults


def _title(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    shown = [_shown(value) for value in args[:_TITLE_ARGUMENTS]]
    if kwargs:
        shown += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
    more = ", …" if len(args) > _TITLE_ARGUMENTS else ""
    return f"{name}({', '.join(shown)}{more})"


def _shown(value: Any) -> str:
    kind = type(value)
    if kind in {int, float, bool}:
        return repr(value)
    if kind is str:
        return repr(value if len(value) <= _TITLE_TEXT else value[:_TITLE_TEXT] + "…")
    if kind is Future:
        datum = value._variable.datum  # noqa: SLF001
        return datum.id if datum else "?"
    return f"<{kind.__name__}>"
