"""A run as the program sees it: calls become tasks, values are waited for, files follow their versions.

Everything here happens on the program's thread (or threads: one lock keeps the order of calls). Which version
of a value or a file a call means is decided at the time of the call (`parameters`, `capturing`); what happens
then is the driver's business.
"""

import itertools
import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from continuum.model import stories
from continuum.model.errors import InvalidInputError
from continuum.model.grouping import Group
from continuum.model.tasks import Datum, Needs, OnFailure, Problem, Task
from continuum.workflow.alternatives import Variant
from continuum.workflow.capturing import Capture, Captured, Slot
from continuum.workflow.coding import encode_function
from continuum.workflow.combining import combination
from continuum.workflow.constraints import HOME
from continuum.workflow.directions import FILE_INOUT
from continuum.workflow.dispatching import Payload
from continuum.workflow.driver import Driver, Op
from continuum.workflow.engines.elements import element_of
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.filing import Files
from continuum.workflow.futures import Future, Variable
from continuum.workflow.groups import OPEN
from continuum.workflow.holdings import Holdings
from continuum.workflow.kinds.implementing import find_variants
from continuum.workflow.messages import DatumKind, FunctionCode, Output, kind_of
from continuum.workflow.parameters import Parameters, Writing, read_default
from continuum.workflow.pinning import pin, pinned_site
from continuum.workflow.programming import ALTERNATIVES, TaskFunction
from continuum.workflow.serialising import dumps
from continuum.workflow.sharing import Sharing
from continuum.workflow.spreading import spread
from continuum.workflow.titles import title_of
from continuum.workflow.waiting import Waiting


