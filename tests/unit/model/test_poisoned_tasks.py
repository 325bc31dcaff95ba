"""Tasks that bring down what executes them are given up, and say so; others are not made to pay for it."""

import pytest
from graph_bench import Bench

from continuum.model.graph import MAX_SITE_LOSSES
from continuum.model.tasks import DatumState, OnFailure, TaskState


@pytest.fixture
def bench():
    return Bench()


def lose(bench, task, site, *, running=True):
    assert bench.place(task, site)
    if running:
        bench.graph.started(task.id, task.attempt, bench.at)
    bench.graph.site_lost(site, "its agent was killed", bench.at)
    bench.act()


def test_a_task_that_ran_at_every_site_that_was_lost_is_given_up(bench):
    task = bench.call(writes=[wanted := bench.datum()])
    for number in range(MAX_SITE_LOSSES):
        assert task.state is TaskState.READY
        lose(bench, task, f"site{number}")
    assert task.state is TaskState.FAILED
    assert wanted.state is DatumState.FAILED
    assert "3 times a site was lost that had it (site0, site1, site2)" in task.problem.message
    assert bench.graph.failures == [task.problem]


def test_tasks_that_only_waited_at_lost_sites_go_on_longer(bench):
    task = bench.call(writes=[bench.datum()])
    for number in range(MAX_SITE_LOSSES + 1):
        lose(bench, task, f"site{number}", running=False)
    assert task.state is TaskState.READY
    bench.run(task, "steady")
    assert task.state is TaskState.FINISHED


def test_a_poisoned_task_whose_failures_are_ignored_leaves_its_default(bench):
    task = bench.call(writes=[wanted := bench.datum()], on_failure=OnFailure.IGNORE)
    task.defaults = {0: b"default"}
    lose(bench, task, "edge")
    assert task.state is TaskState.IGNORED
    assert wanted.inline == b"default"


@pytest.mark.parametrize("max_tries", [1, 2, 5])
def test_a_task_whose_workers_die_is_tried_as_often_as_said(bench, max_tries):
    bench.graph.max_tries = max_tries
    task = bench.call()
    for _ in range(max_tries):
        assert bench.place(task, "edge")
        bench.fail(task, kind="worker_lost")
    assert task.state is TaskState.FAILED
    decision = bench.records[0].decision
    assert decision.startswith(f"given up after {max_tries} tr")
    assert decision.endswith("its worker died in the last one")
