"""The engine that gives each task a process of its own: the conformance suite, and what is its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from continuum.testing import EngineBench, EngineConformance, is_alive
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.pool import PoolEngine
from continuum.workflow.engines.process import ProcessEngine
from continuum.workflow.engines.routing import RoutedEngine
from continuum.workflow.folders import RunFolder
from continuum.workflow.messages import FailureKind


@pytest.fixture
def make_bench(benches, tmp_path):
    def make(computing_units=2, memory_bytes=0, devices=(), budget=None, **run):
        budget = budget or Budget(computing_units, memory_bytes, devices)
        return benches(lambda folder: ProcessEngine(folder, budget, log_file=tmp_path / "output.log"), **run)

    return make


class TestProcessEngine(EngineConformance):
    many_tasks = 100


def test_each_task_has_a_process_and_a_session_of_its_own(make_bench):
    bench = make_bench()
    ids = [bench.submit(lambda: (os.getpid(), os.getsid(0))) for _ in range(4)]
    found = [bench.value(task) for task in ids]
    assert all(process_id == session for process_id, session in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("how", ["cancelled", "time is up"])
def test_a_task_is_ended_with_everything_that_it_started(make_bench, tmp_path, how):
    bench = make_bench()
    file = tmp_path / "pids"

    def spread(path):
        code = f"import os, time; os.setpgid(0, 0); open({path!r}, 'a').write(f'{{os.getpid()}} ')"
        code += "; time.sleep(600)"
        for _ in range(2):
            subprocess.Popen([sys.executable, "-c", code])
        time.sleep(600)

    task = bench.submit(spread, str(file), time_out_s=3.0 if how == "time is up" else 0.0)
    _wait_until(lambda: (file.exists() and len(file.read_text().split()) == 2) or task in bench.answers)
    if how == "cancelled":
        bench.engine.cancel([task])
    answer = bench.failure(task)
    assert answer.kind is (FailureKind.TIMED_OUT if how == "time is up" else FailureKind.CANCELLED)
    pids = [int(text) for text in file.read_text().split()]
    _wait_until(lambda: not any(is_alive(each) for each in pids))


def test_a_task_may_tidy_up_before_it_ends(make_bench, tmp_path):
    bench = make_bench()

    def tidy(begun, done):
        try:
            Path(begun).touch()
            time.sleep(600)
        finally:
            Path(done).touch()

    task = bench.submit(tidy, str(tmp_path / "begun"), str(tmp_path / "done"))
    bench.wait_for_file(tmp_path / "begun")
    bench.engine.cancel([task])
    assert bench.failure(task).kind is FailureKind.CANCELLED
    bench.wait_for_file(tmp_path / "done")


def test_gpus_are_handed_out_once_each(make_bench, tmp_path):
    bench = make_bench(computing_units=4, devices=("0", "1"))

    def look(begun, go_on):
        Path(begun).touch()
        deadline = time.monotonic() + 30
        while not Path(go_on).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "COMPSS_BINDED_GPUS")
        return [os.environ[name] for name in names]

    go_on = tmp_path / "go on"
    ids = [bench.submit(look, str(tmp_path / f"begun-{n}"), str(go_on), gpus=1) for n in range(3)]
    for number in range(2):
        bench.wait_for_file(tmp_path / f"begun-{number}")
    none = bench.submit(lambda: os.environ["CUDA_VISIBLE_DEVICES"])
    assert bench.value(none) == ""  # a task that asks for none sees none, and is not held up
    assert not (tmp_path / "begun-2").exists()
    go_on.touch()
    found = [bench.value(task) for task in ids]
    assert [set(each) for each in found[:2]] == [{"0"}, {"1"}]
    assert set(found[2]) <= {"0", "1"}
    assert bench.value(bench.submit(lambda: os.environ["CUDA_VISIBLE_DEVICES"], gpus=2)) == "0,1"


def test_more_gpus_than_there_are_is_a_failure_that_says_so(make_bench):
    bench = make_bench(devices=("0",))
    assert "1 GPUs" in bench.failure(bench.submit(lambda: None, gpus=2)).message


def test_tasks_of_input_and_output_run_while_all_units_are_busy(make_bench, tmp_path):
    bench = make_bench(computing_units=1)
    free = tmp_path / "free"

    def hold(path):
        deadline = time.monotonic() + 30
        while not Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    held = bench.submit(hold, str(free))
    ids = [bench.submit(lambda n=n: n, computing_units=0) for n in range(5)]
    assert [bench.value(task) for task in ids] == list(range(5))
    assert held not in bench.answers
    free.touch()
    bench.wait(held)


def test_two_engines_share_a_budget_and_each_gets_its_own_tasks(tmp_path):
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    budget = Budget(1)
    log = tmp_path / "output.log"
    engine = RoutedEngine(
        PoolEngine(folder, budget, log_file=log), ProcessEngine(folder, budget, log_file=log)
    )
    bench = EngineBench(engine, folder)
    try:
        ids = [bench.submit(os.getpid, engine="process" if n % 2 else "") for n in range(8)]
        found = [bench.value(task) for task in ids]
        assert len(set(found[::2])) == 1  # the pool's one worker
        assert len(set(found[1::2])) == 4
        assert budget.free_units == 1 or _wait_until(lambda: budget.free_units == 1) is None
    finally:
        engine.close()
        folder.close()


def _wait_until(condition, patience_s=30.0):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
