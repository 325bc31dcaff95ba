"""The graph: what follows from what happened, told by what it commands."""

from itertools import pairwise

import pytest
from graph_bench import Bench

from continuum.model.tasks import DatumState, OnFailure, TaskState


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_task_without_inputs_is_ready_at_once(bench):
    task = bench.call(writes=[bench.datum()])
    assert bench.ready == [task]


def test_a_reader_waits_for_the_producer(bench):
    made = bench.datum()
    producer = bench.call(writes=[made])
    reader = bench.call(reads=[made])
    assert bench.ready == [producer]
    bench.run(producer)
    assert bench.ready == [reader]


def test_a_writer_of_a_new_version_does_not_wait_for_readers_of_the_old_one(bench):
    old, new = bench.base(), bench.datum()
    reader = bench.call(reads=[old])
    writer = bench.call(writes=[new])
    assert bench.ready == [reader, writer]


def test_tasks_that_only_order_ties_wait_for_each_other(bench):
    first = bench.call()
    second = bench.call(after=(first,))
    assert bench.ready == [first]
    bench.run(first)
    assert bench.ready == [second]


def test_order_alone_is_satisfied_by_a_failure_too(bench):
    first = bench.call(on_failure=OnFailure.CANCEL_SUCCESSORS)
    second = bench.call(after=(first,))
    bench.place(first)
    bench.fail(first)
    assert bench.ready == [second]


def test_data_that_lie_elsewhere_are_published_before_the_task_is_submitted(bench):
    made = bench.datum()
    producer = bench.call(writes=[made])
    readers = [bench.call(reads=[made]) for _ in range(2)]
    bench.run(producer, "edge")
    assert [bench.place(reader, "cloud") for reader in readers] == [False, False]
    assert bench.published == [("edge", made)]
    assert readers[0].state is TaskState.MOVING
    bench.graph.published(made.id, "edge", "name", bench.at)
    bench.act()
    assert bench.submitted == readers


def test_small_data_travel_inline_and_are_never_published(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer, "edge", inline=True)
    assert bench.place(reader, "cloud")
    assert bench.published == []


def test_who_has_read_a_published_datum_has_a_copy(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer, "edge")
    bench.place(reader, "cloud")
    bench.graph.published(made.id, "edge", "name", bench.at)
    bench.finish(reader)
    assert made.replicas == ("edge", "cloud")


def test_a_failed_try_is_repeated_twice_and_then_given_up(bench):
    result = bench.datum()
    task = bench.call(writes=[result])
    for _ in range(3):
        bench.place(task)
        bench.fail(task)
    assert task.state is TaskState.FAILED
    assert task.tried == ("edge",) * 3
    assert result.state is DatumState.FAILED
    assert [problem.task_id for problem in bench.graph.failures] == [task.id]
    assert result.problem.tries == 3


@pytest.mark.parametrize(
    ("policy", "state", "counts_as_failure"),
    [
        (OnFailure.FAIL, TaskState.FAILED, True),
        (OnFailure.CANCEL_SUCCESSORS, TaskState.FAILED, False),
        (OnFailure.IGNORE, TaskState.IGNORED, False),
    ],
)
def test_other_policies_decide_at_the_first_failure(bench, policy, state, counts_as_failure):
    task = bench.call(writes=[bench.datum()], on_failure=policy)
    bench.place(task)
    bench.fail(task)
    assert task.state is state
    assert bool(bench.graph.failures) is counts_as_failure


def test_successors_of_a_failure_are_cancelled_transitively_and_name_its_root(bench):
    first, second = bench.datum(), bench.datum()
    root = bench.call(writes=[first], on_failure=OnFailure.CANCEL_SUCCESSORS)
    middle = bench.call(reads=[first], writes=[second])
    last = bench.call(reads=[second])
    other = bench.call()
    bench.place(root)
    bench.fail(root)
    assert [middle.state, last.state, other.state] == [
        TaskState.CANCELLED,
        TaskState.CANCELLED,
        TaskState.READY,
    ]
    assert second.problem.task_id == root.id


