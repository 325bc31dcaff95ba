"""Executing one task in this process: arguments in, the function, outputs out, and what went wrong as data.

Nothing that a task does makes this raise: a function that raises anything, a result that cannot be
serialised, a missing file, a full disk each become a `TaskFailed` that says so.
"""

import contextlib
import pickle
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from continuum.workflow.engines.elements import Elements
from continuum.workflow.engines.functions import Function, Refusal
from continuum.workflow.engines.taskfiles import TaskFiles, has_files, lost_input, not_kept
from continuum.workflow.folders import DataFolder
from continuum.workflow.messages import (
    DatumKind,
    FailureKind,
    FunctionCode,
    Input,
    Output,
    Produced,
    TaskFailed,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.serialising import dump, dumps, load, load_call, load_file

MAX_MESSAGE_CHARACTERS = 2_000
MAX_TRACEBACK_CHARACTERS = 64_000
MAX_EXCEPTION_BYTES = 256 * 1024

_Arguments = tuple[Sequence[Any], dict[str, Any], Elements | None]
_now = time.time
_tick = time.perf_counter


class TaskRunner:
    """Executes tasks one after the other. `worker` names this process in what it reports."""

    def __init__(self, data: DataFolder, inline_limit_bytes: int, worker: str) -> None:
        self._data = data
        self._inline_limit_bytes = inline_limit_bytes
        self._worker = worker
        self._functions: dict[str, Function] = {}

    def learn(self, codes: Sequence[FunctionCode]) -> None:
        """Remember functions by their digest."""
        for code in codes:
            self._functions[code.function] = Function(code)

    def run(self, task: TaskSpec) -> TaskFinished | TaskFailed:
        """Execute a task."""
        files = TaskFiles(self._data, task) if has_files(task) else None
        try:
            return self._run(task, files)
        except Refusal as refusal:
            return TaskFailed(
                task_id=task.task_id,
                attempt=task.attempt,
                kind=refusal.kind,
                message=str(refusal)[:MAX_MESSAGE_CHARACTERS],
                traceback=refusal.text,
                lost_datum=refusal.lost_datum,
                worker=self._worker,
            )
        finally:
            if files is not None:
                files.close()

    def _run(self, task: TaskSpec, files: TaskFiles | None) -> TaskFinished | TaskFailed:
        function = self._functions[task.function]
        call, args, kwargs = self._prepare(task, function, files)
        elements = _elements(task, function, args, kwargs) if task.outputs else None
        started_at, begin = _now(), _tick()
        try:
            result = call(*args, **kwargs)
        except BaseException as problem:  # noqa: BLE001 - whatever a task raises, also SystemExit, is its own
            return self._raised(task, problem)
        run_s = _tick() - begin
        outputs = task.outputs
        produced = self._keep(task, function, (args, kwargs, elements), result, files) if outputs else ()
        return TaskFinished(
            task_id=task.task_id,
            attempt=task.attempt,
            outputs=produced,
            started_at=started_at,
            run_s=run_s,
            worker=self._worker,
        )

    # ---- before the call ----

    def _prepare(
        self, task: TaskSpec, function: Function, files: TaskFiles | None
    ) -> tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]:
        values: list[object] = [self._value(each, files) for each in task.inputs] if task.inputs else []
        if files is not None:
            values += files.output_paths()
        try:
            call = function.get()
            args, kwargs = load_call(task.call, values)
        except Exception as problem:  # importing what a task needs can raise anything
            raise Refusal(
                FailureKind.RAISED,
                f"{function.name} or its arguments cannot be loaded here: {_say(problem)}",
                text=_traceback(problem, skip=1),
            ) from problem
        if files is not None:
            return call, files.settle(function, list(args), kwargs), kwargs
        return call, args, kwargs

    def _value(self, given: Input, files: TaskFiles | None) -> object:
        if given.kind is not DatumKind.OBJECT and files is not None:
            return files.add_input(given)
        try:
            if given.inline is not None:
                return load(given.inline)
            path = self._data.find(given.datum)
            if path is not None:
                return load_file(path)
        except FileNotFoundError:
            pass  # dropped meanwhile
        except Exception as problem:  # what a datum holds decides what loading it raises
            raise Refusal(
                FailureKind.RAISED,
                f"an argument cannot be loaded here: {_say(problem)}",
                text=_traceback(problem, skip=1),
            ) from problem
        raise lost_input(given.datum)

    # ---- after the call ----

    def _raised(self, task: TaskSpec, problem: BaseException) -> TaskFailed:
        return TaskFailed(
            task_id=task.task_id,
            attempt=task.attempt,
            kind=_kind_of(problem),
            message=_say(problem),
            traceback=_traceback(problem, skip=1),
            exception=_pickled(problem),
            worker=self._worker,
        )

    def _keep(
        self,
        task: TaskSpec,
        function: Function,
        arguments: _Arguments,
        result: object,
        files: TaskFiles | None,
    ) -> tuple[Produced, ...]:
        args, kwargs, elements = arguments
        results = _split(result, task.return_count, function.name)
        produced = []
        for position, output in enumerate(task.outputs):
            if output.kind is not DatumKind.OBJECT and files is not None:
                produced.append(files.keep_output(position, output, self._inline_limit_bytes))
            elif output.element and elements is not None:
                value = elements.value_of(output)
                produced.append(self._keep_object(output, value, function.name))
            elif output.parameter:
                value = function.argument(args, kwargs, output.parameter)
                produced.append(self._keep_object(output, value, function.name))
            else:
                produced.append(self._keep_object(output, results[output.index], function.name))
        return tuple(produced)

    def _keep_object(self, output: Output, value: object, name: str) -> Produced:
        try:
            pieces = dump(value)
        except Exception as problem:  # a value's own reduction can raise anything
            what = f"parameter {output.parameter}" if output.parameter else f"result {output.index}"
            raise Refusal(
                FailureKind.UNFIT_OUTPUT,
                f"{what} of {name} cannot be sent, a {type(value).__name__}: {_say(problem)}",
            ) from problem
        size_bytes = len(pieces[0]) if len(pieces) == 1 else sum(memoryview(piece).nbytes for piece in pieces)
        inline = b"".join(pieces) if size_bytes <= self._inline_limit_bytes else None
        if inline is None or output.publish_as is not None:
            try:
                self._data.write(output.datum, pieces)
            except OSError as problem:
                raise not_kept(output, size_bytes, problem) from problem
        return Produced(datum=output.datum, size_bytes=size_bytes, inline=inline)


