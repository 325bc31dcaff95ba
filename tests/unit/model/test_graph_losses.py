"""What is lost with what, what is made again, and which news is too old to count: one fault at a time."""

import pytest
from graph_bench import Bench

from continuum.model.grouping import Group
from continuum.model.tasks import Datum, DatumState, OnFailure, Task, TaskState
from continuum.model.whereabouts import MAX_PUBLISH_FAILURES


@pytest.fixture
def bench() -> Bench:
    return Bench()


def produce(bench: Bench, site: str = "edge") -> Datum:
    made = bench.datum()
    bench.run(bench.call(writes=[made]), site)
    return made


def update(bench: Bench, before: Datum, **options) -> tuple[Task, Datum]:
    """Call a task that updates a variable of which the program holds the newest version only."""
    after = bench.datum()
    after.previous = before
    task = bench.call(reads=[before], writes=[after], **options)
    bench.graph.release(before)
    bench.act()
    return task, after


def ignore(bench: Bench, before: Datum, site: str = "edge") -> Datum:
    task, after = update(bench, before, on_failure=OnFailure.IGNORE)
    bench.place(task, site)
    bench.fail(task)
    assert after.state is DatumState.READY
    return after


def lose(bench: Bench, site: str) -> None:
    bench.graph.site_lost(site, "it burnt down", bench.at)
    bench.act()
    bench.ready = [task for task in bench.ready if task.state is TaskState.READY]


def supply(bench: Bench, origin: object) -> Datum:
    base = bench.datum()
    base.origin = origin
    bench.graph.keep(base)
    bench.graph.supplying(base, "edge")
    return base


def test_what_an_ignored_update_left_as_it_was_is_lost_with_it_and_made_again(bench):
    made = produce(bench)
    same = ignore(bench, made)
    readers = [bench.call(reads=[same]) for _ in range(2)]
    lose(bench, "edge")
    assert bench.ready == [made.producer]
    bench.run(made.producer, "cloud")
    assert bench.ready == readers
    assert same.source is made
    assert all(bench.place(reader, "cloud") for reader in readers)


def test_what_was_lost_while_nobody_waited_is_found_lost_when_a_task_is_called(bench):
    made = produce(bench)
    same = ignore(bench, made)
    lose(bench, "edge")
    assert same.state is DatumState.DROPPED
    reader = bench.call(reads=[same])
    bench.run(made.producer, "cloud")
    assert bench.ready == [reader]


def test_a_task_that_is_ignored_when_its_site_is_lost_leaves_what_can_be_made_again(bench):
    made = produce(bench)
    task, after = update(bench, made, on_failure=OnFailure.IGNORE)
    bench.place(task)
    bench.graph.started(task.id, task.attempt, bench.at)
    lose(bench, "edge")
    assert task.state is TaskState.IGNORED
    assert after.state is DatumState.PENDING
    bench.run(made.producer, "cloud")
    assert after.state is DatumState.READY
    assert after.source.sites == ("cloud",)


def test_an_update_that_was_withdrawn_is_not_made_when_what_it_left_is_lost(bench):
    made = produce(bench)
    task, after = update(bench, made)
    bench.graph.cancel_producer(after, "the program says so", bench.at)
    bench.act()
    lose(bench, "edge")
    bench.graph.require(after, bench.at)
    bench.act()
    assert bench.ready == [made.producer]
    bench.run(made.producer, "cloud")
    assert after.state is DatumState.READY
    assert task.state is TaskState.CANCELLED


def test_a_long_chain_of_ignored_updates_is_made_again_without_recursion(bench):
    made = newest = produce(bench)
    for _ in range(3000):
        newest = ignore(bench, newest)
    lose(bench, "edge")
    bench.graph.require(newest, bench.at)
    bench.act()
    bench.run(made.producer, "cloud")
    assert newest.state is DatumState.READY
    assert newest.source is made


def test_a_dropped_update_that_was_ignored_is_what_was_before_it_again(bench):
    base = bench.base()
    made = bench.datum()
    made.previous = base
    producer = bench.call(reads=[base], writes=[made])
    bench.run(producer)
    same = ignore(bench, made)
    result = bench.datum()
    reader = bench.call(reads=[same], writes=[result])
    bench.graph.release(same)
    bench.run(reader)
    assert same.state is DatumState.DROPPED
    lose(bench, "edge")
    bench.graph.require(result, bench.at)
    bench.act()
    bench.run(producer, "cloud")
    bench.run(reader, "cloud")
    assert result.state is DatumState.READY