def test_a_task_called_after_the_failure_of_its_input_is_cancelled_too(bench):
    made = bench.datum()
    root = bench.call(writes=[made], on_failure=OnFailure.CANCEL_SUCCESSORS)
    bench.place(root)
    bench.fail(root)
    late = bench.call(reads=[made])
    assert late.state is TaskState.CANCELLED
    assert f"task {root.id}" in bench.records[-1].reason


def test_the_policy_fail_stops_the_run(bench):
    root, other = bench.call(on_failure=OnFailure.FAIL), bench.call()
    bench.place(other)
    bench.place(root)
    bench.fail(root)
    assert other.state is TaskState.CANCELLED
    assert bench.graph.fatal.task_id == root.id
    assert bench.call().state is TaskState.CANCELLED


def test_an_ignored_failure_gives_defaults_and_keeps_what_it_should_have_changed(bench):
    old, new, result = bench.base(b"old"), bench.datum(), bench.datum()
    task = bench.call(reads=[old], writes=[new, result], on_failure=OnFailure.IGNORE)
    new.previous, task.defaults = old, {1: b"default"}
    reader = bench.call(reads=[new, result])
    bench.place(task)
    bench.fail(task)
    assert (new.inline, result.inline) == (b"old", b"default")
    assert bench.ready == [reader]


def test_an_ignored_failure_keeps_large_data_under_their_old_name_until_nobody_needs_them(bench):
    old, new = bench.datum(), bench.datum()
    bench.run(bench.call(writes=[old]))
    task = bench.call(reads=[old], writes=[new], on_failure=OnFailure.IGNORE)
    new.previous = old
    bench.place(task)
    bench.fail(task)
    bench.graph.release(old)
    bench.act()
    assert bench.dropped == []
    assert new.source is old
    bench.graph.release(new)
    bench.act()
    assert bench.dropped == [old.id]


def test_events_of_an_older_try_are_ignored(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task)
    bench.fail(task)
    bench.place(task)
    assert bench.graph.finished(task.id, 1, [], bench.at) is None
    assert bench.graph.failed(task.id, 1, "raised", "", bench.at) is None
    assert task.state is TaskState.SUBMITTED


def test_data_that_nobody_needs_are_dropped(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer)
    bench.graph.release(made)
    bench.act()
    assert bench.dropped == []
    bench.run(reader)
    assert bench.dropped == [made.id]


def test_a_result_that_was_forgotten_before_it_was_there_is_dropped_when_it_comes(bench):
    made = bench.datum(held=False)
    bench.run(bench.call(writes=[made]))
    assert bench.dropped == [made.id]


def test_a_lost_site_has_its_tasks_run_elsewhere_without_counting_a_try(bench):
    task = bench.call(writes=[bench.datum()])
    bench.place(task, "edge")
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert bench.ready == [task]
    assert task.failures == 0
    assert task.tried == ("edge",)


def test_a_started_task_that_may_not_be_repeated_fails_with_its_site(bench):
    task = bench.call(writes=[bench.datum()], on_failure=OnFailure.CANCEL_SUCCESSORS)
    bench.place(task, "edge")
    bench.graph.started(task.id, task.attempt, bench.at)
    bench.graph.site_lost("edge", "silent", bench.at)
    assert task.state is TaskState.FAILED


def test_data_that_lay_only_at_a_lost_site_are_made_again_when_a_task_needs_them(bench):
    first, second = bench.datum(), bench.datum()
    one, two = bench.call(writes=[first]), bench.call(reads=[first], writes=[second])
    bench.run(one, "edge")
    bench.run(two, "edge")
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert bench.ready == []  # nobody needs them yet
    reader = bench.call(reads=[second])
    assert bench.ready == [one]  # as far back as needed
    bench.run(one, "cloud")
    bench.run(two, "cloud")
    assert bench.ready == [reader]