class Run:
    """The run that the program belongs to, around a driver that was started; `finish` ends it."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.spec = driver.spec
        self._lock = threading.RLock()
        self._task_ids = itertools.count(1)
        self._holdings = Holdings(driver)
        self._waiting = Waiting(driver, self._holdings, self.failure)
        self._codes: dict[TaskFunction, FunctionCode] = {}
        self._told: set[tuple[int, str]] = set()
        self.files = Files(self)
        self.turns = 0  # of calls that take one site after the other
        self.groups: dict[str, Group] = {}

    # ---- calls ----

    def call(self, function: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Register a call and return its futures.

        Raises `InvalidInputError` for arguments that cannot be used as the task says, and the failure of a
        task with the policy FAIL, if there was one.
        """
        with self._lock:
            self._raise_fatal()
            function.check_call(args, kwargs)
            if function.spread and not pinned_site():
                return spread(self, function, args, kwargs)
            capture = Capture(self._holdings.tracked, self._holdings.store, self._holdings.limit_bytes)
            parameters: Parameters | None = None
            writings: Sequence[Writing] = ()
            try:
                if function.directions:
                    function.check_streams()
                    parameters = Parameters(self._holdings, self.files, capture, self._share)
                    given, named = parameters.direct(function, args, kwargs)
                    writings = parameters.writings
                    captured = capture.freeze(given, named)
                else:
                    captured = capture.freeze(args, kwargs)
            except (pickle.PicklingError, TypeError, AttributeError) as problem:
                raise InvalidInputError(
                    f"an argument of the task {function.name} cannot be serialised: {problem}"
                ) from problem
            task, futures = self._make(function, captured, writings)
            needs = pin(function.needs_of(args, kwargs), self.driver.sites)
            task.needs = needs if needs.site != HOME else _at(needs, self.driver.home)
            task.payload.engine = function.engine_for(needs)
            if ALTERNATIVES:
                task.payload.variants = self._variants(function, task, args, kwargs)
            task.payload.title = title_of(function.name, args, kwargs)
            if parameters is not None:
                parameters.give_turn(task)
            self._post(task, writings)
            if parameters is not None:
                parameters.settle()
        return futures[0] if len(futures) == 1 else futures or None

    def _make(
        self, function: TaskFunction, captured: Captured, writings: Sequence[Writing]
    ) -> tuple[Task, list[Future[Any]]]:
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
        if function.max_tries:
            task.max_tries = function.max_tries
        if groups := OPEN.get():
            task.groups = groups
            payload.group = "/".join(group.name for group in groups)
        if failing.policy is OnFailure.IGNORE:
            task.defaults = _defaults(failing.defaults, writings, returns.count)
        return task, futures

    def _variants(
        self, function: TaskFunction, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Variant, ...]:
        """Return the ways to do a task, the one that the program calls last; none if it is the only one."""
        others = find_variants(function)
        if not others:
            return ()
        ways = []
        for each in (*others, function):
            needs = task.needs if each is function else self._needs_of(each, args, kwargs)
            ways.append(
                Variant(
                    name=each.name,
                    code=self._codes.get(each) or self._encode(each),
                    needs=needs,
                    engine=each.engine_for(needs),
                    time_out_s=each.time_out_s,
                )
            )
        return tuple(ways)

    def _needs_of(self, function: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Needs:
        needs = pin(function.needs_of(args, kwargs), self.driver.sites)
        return needs if needs.site != HOME else _at(needs, self.driver.home)

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
    ) -> list[Future[Any]]:
        futures: list[Future[Any]] = []
        for index, kind in enumerate(kinds):
            variable = self._holdings.new_variable()
            datum = variable.renew()
            variable.written_by_task = True
            writes.append(datum)
            outputs.append(Output(datum=datum.id, index=index))
            futures.append(Future(variable, self._holdings.release, kind))
        return futures

    def _renew(self, writing: Writing, writes: list[Datum], outputs: list[Output]) -> None:
        variable, direction = writing.variable, writing.direction
        writing.superseded = None if writing.is_shared else variable.datum
        if variable.sharing is not None and not writing.is_shared:
            variable.sharing.drop(variable)
        datum = variable.renew(is_file=direction.is_file, name=writing.name)
        datum.previous = writing.before
        if writing.is_shared and variable.sharing is not None:
            variable.sharing.copies.append(datum)
        variable.written_by_task = True
        variable.stamp = None
        if direction.is_file and variable.name:
            self.files.note_name(datum, variable, is_output=True)
        published = self.files.object_of(variable) if direction.is_file else None
        datum.is_external = published is not None
        writes.append(datum)
        output = Output(
            datum=datum.id,
            kind=kind_of(writing.name) if direction.is_file else DatumKind.OBJECT,
            parameter=writing.parameter,
            file_name=writing.name,
            publish_as=published,
            element=writing.element,
            is_there=writing.is_there,
        )
        outputs.append(output)

    def _share(self, base: Datum) -> Sharing:
        return Sharing(base, self._combine, self._holdings.release)

    def _combine(self, variable: Variable, base: Datum, copies: Sequence[Datum]) -> None:
        """Call the task that puts together what CONCURRENT calls changed: the variable's next version."""
        function = combination(of_files=base.is_file)
        with self._lock:
            capture = Capture(self._holdings.tracked, self._holdings.store, self._holdings.limit_bytes)
            slots = [Slot(capture.slot(datum)) for datum in (base, *copies)]
            captured = capture.freeze((slots[0], slots[1:]), {})
            writes: list[Datum] = []
            outputs: list[Output] = []
            if base.is_file:
                writing = Writing(variable, "before", FILE_INOUT, name=base.name, is_shared=True)
                self._renew(writing, writes, outputs)
            else:
                writes.append(variable.renew())
                outputs.append(Output(datum=writes[0].id, index=0))
            code = self._codes.get(function) or self._encode(function)
            payload = Payload(code, captured.call, tuple(outputs), function.returns.count)
            payload.title = f"{function.name}({len(copies)} copies)"
            task = Task(next(self._task_ids), function.name, captured.slots, writes, payload=payload)
            self.driver.post(Op.SUBMIT, task)

    def _encode(self, function: TaskFunction) -> FunctionCode:
        code = self._codes[function] = encode_function(function)
        return code

    def new_variable(self, *, name: str = "") -> Variable:
        """Return a variable without a version."""
        return self._holdings.new_variable(name=name)

    # ---- waiting ----

    def wait_on(self, value: Any, *, is_read_only: bool = False) -> Any:
        """Return `value` with every future and every object that tasks have changed replaced by its newest
        value, in lists, tuples and dicts of any depth.

        With `is_read_only` the program promises not to change what it gets: given to a task again it is then
        known without looking. Raises `TaskFailedError` if a task that was to produce it failed.
        """
        with self._lock:
            data = self._waiting.find_all(value)
        return self._waiting.wait_on(value, data, is_read_only=is_read_only)

    def find_all(self, value: Any) -> list[Datum]:
        """Return the newest versions of all futures and tracked objects in `value`."""
        with self._lock:
            return self._waiting.find_all(value)

    def fetch(self, datum: Datum) -> bytes:
        """Return the bytes of a datum, waiting for it. Raises `TaskFailedError`."""
        return self._waiting.fetch(datum)

    def settle(self, datum: Datum) -> None:
        """Wait until a datum is there. Raises `TaskFailedError`."""
        self._waiting.settle(datum)

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
            raise self.tell(problem)

    def tell(self, problem: Problem) -> TaskFailedError:
        """Return the error for a failure; from now on the program knows of it."""
        self._told.add(_key(problem))
        return TaskFailedError.of(problem)

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
            return self._holdings.delete(value)

    def snapshot(self) -> None:
        """Wait until all that has finished so far would outlive a kill of everything; see `checkpointing`."""
        self.driver.snapshot()

    def finish(self) -> list[Problem]:
        """Wait for all tasks, bring the program's files up to date, and return failures not told yet."""
        self.files.close_sharings()
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
            value = element_of(value, writing.element)
            defaults[index] = read_default(writing, value) if writing.direction.is_file else dumps(value)
        elif writing.default is not None:
            defaults[index] = writing.default
    results = given.get("returns")
    for index in range(return_count):
        result = results[index] if return_count > 1 and isinstance(results, list | tuple) else results
        defaults[len(writings) + index] = dumps(result)
    return defaults
