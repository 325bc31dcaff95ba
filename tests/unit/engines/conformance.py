"""What every engine must do, whatever executes the tasks. Written against `contracts.Engine` alone.

An engine's own test module derives a class from `EngineConformance` and gives the fixture `make_bench`: a
function that returns a started `Bench` and closes it in the end.
"""

import hashlib
import io
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from continuum.workflow.folders import DataFolder
from continuum.workflow.messages import (
    DatumKind,
    FailureKind,
    FunctionCode,
    Input,
    ObjectName,
    Output,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    TaskStarted,
)
from continuum.workflow.serialising import dump_call, dumps, load, load_file

PATIENCE_S = 30.0


def code_of(function: Callable, name: str = "") -> FunctionCode:
    pickled = cloudpickle.dumps(function)
    digest = hashlib.sha256(pickled).hexdigest()
    return FunctionCode(function=digest, name=name or function.__name__, pickled=pickled)


def run_spec(**changes) -> RunSpec:
    standard = {"run_id": "run-1", "application": "app.py", "objects": ObjectName("continuum-runs", "run-1/")}
    return RunSpec(**(standard | changes))


class Slot:
    """Stands for input `index` among the arguments of a call."""

    def __init__(self, index):
        self.index = index


def call(*args, **kwargs) -> bytes:
    return dump_call(args, kwargs, lambda value: value.index if isinstance(value, Slot) else None)


class Bench:
    """An engine with somebody who writes down what it says."""

    def __init__(self, engine, folder: DataFolder, **run):
        self.engine, self.folder = engine, folder
        self.events = []
        self.answers = {}
        self.count = 0
        self._next_id = 0
        self._known = set()
        self._heard = threading.Condition()
        engine.start(run_spec(**run), self._sink)

    def _sink(self, events):
        with self._heard:
            self.events += events
            for event in events:
                if isinstance(event, TaskFinished | TaskFailed):
                    self.count += 1
                    self.answers[event.task_id] = event
            self._heard.notify_all()

    def spec(self, function, arguments=None, *, code=None, **changes):
        code = code or code_of(function)
        self._next_id += 1
        spec = TaskSpec(
            task_id=self._next_id,
            attempt=1,
            function=code.function,
            call=call() if arguments is None else arguments,
            **changes,
        )
        return code, spec

    def submit(self, function, *args, n=1, **changes):
        """Submit one task that returns a value into datum `d<id>`; return its id."""
        code, spec = self.spec(function, call(*args), **({"return_count": n} | changes))
        if "outputs" not in changes:
            outputs = tuple(
                Output(datum=f"d{spec.task_id}" + (f".{i}" if i else ""), index=i) for i in range(n)
            )
            spec = type(spec)(**{f: getattr(spec, f) for f in spec.__struct_fields__} | {"outputs": outputs})
        self.engine.submit([code], [spec])
        return spec.task_id

    def wait(self, *task_ids):
        """Return the answers of tasks; of one the answer itself."""
        with self._heard:
            assert self._heard.wait_for(lambda: all(each in self.answers for each in task_ids), PATIENCE_S), (
                f"no answer for {[each for each in task_ids if each not in self.answers]}: {self.events[-3:]}"
            )
        answers = [self.answers[each] for each in task_ids]
        return answers[0] if len(task_ids) == 1 else answers

    def wait_for(self, condition):
        with self._heard:
            assert self._heard.wait_for(condition, PATIENCE_S), self.events[-3:]

    def wait_for_file(self, file):
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert time.monotonic() < deadline, self.events[-3:]
            time.sleep(0.002)

    def value(self, task_id, index=0):
        answer = self.wait(task_id)
        assert isinstance(answer, TaskFinished), answer
        output = answer.outputs[index]
        return load(output.inline) if output.inline is not None else load_file(self.folder.find(output.datum))

    def failure(self, task_id):
        answer = self.wait(task_id)
        assert isinstance(answer, TaskFailed), answer
        return answer