def test_a_waiting_task_whose_other_input_is_lost_waits_for_it_again(bench):
    lost, slow = bench.datum(), bench.datum()
    maker, slower = bench.call(writes=[lost]), bench.call(writes=[slow])
    reader = bench.call(reads=[lost, slow])
    bench.run(maker, "edge")
    bench.place(slower, "cloud")
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert bench.ready == [maker]
    bench.finish(slower)
    assert reader.state is TaskState.WAITING
    bench.run(maker, "cloud")
    assert bench.ready == [reader]


def test_published_data_survive_their_site(bench):
    made = bench.datum()
    producer = bench.call(writes=[made])
    bench.place(producer, "edge")
    bench.finish(producer, published="name")
    bench.graph.site_lost("edge", "silent", bench.at)
    reader = bench.call(reads=[made])
    assert bench.ready == [reader]


def test_a_publication_that_was_under_way_at_a_lost_site_is_made_good(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer, "edge")
    bench.place(reader, "cloud")
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert reader.state is TaskState.WAITING
    bench.run(producer, "cloud")
    assert bench.place(reader, "cloud")


def test_an_input_that_a_site_cannot_get_is_made_again(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer)
    bench.place(reader)
    bench.fail(reader, "input_lost", made.id)
    assert bench.ready == [producer]
    bench.run(producer)
    bench.run(reader)
    assert reader.state is TaskState.FINISHED


def test_a_datum_that_is_lost_again_and_again_is_given_up(bench):
    made = bench.datum()
    producer, reader = bench.call(writes=[made]), bench.call(reads=[made])
    bench.run(producer)
    for _ in range(20):
        if reader.state is not TaskState.READY:
            break
        bench.place(reader)
        bench.fail(reader, "input_lost", made.id)
        if producer in bench.ready:
            bench.run(producer)
    assert reader.state in {TaskState.FAILED, TaskState.CANCELLED}


def test_data_of_the_program_are_supplied_again_if_it_still_has_them(bench):
    base = bench.datum()
    base.origin = "file"
    bench.graph.keep(base)
    reader = bench.call(reads=[base])
    bench.graph.published(base.id, "edge", None, bench.at)
    bench.act()
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert bench.supplied == [base]
    bench.graph.published(base.id, "cloud", None, bench.at)
    bench.act()
    assert reader.state is TaskState.READY


def test_data_of_the_program_that_are_gone_fail_who_needs_them_and_say_why(bench):
    base = bench.datum()
    bench.graph.keep(base)
    reader = bench.call(reads=[base])
    bench.graph.published(base.id, "edge", None, bench.at)
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.act()
    assert reader.state is TaskState.CANCELLED
    assert "main program" in base.problem.message


def test_a_chain_of_any_length_fails_without_recursion(bench):
    data = [bench.datum() for _ in range(5_000)]
    root = bench.call(writes=[data[0]], on_failure=OnFailure.CANCEL_SUCCESSORS)
    last = root
    for before, after in pairwise(data):
        last = bench.call(reads=[before], writes=[after])
    bench.place(root)
    bench.fail(root)
    assert last.state is TaskState.CANCELLED


def test_a_long_chain_is_made_again_without_recursion(bench):
    data = [bench.datum() for _ in range(3_000)]
    tasks = [bench.call(writes=[data[0]])]
    tasks += [bench.call(reads=[a], writes=[b]) for a, b in pairwise(data)]
    for task in tasks:
        bench.run(task, "edge")
    bench.graph.site_lost("edge", "silent", bench.at)
    bench.graph.require(data[-1], bench.at)
    bench.act()
    for task in tasks:
        bench.run(task, "cloud")
    assert data[-1].state is DatumState.READY


def test_the_counts_of_states_add_up(bench):
    tasks = [bench.call() for _ in range(3)]
    bench.run(tasks[0])
    bench.place(tasks[1])
    counts = bench.graph.counts["f"]
    assert counts[TaskState.FINISHED] == counts[TaskState.SUBMITTED] == counts[TaskState.READY] == 1
    assert sum(counts.values()) == 3