def test_data_of_the_program_that_were_dropped_are_known_when_they_are_supplied_again(bench):
    base, made = supply(bench, "a file"), bench.datum()
    bench.graph.published(base.id, "edge", None, bench.at)
    task = bench.call(reads=[base], writes=[made])
    bench.graph.release(base)
    bench.run(task)
    assert base.state is DatumState.DROPPED
    lose(bench, "edge")
    bench.graph.require(made, bench.at)
    bench.act()
    assert bench.supplied == [base]
    bench.graph.published(base.id, "cloud", None, bench.at)
    bench.act()
    bench.run(task, "cloud")
    assert made.state is DatumState.READY


def test_data_of_the_program_on_their_way_to_a_lost_site_are_supplied_again(bench):
    base = supply(bench, b"bytes")
    reader = bench.call(reads=[base])
    lose(bench, "edge")
    assert bench.supplied == [base]
    bench.graph.supplying(base, "cloud")
    bench.graph.unpublished(base.id, "edge", "the site was lost", bench.at)
    bench.graph.published(base.id, "cloud", None, bench.at)
    bench.act()
    assert bench.ready == [reader]
    assert base.origin is None


def test_data_that_no_site_takes_are_supplied_a_few_times_and_then_missed_with_the_reason(bench):
    base = supply(bench, b"bytes")
    bench.call(reads=[base])
    for tries in range(1, MAX_PUBLISH_FAILURES + 1):
        assert len(bench.supplied) == tries - 1
        bench.graph.supplying(base, "edge")
        bench.graph.unpublished(base.id, "edge", "its disk is full", bench.at)
        bench.act()
    assert base.state is DatumState.FAILED
    assert base.problem.message == "its disk is full"


def test_a_lost_site_that_cannot_publish_does_not_undo_what_another_site_does(bench):
    made = produce(bench)
    reader = bench.call(reads=[made])
    lose(bench, "edge")
    bench.run(made.producer, "cloud")
    assert not bench.place(reader, "far")
    assert bench.published == [("cloud", made)]
    for _ in range(MAX_PUBLISH_FAILURES):
        bench.graph.unpublished(made.id, "edge", "it is not here", bench.at)
    assert made.publishing == "cloud"
    bench.graph.published(made.id, "cloud", "name", bench.at)
    bench.act()
    assert bench.submitted == [reader]


def test_what_a_lost_site_publishes_is_not_taken_for_what_was_made_again(bench):
    made = produce(bench)
    bench.call(reads=[made])
    lose(bench, "edge")
    bench.graph.published(made.id, "edge", "name", bench.at)
    assert made.state is DatumState.PENDING
    assert made.published is None


def test_an_object_of_the_user_is_not_given_up_because_it_could_not_be_read_once(bench):
    named = bench.datum()
    named.is_external, named.published = True, "s3://bucket/key"
    bench.graph.keep(named)
    bench.graph.located(named, 10, ("edge",))
    bench.graph.datum_lost(named, "", bench.at)
    assert named.state is DatumState.READY
    assert bench.call(reads=[named]) in bench.ready


def test_a_task_that_is_run_again_for_its_data_does_not_cancel_its_group_any_more(bench):
    group, made = Group("g"), bench.datum()
    task = Task(next(bench.numbers), "f", (), (made,))
    task.groups = (group,)
    bench.graph.submit(task, bench.at)
    bench.act()
    bench.run(task)
    other = bench.call()
    lose(bench, "edge")
    bench.graph.require(made, bench.at)
    bench.act()
    for _ in range(3):
        bench.place(task, "cloud")
        bench.fail(task, "raised_for_group")
    assert group.cause is None
    assert made.state is DatumState.FAILED
    assert made.problem.task_id == task.id
    assert other.state is TaskState.READY


def test_a_task_that_is_run_again_for_its_data_is_not_undone_by_cancelling_it(bench):
    made = produce(bench)
    newer, after = update(bench, made)
    bench.run(newer)
    lose(bench, "edge")
    bench.graph.require(after, bench.at)
    bench.graph.cancel_producer(after, "the program says so", bench.at)
    bench.act()
    bench.run(made.producer, "cloud")
    bench.run(newer, "cloud")
    assert after.state is DatumState.READY
    assert after.same_as is None
