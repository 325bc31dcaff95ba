"""Tasks whose objects are being written: their try counts, and only theirs."""

import pytest
from graph_bench import Bench

from continuum.model.tasks import DatumState, TaskState


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_try_that_counts_does_not_need_its_site_any_more(bench):
    made = bench.datum()
    task = bench.call(writes=[made])
    bench.place(task, "edge")
    assert bench.graph.completing_of(task.id, 1) is task
    bench.graph.site_lost("edge", "it is silent", bench.at)
    bench.act()
    assert bench.ready == []
    bench.finish(task, published="name")
    assert task.state is TaskState.FINISHED
    assert made.state is DatumState.READY
    assert not bench.graph.completing


def test_a_try_that_was_overtaken_does_not_count(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task, "edge")
    bench.graph.site_lost("edge", "it is silent", bench.at)
    bench.act()
    bench.place(task, "cloud")
    assert bench.graph.completing_of(task.id, 1) is None
    assert bench.graph.completing_of(task.id, 2) is task


def test_a_try_that_was_cancelled_does_not_count(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.graph.cancel_all("enough", bench.at)
    assert bench.graph.completing_of(task.id, 1) is None


def test_what_was_staged_and_lost_is_made_by_another_try_that_needs_its_site_again(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.graph.completing_of(task.id, 1)
    bench.fail(task, "output_lost")
    assert bench.ready == [task]
    bench.place(task)
    bench.graph.site_lost("edge", "it is silent", bench.at)
    bench.act()
    assert bench.ready == [task]


def test_what_may_have_been_written_is_not_tried_again(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.graph.completing_of(task.id, 1)
    bench.fail(task, "output_unknown")
    assert task.state is TaskState.FAILED
    assert bench.ready == []


def test_a_task_that_is_cancelled_while_its_objects_are_written_leaves_nothing_behind(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.graph.completing_of(task.id, 1)
    bench.graph.cancel_all("enough", bench.at)
    bench.finish(task, published="name")
    assert task.state is TaskState.CANCELLED
    assert not bench.graph.completing
