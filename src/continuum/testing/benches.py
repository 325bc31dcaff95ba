"""An engine at work, with somebody who writes down what it says; and calls as a driver makes them."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import msgspec

from continuum.workflow.engines import (
    DataFolder,
    Engine,
    Event,
    FunctionCode,
    ObjectName,
    Output,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    dump_call,
    load,
    load_file,
)

PATIENCE_S = 60.0  # until a test gives up; no test waits for it when all is well
LOOK_EVERY_S = 0.002


def code_of(function: Callable[..., Any], name: str = "") -> FunctionCode:
    """Return a function as it is sent to engines."""
    pickled = cloudpickle.dumps(function)
    digest = hashlib.sha256(pickled).hexdigest()
    return FunctionCode(function=digest, name=name or function.__name__, pickled=pickled)


def run_spec(**changes: Any) -> RunSpec:
    """Return a run that is like any other, but for `changes`."""
    standard: dict[str, Any] = {"run_id": "run-1", "application": "app.py"}
    standard["objects"] = ObjectName("continuum-runs", "run-1/")
    return RunSpec(**(standard | changes))


class Slot:
    """Stands for input `index` among the arguments of a call."""

    def __init__(self, index: int) -> None:
        self.index = index


def call(*args: Any, **kwargs: Any) -> bytes:
    """Return the arguments of a call as they are sent; a `Slot` stands for an input."""
    return dump_call(args, kwargs, lambda value: value.index if isinstance(value, Slot) else None)


class EngineBench:
    """A started engine. `answers` has what it said last of each task, `count` how many answers came."""

    def __init__(self, engine: Engine, folder: DataFolder, **run: Any) -> None:
        self.engine, self.folder = engine, folder
        self.events: list[Event] = []
        self.answers: dict[int, TaskFinished | TaskFailed] = {}
        self.count = 0
        self._next_id = 0
        self._heard = threading.Condition()
        engine.start(run_spec(**run), self._sink)

    def _sink(self, events: Sequence[Event]) -> None:
        with self._heard:
            self.events += events
            for event in events:
                if isinstance(event, TaskFinished | TaskFailed):
                    self.count += 1
                    self.answers[event.task_id] = event
            self._heard.notify_all()

    def spec(
        self,
        function: Callable[..., Any] | None,
        arguments: bytes | None = None,
        *,
        code: FunctionCode | None = None,
        **changes: Any,
    ) -> tuple[FunctionCode, TaskSpec]:
        """Return a call of `function` (or of `code`) as a task with the next number, and its code."""
        if code is None:
            assert function is not None
            code = code_of(function)
        self._next_id += 1
        spec = TaskSpec(
            task_id=self._next_id,
            attempt=1,
            function=code.function,
            call=call() if arguments is None else arguments,
            **changes,
        )
        return code, spec

    def submit(self, function: Callable[..., Any], *args: Any, n: int = 1, **changes: Any) -> int:
        """Submit one task that returns `n` values into data `d<id>`, `d<id>.1` …; return its id."""
        code, spec = self.spec(function, call(*args), **({"return_count": n} | changes))
        if "outputs" not in changes:
            names = [f"d{spec.task_id}" + (f".{i}" if i else "") for i in range(n)]
            outputs = tuple(Output(datum=name, index=i) for i, name in enumerate(names))
            spec = msgspec.structs.replace(spec, outputs=outputs)
        self.engine.submit([code], [spec])
        return spec.task_id

    def wait_all(self, *task_ids: int) -> list[TaskFinished | TaskFailed]:
        """Return the answers of tasks."""
        with self._heard:
            is_answered = self._heard.wait_for(lambda: self.answers.keys() >= set(task_ids), PATIENCE_S)
        missing = [each for each in task_ids if each not in self.answers]
        assert is_answered, f"no answer for {missing}: {self.events[-3:]}"
        return [self.answers[each] for each in task_ids]

    def wait(self, task_id: int) -> TaskFinished | TaskFailed:
        """Return the answer of a task."""
        return self.wait_all(task_id)[0]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until what the engine said makes `condition` true."""
        with self._heard:
            assert self._heard.wait_for(condition, PATIENCE_S), self.events[-3:]

    def wait_for_file(self, file: Path) -> None:
        """Wait until a task has made `file`."""
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert time.monotonic() < deadline, self.events[-3:]
            time.sleep(LOOK_EVERY_S)

    def finished(self, task_id: int) -> TaskFinished:
        """Return the answer of a task that must not fail."""
        answer = self.wait(task_id)
        assert isinstance(answer, TaskFinished), answer
        return answer

    def value(self, task_id: int, index: int = 0) -> Any:
        """Return what a task that must not fail produced as its `index`-th output."""
        output = self.finished(task_id).outputs[index]
        if output.inline is not None:
            return load(output.inline)
        return self.datum(output.datum)

    def datum(self, datum: str) -> Any:
        """Return what lies in the run's data."""
        path = self.folder.find(datum)
        assert path is not None, f"{datum} is not in the run's data"
        return load_file(path)

    def failure(self, task_id: int) -> TaskFailed:
        """Return the answer of a task that must fail."""
        answer = self.wait(task_id)
        assert isinstance(answer, TaskFailed), answer
        return answer


class MakeBench(Protocol):
    """The fixture `make_bench`: makes engines of a site of this size, and closes them in the end."""

    def __call__(self, computing_units: int = 2, memory_bytes: int = 0, **run: Any) -> EngineBench:
        """Return a bench with a started engine; `run` are fields of its `RunSpec`."""


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and has not ended."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def kill(pid: int) -> None:
    """End a process as the machine would when memory runs out."""
    os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when `condition` is true; fail if it does not become so."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(LOOK_EVERY_S)
