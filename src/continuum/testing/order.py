"""Conformance of engines: which task goes when, with what, in which surroundings."""

import io
import itertools
import os
import subprocess
import sys
import threading
import time
import zipfile
from typing import Any

import pytest

from continuum.testing.benches import EngineBench, MakeBench, call, code_of, is_alive
from continuum.workflow.engines import Output, TaskFinished, TaskStarted


class OrderConformance:
    """Order, computing units, memory, surroundings, the end.

    `many_tasks` is how many an engine gets at once; one that is not made for small tasks says fewer.
    """

    many_tasks = 3000

    # ---- order and resources ----

    def test_many_tasks_are_each_answered_once(self, bench: EngineBench) -> None:
        def square(i: Any) -> Any:
            return i * i

        code, count = code_of(square), self.many_tasks
        specs = [
            bench.spec(square, call(i), code=code, return_count=1, outputs=(Output(datum=f"s{i}"),))[1]
            for i in range(count)
        ]
        for start in range(0, count, 500):
            bench.engine.submit([code], specs[start : start + 500])
        bench.wait_all(*[spec.task_id for spec in specs])
        assert [bench.value(spec.task_id) for spec in specs] == [i * i for i in range(count)]
        assert bench.count == count

    def test_tasks_may_be_submitted_by_many_threads(self, bench: EngineBench) -> None:
        def identity(i: Any) -> Any:
            return i

        code, count = code_of(identity), min(400, self.many_tasks)
        specs = [bench.spec(identity, call(i), code=code)[1] for i in range(count)]

        def work(part: Any) -> Any:
            for spec in part:
                bench.engine.submit([code], [spec])

        threads = [threading.Thread(target=work, args=(specs[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bench.wait_all(*[spec.task_id for spec in specs])
        assert bench.count == count

    def test_a_slow_task_does_not_hold_up_the_quick_ones_behind_it(self, bench: EngineBench) -> None:
        def step(seconds: Any) -> Any:
            time.sleep(seconds)
            return seconds

        bench.wait_all(*[bench.submit(step, 0) for _ in range(60)])
        code = code_of(step)
        specs = [bench.spec(step, call(60.0 if i == 5 else 0.0), code=code)[1] for i in range(100)]
        bench.engine.submit([code], specs)
        quick = [spec.task_id for i, spec in enumerate(specs) if i != 5]
        begin = time.monotonic()
        bench.wait_all(*quick)
        assert time.monotonic() - begin < 40
        assert bench.count == 60 + 99

    def test_a_long_task_says_that_it_started(self, bench: EngineBench) -> None:
        def sleep() -> Any:
            time.sleep(0.4)

        task = bench.submit(sleep)
        bench.wait(task)
        started, finished = bench.events
        assert isinstance(started, TaskStarted)
        assert isinstance(finished, TaskFinished)
        assert started.task_id == finished.task_id == task
        assert abs(started.at - finished.started_at) < 0.2

    def test_priority_goes_first(self, make_bench: MakeBench) -> None:
        bench = make_bench(computing_units=1)

        def sleep(seconds: Any) -> Any:
            time.sleep(seconds)

        bench.submit(sleep, 0.3)
        low = [bench.submit(sleep, 0.02) for _ in range(5)]
        high = bench.submit(sleep, 0.02, priority=True)
        bench.wait_all(*low, high)
        order = [event.task_id for event in bench.events if isinstance(event, TaskFinished)]
        assert order.index(high) < order.index(low[1])

    def test_a_task_of_several_units_has_them_alone_and_is_told(self, bench: EngineBench) -> None:
        def observe(units: Any) -> Any:
            begin = time.time()
            time.sleep(0.1)
            return begin, time.time(), units, os.environ["COMPSS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]

        tasks = [bench.submit(observe, units, computing_units=units) for units in (1, 2, 1, 1, 2, 1)]
        seen = [bench.value(task) for task in tasks]
        assert all(units == int(threads) == int(others) for *_, units, threads, others in seen)
        for begin, end, units, *_ in seen:
            at_once = sum(other[2] for other in seen if other[0] < end and other[1] > begin)
            assert units == 1 or at_once == 2

    def test_memory_is_shared_out_too(self, make_bench: MakeBench) -> None:
        bench = make_bench(computing_units=2, memory_bytes=1000)

        def observe() -> Any:
            begin = time.time()
            time.sleep(0.1)
            return begin, time.time()

        tasks = [bench.submit(observe, memory_bytes=600) for _ in range(3)]
        spans = sorted(bench.value(task) for task in tasks)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))

    def test_a_task_that_is_too_large_for_the_site_is_refused(self, bench: EngineBench) -> None:
        failure = bench.failure(bench.submit(lambda: 1, computing_units=3))
        assert "2 computing units" in failure.message

    # ---- surroundings ----

    def test_modules_arguments_and_environment_reach_the_tasks(self, make_bench: MakeBench) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as modules:
            modules.writestr("beside_the_program.py", "def answer(): return 42\n")
        bench = make_bench(code=archive.getvalue(), arguments=("a", "b"), environment={"GREETING": "hello"})

        def look() -> Any:
            from beside_the_program import answer  # type: ignore[import-not-found]  # the workers have it

            return answer(), sys.argv[1:], os.environ["GREETING"]

        assert bench.value(bench.submit(look)) == (42, ["a", "b"], "hello")

    def test_closing_ends_every_process_also_what_tasks_started(self, make_bench: MakeBench) -> None:
        bench = make_bench()

        def start_child() -> Any:
            return os.getpid(), subprocess.Popen(["sleep", "300"]).pid

        def sleep() -> Any:
            time.sleep(300)

        pids = bench.value(bench.submit(start_child))
        bench.submit(sleep)
        bench.engine.close()
        deadline = time.monotonic() + 10
        while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(is_alive(pid) for pid in pids)

    def test_closing_twice_is_fine_and_nothing_can_be_submitted_then(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        bench.engine.close()
        bench.engine.close()
        with pytest.raises(Exception, match="closed"):
            bench.submit(lambda: 1)

    def test_it_says_how_busy_it_is(self, make_bench: MakeBench) -> None:
        bench = make_bench(computing_units=1)

        def sleep() -> Any:
            time.sleep(0.5)

        assert bench.engine.load().running_tasks == 0
        tasks = [bench.submit(sleep) for _ in range(3)]
        load_now = bench.engine.load()
        assert (load_now.running_tasks, load_now.queued_tasks) == (1, 2)
        bench.engine.cancel(tasks)
        bench.wait_all(*tasks)