class EngineConformance:
    """The suite. `make_bench(computing_units=2, memory_bytes=0, **run)` gives a `Bench`."""

    @pytest.fixture
    def bench(self, make_bench):
        return make_bench()

    # ---- values ----

    def test_a_task_returns_its_value(self, bench):
        def add(a, b):
            return a + b

        task = bench.submit(add, 2, 3)
        assert bench.value(task) == 5
        answer = bench.wait(task)
        assert answer.attempt == 1
        assert answer.run_s >= 0
        assert abs(answer.started_at - time.time()) < 60
        assert answer.worker

    def test_several_values_become_several_data(self, bench):
        def pair():
            return 1, "two"

        task = bench.submit(pair, n=2)
        assert (bench.value(task, 0), bench.value(task, 1)) == (1, "two")

    def test_another_number_of_values_than_declared_fails_and_says_so(self, bench):
        def triple():
            return 1, 2, 3

        failure = bench.failure(bench.submit(triple, n=2))
        assert failure.kind is FailureKind.RAISED
        assert "3 values" in failure.message

    def test_a_large_value_lies_in_the_folder_and_the_next_task_may_change_its_view(self, bench):
        def make():
            return np.arange(100_000.0)

        def spoil(array):
            array[:] = 0
            return float(array.sum())

        first = bench.submit(make)
        produced = bench.wait(first).outputs[0]
        assert produced.inline is None
        assert produced.size_bytes > 800_000
        datum = produced.datum
        spoiled = bench.submit(spoil, Slot(0), inputs=(Input(datum=datum),))
        assert bench.value(spoiled) == 0.0
        assert np.array_equal(load_file(bench.folder.find(datum)), np.arange(100_000.0))

    def test_inputs_come_inline_or_from_the_folder_at_any_depth(self, bench):
        def combine(values, *, more):
            return values[0] + values[1]["x"] + more

        bench.folder.write("here", [dumps(30)])
        code, spec = bench.spec(
            combine,
            dump_call(
                ([1, {"x": (slot := Slot(0))}],),
                {"more": Slot(1)},
                lambda value: value.index if isinstance(value, Slot) else None,
            ),
            inputs=(Input(datum="inline", inline=dumps(200)), Input(datum="here")),
            outputs=(Output(datum="sum"),),
            return_count=1,
        )
        assert slot.index == 0
        bench.engine.submit([code], [spec])
        assert bench.value(spec.task_id) == 231

    def test_a_changed_parameter_becomes_a_new_datum_and_the_old_one_stays(self, bench):
        def extend(items, item):
            items.append(item)

        bench.folder.write("v1", [dumps([1])])
        task = bench.submit(
            extend,
            Slot(0),
            2,
            n=0,
            inputs=(Input(datum="v1"),),
            outputs=(Output(datum="v2", parameter="items"),),
        )
        assert bench.value(task) == [1, 2]
        assert load_file(bench.folder.find("v1")) == [1]

    def test_an_object_and_its_method_work_as_a_function_with_self(self, bench):
        class Counter:
            def __init__(self):
                self.count = 0

            def increase(self, by):
                self.count += by
                return self.count

        task = bench.submit(
            Counter.increase,
            Counter(),
            5,
            outputs=(Output(datum="result"), Output(datum="self", parameter="self")),
        )
        assert bench.value(task, 0) == 5
        assert bench.value(task, 1).count == 5

    def test_a_missing_input_is_named(self, bench):
        failure = bench.failure(bench.submit(lambda x: x, Slot(0), inputs=(Input(datum="gone"),)))
        assert failure.kind is FailureKind.INPUT_LOST
        assert failure.lost_datum == "gone"

    # ---- files ----

    def test_a_file_output_is_kept_and_a_file_input_has_its_name(self, bench):
        def write(path):
            Path(path).write_text("x" * 10_000)

        def look(path):
            return Path(path).name, len(Path(path).read_text())

        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="data.txt")
        first = bench.submit(write, "/somewhere/else/data.txt", n=0, outputs=(file,))
        assert bench.wait(first).outputs[0].size_bytes == 10_000
        given = Input(datum="f1", kind=DatumKind.FILE, file_name="data.txt")
        assert bench.value(bench.submit(look, Slot(0), inputs=(given,))) == ("data.txt", 10_000)

    def test_a_small_file_travels_inline(self, bench):
        def write(path):
            Path(path).write_text("small")

        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="a")
        assert bench.wait(bench.submit(write, "a", n=0, outputs=(file,))).outputs[0].inline == b"small"

    def test_a_changed_file_becomes_a_new_datum_and_the_old_one_stays(self, bench):
        def append(path):
            with Path(path).open("a") as file:
                file.write("more")

        bench.folder.write("f1", [b"x" * 5000])
        task = bench.submit(
            append,
            Slot(0),
            n=0,
            inputs=(Input(datum="f1", kind=DatumKind.FILE, file_name="log"),),
            outputs=(Output(datum="f2", kind=DatumKind.FILE, parameter="path", file_name="log"),),
        )
        bench.wait(task)
        assert bench.folder.read("f2") == b"x" * 5000 + b"more"
        assert bench.folder.read("f1") == b"x" * 5000

    def test_a_file_that_was_not_written_fails_the_task(self, bench):
        file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="out.txt")
        failure = bench.failure(bench.submit(lambda path: None, "out.txt", n=0, outputs=(file,)))
        assert failure.kind is FailureKind.OUTPUT_LOST
        assert "path" in failure.message

    # ---- failures ----

    def test_a_task_that_raises_is_reported_with_its_own_traceback_and_exception(self, bench):
        def deep():
            raise KeyError("lost")

        def outer():
            deep()

        failure = bench.failure(bench.submit(outer))
        assert failure.kind is FailureKind.RAISED
        assert "KeyError" in failure.message
        assert isinstance(load(failure.exception), KeyError)
        assert "in outer" in failure.traceback
        assert "in deep" in failure.traceback
        assert "executing.py" not in failure.traceback

    def test_an_exception_that_cannot_travel_is_told_as_text(self, bench):
        def fail():
            class OddError(Exception):
                def __init__(self, a, b):
                    super().__init__("odd")

                def __reduce__(self):
                    raise RuntimeError("never")

            raise OddError(1, 2)

        failure = bench.failure(bench.submit(fail))
        assert failure.exception == b""
        assert "OddError: odd" in failure.message

    def test_leaving_the_program_is_a_failure_of_the_task(self, bench):
        def leave():
            raise SystemExit(3)

        assert "SystemExit" in bench.failure(bench.submit(leave)).message
        assert bench.value(bench.submit(lambda: 1)) == 1

    def test_a_result_that_cannot_travel_fails_the_task_and_says_what_it_is(self, bench):
        def lock():
            return threading.Lock()

        failure = bench.failure(bench.submit(lock))
        assert failure.kind is FailureKind.OUTPUT_LOST
        assert "lock" in failure.message

    def test_a_function_that_cannot_be_loaded_fails_its_tasks(self, bench):
        code = FunctionCode(function="broken", name="broken", pickled=b"cno_such_module\nf\n.")
        _, spec = bench.spec(None, code=code)
        bench.engine.submit([code], [spec])
        failure = bench.failure(spec.task_id)
        assert failure.kind is FailureKind.RAISED
        assert "no_such_module" in failure.message

    def test_a_worker_that_is_killed_costs_its_task_and_nothing_else(self, bench):
        def quick(i):
            return i

        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        bench.wait(*[bench.submit(quick, i) for i in range(20)])
        tasks, codes = [], {}
        for i in range(200):
            code, spec = bench.spec(die) if i == 100 else bench.spec(quick, call(i))
            codes[code.function] = code
            tasks.append(spec)
        bench.engine.submit(list(codes.values()), tasks)
        answers = bench.wait(*[task.task_id for task in tasks])
        failed = [answer for answer in answers if isinstance(answer, TaskFailed)]
        assert {answer.kind for answer in failed} == {FailureKind.WORKER_LOST}
        assert tasks[100].task_id in {answer.task_id for answer in failed}
        assert "SIGKILL" in failed[0].message
        assert bench.value(bench.submit(quick, 7)) == 7

    def test_a_task_that_takes_too_long_is_ended(self, bench):
        def sleep(seconds):
            time.sleep(seconds)

        begin = time.monotonic()
        failure = bench.failure(bench.submit(sleep, 60, time_out_s=0.2))
        assert failure.kind is FailureKind.TIMED_OUT
        assert time.monotonic() - begin < 10
        bench.value(bench.submit(sleep, 0, time_out_s=20.0))

    # ---- cancelling ----

    def test_cancelling_ends_a_running_task_and_takes_a_queued_one_away(self, make_bench):
        bench = make_bench(computing_units=1)

        def sleep(seconds):
            time.sleep(seconds)
            return seconds

        running, queued, other = bench.submit(sleep, 60), bench.submit(sleep, 60), bench.submit(sleep, 0)
        bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
        bench.engine.cancel([running, queued])
        for task in (running, queued):
            assert bench.failure(task).kind is FailureKind.CANCELLED
        assert bench.value(other) == 0

    def test_cancelling_what_is_finished_or_unknown_changes_nothing(self, bench):
        task = bench.submit(lambda: 1)
        assert bench.value(task) == 1
        bench.engine.cancel([task, 999_999])
        assert bench.value(bench.submit(lambda: 2)) == 2
        assert bench.count == 2

    def test_cancelling_reaches_tasks_that_wait_at_a_worker(self, make_bench):
        bench = make_bench(computing_units=1)

        def step(seconds):
            time.sleep(seconds)
            return seconds

        bench.wait(*[bench.submit(step, 0) for _ in range(30)])
        code = code_of(step)
        specs = [bench.spec(step, call(1.0 if i == 0 else 0.0), code=code)[1] for i in range(50)]
        bench.engine.submit([code], specs)
        bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
        bench.engine.cancel([spec.task_id for spec in specs[10:]])
        answers = bench.wait(*[spec.task_id for spec in specs])
        assert all(isinstance(answer, TaskFinished) for answer in answers[:10])
        assert all(isinstance(answer, TaskFailed) for answer in answers[10:])

    # ---- order and resources ----

    def test_many_tasks_are_each_answered_once(self, bench):
        def square(i):
            return i * i

        code = code_of(square)
        specs = [
            bench.spec(square, call(i), code=code, return_count=1, outputs=(Output(datum=f"s{i}"),))[1]
            for i in range(3000)
        ]
        for start in range(0, 3000, 500):
            bench.engine.submit([code], specs[start : start + 500])
        answers = bench.wait(*[spec.task_id for spec in specs])
        assert [load(answer.outputs[0].inline) for answer in answers] == [i * i for i in range(3000)]
        assert bench.count == 3000

    def test_tasks_may_be_submitted_by_many_threads(self, bench):
        def identity(i):
            return i

        code = code_of(identity)
        specs = [bench.spec(identity, call(i), code=code)[1] for i in range(400)]

        def work(part):
            for spec in part:
                bench.engine.submit([code], [spec])

        threads = [threading.Thread(target=work, args=(specs[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bench.wait(*[spec.task_id for spec in specs])
        assert bench.count == 400

    def test_a_slow_task_does_not_hold_up_the_quick_ones_behind_it(self, bench):
        def step(seconds):
            time.sleep(seconds)
            return seconds

        bench.wait(*[bench.submit(step, 0) for _ in range(60)])
        code = code_of(step)
        specs = [bench.spec(step, call(20.0 if i == 5 else 0.0), code=code)[1] for i in range(100)]
        bench.engine.submit([code], specs)
        quick = [spec.task_id for i, spec in enumerate(specs) if i != 5]
        begin = time.monotonic()
        bench.wait(*quick)
        assert time.monotonic() - begin < 10
        assert bench.count == 60 + 99

    def test_a_long_task_says_that_it_started(self, bench):
        def sleep():
            time.sleep(0.4)

        task = bench.submit(sleep)
        bench.wait(task)
        kinds = [type(event) for event in bench.events if event.task_id == task]
        assert kinds == [TaskStarted, TaskFinished]
        started, finished = [event for event in bench.events if event.task_id == task]
        assert abs(started.at - finished.started_at) < 0.2

    def test_priority_goes_first(self, make_bench):
        bench = make_bench(computing_units=1)

        def sleep(seconds):
            time.sleep(seconds)

        bench.submit(sleep, 0.3)
        low = [bench.submit(sleep, 0.02) for _ in range(5)]
        high = bench.submit(sleep, 0.02, priority=True)
        bench.wait(*low, high)
        order = [event.task_id for event in bench.events if isinstance(event, TaskFinished)]
        assert order.index(high) < order.index(low[1])

    def test_a_task_of_several_units_has_them_alone_and_is_told(self, bench):
        def observe(units):
            begin = time.time()
            time.sleep(0.1)
            return begin, time.time(), units, os.environ["COMPSS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]

        tasks = [bench.submit(observe, units, computing_units=units) for units in (1, 2, 1, 1, 2, 1)]
        seen = [bench.value(task) for task in tasks]
        assert all(units == int(threads) == int(others) for *_, units, threads, others in seen)
        for begin, end, units, *_ in seen:
            at_once = sum(other[2] for other in seen if other[0] < end and other[1] > begin)
            assert units == 1 or at_once == 2

    def test_memory_is_shared_out_too(self, make_bench):
        bench = make_bench(computing_units=2, memory_bytes=1000)

        def observe():
            begin = time.time()
            time.sleep(0.1)
            return begin, time.time()

        tasks = [bench.submit(observe, memory_bytes=600) for _ in range(3)]
        spans = sorted(bench.value(task) for task in tasks)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))

    def test_a_task_that_is_too_large_for_the_site_is_refused(self, bench):
        failure = bench.failure(bench.submit(lambda: 1, computing_units=3))
        assert "2 computing units" in failure.message

    # ---- surroundings ----

    def test_modules_arguments_and_environment_reach_the_tasks(self, make_bench):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as modules:
            modules.writestr("beside_the_program.py", "def answer(): return 42\n")
        bench = make_bench(code=archive.getvalue(), arguments=("a", "b"), environment={"GREETING": "hello"})

        def look():
            from beside_the_program import answer  # noqa: PLC0415 - only the workers have it

            return answer(), sys.argv[1:], os.environ["GREETING"]

        assert bench.value(bench.submit(look)) == (42, ["a", "b"], "hello")

    def test_closing_ends_every_process_also_what_tasks_started(self, make_bench):
        bench = make_bench()

        def start_child():
            return os.getpid(), subprocess.Popen(["sleep", "300"]).pid

        def sleep():
            time.sleep(300)

        pids = bench.value(bench.submit(start_child))
        bench.submit(sleep)
        bench.engine.close()
        deadline = time.monotonic() + 10
        while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(is_alive(pid) for pid in pids)

    def test_closing_twice_is_fine_and_nothing_can_be_submitted_then(self, make_bench):
        bench = make_bench()
        bench.engine.close()
        bench.engine.close()
        with pytest.raises(Exception, match="closed"):
            bench.submit(lambda: 1)

    def test_it_says_how_busy_it_is(self, make_bench):
        bench = make_bench(computing_units=1)

        def sleep():
            time.sleep(0.5)

        assert bench.engine.load().running_tasks == 0
        tasks = [bench.submit(sleep) for _ in range(3)]
        load_now = bench.engine.load()
        assert (load_now.running_tasks, load_now.queued_tasks) == (1, 2)
        bench.engine.cancel(tasks)
        bench.wait(*tasks)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
