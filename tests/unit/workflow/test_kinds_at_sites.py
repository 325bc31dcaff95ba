"""Where tasks of several kinds run: two sites on this machine that say that they have different things."""

import time

import pytest
from kinds_programs import count_lines, on_a_gpu, on_tape, shell

from continuum.workflow import Driver, LocalExecutor, Run, TaskFailedError, constraint, use_run, wait_on
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.programming import TaskFunction
from continuum.workflow.sessions import new_run_id


@pytest.fixture(scope="module")
def two_sites(request):
    run_id = new_run_id("kinds")
    spec = RunSpec(
        run_id=run_id,
        application="tests",
        code=archive_modules(request.path),
        objects=ObjectName("continuum-runs", run_id),
    )
    executors = [
        LocalExecutor("edge", computing_units=1, gpus=0),
        LocalExecutor("cloud", computing_units=1, gpus=1),
    ]
    driver = Driver(spec, executors, Journal(None))
    driver.start()
    run = Run(driver)
    with use_run(run):
        yield run
    driver.close()


def finished(run, site):
    """Return how many tasks a site has finished."""
    return run.driver.sites[site].finished


def test_a_task_goes_to_the_site_that_has_a_gpu(two_sites):
    before = finished(two_sites, "edge")
    assert wait_on([on_a_gpu() for _ in range(3)]) == ["0"] * 3
    assert finished(two_sites, "edge") == before


def test_what_no_site_says_that_it_has_is_told_of_each(two_sites):
    with pytest.raises(TaskFailedError, match="needs storage_type tape, says nothing about it") as caught:
        wait_on(on_tape())
    assert "edge: " in str(caught.value)
    assert "cloud: " in str(caught.value)


@pytest.mark.parametrize("site", ["edge", "cloud"])
def test_a_program_runs_where_it_must(two_sites, tmp_path, site):
    text = tmp_path / "text"
    text.write_text("a\nb\n")
    there = constraint(site=site)(_again(count_lines))
    before = finished(two_sites, site)
    assert wait_on(there("a", str(text))) == 0
    deadline = time.monotonic() + 30
    while finished(two_sites, site) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_programs_at_both_sites_run_at_the_same_time_and_all_end(two_sites):
    assert wait_on([shell(f"exit {number % 3}") for number in range(12)]) == [0, 1, 2] * 4


def _again(task):
    """Return the same task once more, for constraints of its own."""
    made = TaskFunction(task.function, task._given)
    made.kind, made.has_streams = task.kind, task.has_streams
    return made
