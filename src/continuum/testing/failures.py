"""Conformance of engines: what goes wrong, and what is called off."""

import os
import signal
import threading
import time
from typing import Any

from continuum.testing.benches import EngineBench, MakeBench, call, code_of
from continuum.workflow.engines import (
    FailureKind,
    FunctionCode,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    load,
)


class FailureConformance:
    """Failures of tasks and of workers, time limits, cancelling."""

    # ---- failures ----

    def test_a_task_that_raises_is_reported_with_its_own_traceback_and_exception(
        self, bench: EngineBench
    ) -> None:
        def deep() -> Any:
            raise KeyError("lost")

        def outer() -> Any:
            deep()

        failure = bench.failure(bench.submit(outer))
        assert failure.kind is FailureKind.RAISED
        assert "KeyError" in failure.message
        assert isinstance(load(failure.exception), KeyError)
        assert "in outer" in failure.traceback
        assert "in deep" in failure.traceback
        assert "executing.py" not in failure.traceback

    def test_an_exception_that_cannot_travel_is_told_as_text(self, bench: EngineBench) -> None:
        def fail() -> Any:
            class OddError(Exception):
                def __init__(self, a: object, b: object) -> None:
                    super().__init__("odd")

                def __reduce__(self) -> str:
                    raise RuntimeError("never")

            raise OddError(1, 2)

        failure = bench.failure(bench.submit(fail))
        assert failure.exception == b""
        assert "OddError: odd" in failure.message

    def test_leaving_the_program_is_a_failure_of_the_task(self, bench: EngineBench) -> None:
        def leave() -> Any:
            raise SystemExit(3)

        assert "SystemExit" in bench.failure(bench.submit(leave)).message
        assert bench.value(bench.submit(lambda: 1)) == 1

    def test_a_result_that_cannot_travel_fails_the_task_and_says_what_it_is(self, bench: EngineBench) -> None:
        def lock() -> Any:
            return threading.Lock()

        failure = bench.failure(bench.submit(lock))
        assert failure.kind is FailureKind.UNFIT_OUTPUT
        assert "lock" in failure.message

    def test_a_function_that_cannot_be_loaded_fails_its_tasks(self, bench: EngineBench) -> None:
        code = FunctionCode(function="broken", name="broken", pickled=b"cno_such_module\nf\n.")
        _, spec = bench.spec(None, code=code)
        bench.engine.submit([code], [spec])
        failure = bench.failure(spec.task_id)
        assert failure.kind is FailureKind.RAISED
        assert "no_such_module" in failure.message

    def test_a_worker_that_is_killed_costs_its_task_and_nothing_else(self, bench: EngineBench) -> None:
        def quick(i: Any) -> Any:
            return i

        def die() -> Any:
            os.kill(os.getpid(), signal.SIGKILL)

        bench.wait_all(*[bench.submit(quick, i) for i in range(20)])
        tasks, codes = [], {}
        for i in range(200):
            code, spec = bench.spec(die) if i == 100 else bench.spec(quick, call(i))
            codes[code.function] = code
            tasks.append(spec)
        bench.engine.submit(list(codes.values()), tasks)
        answers = bench.wait_all(*[task.task_id for task in tasks])
        failed = [answer for answer in answers if isinstance(answer, TaskFailed)]
        assert {answer.kind for answer in failed} == {FailureKind.WORKER_LOST}
        assert tasks[100].task_id in {answer.task_id for answer in failed}
        assert "SIGKILL" in failed[0].message
        assert bench.value(bench.submit(quick, 7)) == 7

    def test_a_task_that_takes_too_long_is_ended(self, bench: EngineBench) -> None:
        def sleep(seconds: Any) -> Any:
            time.sleep(seconds)

        begin = time.monotonic()
        failure = bench.failure(bench.submit(sleep, 60, time_out_s=0.2))
        assert failure.kind is FailureKind.TIMED_OUT
        assert time.monotonic() - begin < 50
        bench.value(bench.submit(sleep, 0, time_out_s=20.0))

    # ---- cancelling ----

    def test_cancelling_ends_a_running_task_and_takes_a_queued_one_away(self, make_bench: MakeBench) -> None:
        bench = make_bench(computing_units=1)

        def sleep(seconds: Any) -> Any:
            time.sleep(seconds)
            return seconds

        running, queued, other = bench.submit(sleep, 60), bench.submit(sleep, 60), bench.submit(sleep, 0)
        bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
        bench.engine.cancel([running, queued])
        for task in (running, queued):
            assert bench.failure(task).kind is FailureKind.CANCELLED
        assert bench.value(other) == 0

    def test_cancelling_what_is_finished_or_unknown_changes_nothing(self, bench: EngineBench) -> None:
        task = bench.submit(lambda: 1)
        assert bench.value(task) == 1
        bench.engine.cancel([task, 999_999])
        assert bench.value(bench.submit(lambda: 2)) == 2
        assert bench.count == 2

    def test_cancelling_reaches_tasks_that_wait_at_a_worker(self, make_bench: MakeBench) -> None:
        bench = make_bench(computing_units=1)

        def step(seconds: Any) -> Any:
            time.sleep(seconds)
            return seconds

        bench.wait_all(*[bench.submit(step, 0) for _ in range(30)])
        code = code_of(step)
        specs = [bench.spec(step, call(1.0 if i == 0 else 0.0), code=code)[1] for i in range(50)]
        bench.engine.submit([code], specs)
        bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
        bench.engine.cancel([spec.task_id for spec in specs[10:]])
        answers = bench.wait_all(*[spec.task_id for spec in specs])
        assert all(isinstance(answer, TaskFinished) for answer in answers[:10])
        assert all(isinstance(answer, TaskFailed) for answer in answers[10:])
