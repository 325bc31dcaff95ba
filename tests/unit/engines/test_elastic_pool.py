"""The worker processes of a pool follow the queue between limits, for all runs of a site together."""

import time

import pytest

from continuum.model.errors import InvalidInputError
from continuum.testing import EngineBench, wait_until
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import SiteEngines
from continuum.workflow.folders import RunFolder
from continuum.workflow.messages import WorkersChanged


@pytest.fixture
def open_site(tmp_path):
    """Return a function that makes the engines of a site, and one more run there: (engines, bench)."""
    opened = []

    def make(workers, units=2, engines=None):
        engines = engines or SiteEngines("pool", Budget(units), folder=tmp_path / "dask", workers=workers)
        folder = RunFolder(f"run-{len(opened)}", disk=tmp_path / "disk")
        bench = EngineBench(engines.make(folder, log_file=tmp_path / f"log-{len(opened)}"), folder)
        opened.append((bench, folder))
        return engines, bench

    yield make
    for bench, folder in opened:
        bench.engine.close()
        folder.close()


@pytest.fixture
def meet(tmp_path):
    """Return a task that ends when as many as it says have begun."""

    def task(name, number):
        (tmp_path / f"met-{name}").touch()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("met-*"))) < number and time.monotonic() < deadline:
            time.sleep(0.01)
        return name

    return task


@pytest.fixture
def answer():
    """Return a task that is done at once."""
    return lambda: 42


@pytest.fixture
def hold():
    """Return a task that ends when a file is there."""

    def task(file):
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    return task


def test_workers_come_with_a_burst_of_tasks_and_go_after_it_and_come_again(open_site, meet, answer, tmp_path):
    engines, bench = open_site("0-2:1")
    assert engines.count_workers() == 0
    tasks = [bench.submit(meet, name, 2) for name in "ab"]
    workers = {bench.finished(task).worker for task in tasks}
    assert len(workers) == 2
    wait_until(lambda: engines.count_workers() == 0)
    told = [event for event in bench.events if isinstance(event, WorkersChanged)]
    assert told[0].workers in {1, 2}
    assert max(event.workers for event in told) == 2
    wait_until(lambda: "idle for" in (tmp_path / "log-0").read_text())
    assert "[workers] 0 -> " in (tmp_path / "log-0").read_text()
    assert bench.value(bench.submit(answer)) == 42  # by a worker that was made for it


def test_no_more_workers_than_the_limits_allow_whatever_waits(open_site, hold, tmp_path):
    engines, bench = open_site("0-1", units=4)
    tasks = [bench.submit(hold, tmp_path / "go") for _ in range(4)]
    wait_until(lambda: engines.count_workers() == 1)
    (tmp_path / "go").touch()
    assert len({bench.finished(task).worker for task in tasks}) == 1


def test_the_least_number_stays(open_site, meet, answer):
    engines, bench = open_site("1-3:0", units=3)
    for name in "abc":
        bench.submit(meet, name, 3)
    wait_until(lambda: engines.count_workers() == 3)
    wait_until(lambda: engines.count_workers() == 1)
    assert bench.value(bench.submit(answer)) == 42
    assert engines.count_workers() == 1


def test_many_quick_tasks_all_run_within_the_limits(open_site, answer):
    engines, bench = open_site("0-2:5", units=4)
    tasks = [bench.submit(answer) for _ in range(300)]
    assert {bench.value(task) for task in tasks} == {42}
    assert engines.count_workers() <= 2


def test_a_task_of_another_size_takes_the_place_of_an_idle_worker(open_site, answer):
    engines, bench = open_site("0-1:3600")
    assert bench.value(bench.submit(answer)) == 42
    assert bench.value(bench.submit(answer, computing_units=2)) == 42
    assert engines.count_workers() == 1


def test_another_run_gets_the_worker_that_a_first_one_does_not_use_or_is_done_with(open_site, answer):
    engines, first = open_site("0-1:3600")
    _, second = open_site("", engines=engines)
    assert first.value(first.submit(answer)) == 42
    assert second.value(second.submit(answer)) == 42
    mine = [first.submit(answer) for _ in range(50)]
    others = [second.submit(answer) for _ in range(50)]
    assert {first.value(task) for task in mine} | {second.value(task) for task in others} == {42}
    assert engines.count_workers() <= 1


def test_a_worker_that_died_is_counted_out_and_replaced(open_site, answer):
    import os  # noqa: PLC0415 - travels with the task

    def die():
        os._exit(3)

    engines, bench = open_site("0-1:3600")
    task = bench.submit(die)
    assert bench.failure(task).kind == "worker_lost"
    assert bench.value(bench.submit(answer)) == 42
    assert engines.count_workers() == 1


def test_processes_of_programs_count_too_and_get_the_place_of_an_idle_worker(open_site, answer, tmp_path):
    def alone(folder):
        (folder / "busy").touch(exist_ok=False)
        time.sleep(0.05)
        (folder / "busy").unlink()

    engines, bench = open_site("0-1:3600", units=4)
    assert bench.value(bench.submit(answer)) == 42
    tasks = [bench.submit(alone, tmp_path, engine="process") for _ in range(3)]
    for task in tasks:
        bench.finished(task)
    assert bench.value(bench.submit(answer)) == 42
    assert engines.count_workers() <= 1


@pytest.mark.parametrize(("engine", "workers"), [("tcp://host:1", "2"), ("dask", "2-1"), ("pool", "3-1")])
def test_limits_are_not_for_a_scheduler_that_is_there(tmp_path, engine, workers):
    with pytest.raises(InvalidInputError):
        SiteEngines(engine, Budget(2), folder=tmp_path, workers=workers)