def _elements(
    task: TaskSpec, function: Function, args: Sequence[Any], kwargs: dict[str, Any]
) -> Elements | None:
    """Return the collections of which the task writes elements, or None."""
    for output in task.outputs:
        if output.element:
            objects = [each for each in task.outputs if each.kind is DatumKind.OBJECT]
            return Elements(function, args, kwargs, objects)
    return None


def _split(result: object, count: int, name: str) -> Sequence[object]:
    if count <= 1:
        return (result,)
    values: Sequence[object] | None = result if isinstance(result, tuple | list) else None
    if values is None:
        with contextlib.suppress(TypeError):
            values = tuple(result)  # type: ignore[arg-type]  # if it is iterable
    if values is None or len(values) != count:
        found = type(result).__name__ if values is None else f"{len(values)} values"
        raise Refusal(FailureKind.UNFIT_OUTPUT, f"{name} returned {found}, but {count} values were declared")
    return values


def _kind_of(problem: BaseException) -> FailureKind:
    """Tell by a mark of its class whether a problem concerns the task's group: nothing need be imported."""
    concerns_group = getattr(type(problem), "__continuum_cancels_group__", False) is True
    return FailureKind.RAISED_FOR_GROUP if concerns_group else FailureKind.RAISED


def _say(problem: BaseException) -> str:
    try:
        text = str(problem)
    except Exception:  # noqa: BLE001 - an exception of a task may not even know how to say itself
        text = "(its text cannot be made)"
    return (f"{type(problem).__name__}: {text}" if text else type(problem).__name__)[:MAX_MESSAGE_CHARACTERS]


def _traceback(problem: BaseException, *, skip: int) -> str:
    trace = problem.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None else None
    try:
        text = "".join(traceback.format_exception(type(problem), problem, trace))
    except Exception:  # noqa: BLE001 - as in `_say`
        text = _say(problem)
    return text if len(text) <= MAX_TRACEBACK_CHARACTERS else "…" + text[-MAX_TRACEBACK_CHARACTERS:]


def _pickled(problem: BaseException) -> bytes:
    """Return the exception if it survives the way there and back, else nothing."""
    try:
        data = dumps(problem)
        if len(data) > MAX_EXCEPTION_BYTES or not isinstance(load(data), BaseException):
            return b""
    except (Exception, pickle.PickleError):  # noqa: BLE001 - any class, any constructor
        return b""
    return data
