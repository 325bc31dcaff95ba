"""Failures as they are told: what another try cannot change, and data missed before anybody read them."""

import pytest
from graph_bench import Bench

from continuum.model.graph import UNREPEATED_KINDS
from continuum.model.tasks import TaskState


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("kind", sorted(UNREPEATED_KINDS))
def test_what_another_try_would_not_change_is_not_tried_again(bench, kind):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.fail(task, kind=kind)
    assert task.state is TaskState.FAILED
    assert bench.records[0].decision == "given up after 1 try"


def test_a_missing_object_fails_the_run_also_if_it_was_missed_before_a_task_read_it(bench):
    named = bench.datum()
    bench.graph.keep(named)
    bench.graph.missing(named, "it does not exist", bench.at)
    assert bench.graph.failures == []
    first, second = bench.call(reads=[named]), bench.call(reads=[named])
    assert first.state is second.state is TaskState.CANCELLED
    assert [problem.message for problem in bench.graph.failures] == ["it does not exist"]


def test_data_of_the_program_that_are_lost_fail_the_run_if_a_task_needs_them(bench):
    given = bench.datum()
    bench.graph.keep(given)
    bench.graph.published(given.id, "edge", None, bench.at)
    reader = bench.call(reads=[given])
    bench.graph.site_lost("edge", "it burnt down", bench.at)
    assert reader.state is TaskState.CANCELLED
    assert "cannot be made again" in bench.graph.failures[0].message
