"""What programs mean: the same in a run, where tasks are executed by workers, and as plain Python."""

import numpy as np
import programs
import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow import (
    TaskFailedError,
    barrier,
    delete_file,
    delete_object,
    open_file,
    wait_on,
    wait_on_file,
)

pytestmark = pytest.mark.timeout(60)


# ---- the same either way ----


def test_a_task_gives_its_result(either_way):
    assert wait_on(programs.add(1, b=2)) == 3


def test_results_can_be_arguments(either_way):
    assert wait_on(programs.add(programs.add(1, 2), programs.add(3, b=4))) == 10


def test_a_task_with_two_results_gives_two(either_way):
    quotient, rest = programs.divide(17, 5)
    assert wait_on(quotient, rest) == [3, 2]


def test_a_task_without_results_gives_none(either_way):
    assert programs.nothing(1) is None
    barrier()


def test_results_are_found_in_lists_tuples_and_dicts_of_any_depth(either_way):
    one = programs.add(1)
    assert wait_on(programs.nested({"a": (one, 2), "b": [0, {"c": one}]})) == {"sum": 2, "type": "tuple"}
    assert wait_on({"x": [one, (one, {"y": one})], "z": 3}) == {"x": [1, (1, {"y": 1})], "z": 3}


def test_a_collection_of_results_is_reduced(either_way):
    assert wait_on(programs.total([programs.add(number) for number in range(10)])) == 45


def test_changes_in_place_happen_in_the_order_of_the_calls(either_way):
    values = []
    for number in range(5):
        programs.append(values, number)
    programs.append_any_order(values, programs.add(5))
    assert wait_on(values) == [0, 1, 2, 3, 4, 5]


def test_a_reader_called_before_a_change_sees_the_old_version(either_way):
    values = [1, 2]
    before = programs.total(values)
    programs.append(values, 3)
    after = programs.total(values)
    assert wait_on([before, after]) == [3, 6]


def test_an_out_parameter_is_filled(either_way):
    target = [9]
    programs.fill(target)
    assert wait_on(programs.total(target)) == 6
    assert wait_on(target) == [1, 2, 3]


def test_methods_change_their_object_and_may_be_called_on_results(either_way):
    counter = programs.Counter(1)
    counter.add(2)
    counter.add(programs.add(3))
    assert wait_on(counter.get()) == 6
    assert wait_on(counter.add_and_get(4)) == 10
    assert wait_on(counter).value == 10
    made = programs.make_counter(5)
    made.add(1)
    assert wait_on(made.get()) == 6


def test_class_methods_and_static_methods_are_tasks_too(either_way):
    assert wait_on(programs.Counter.kind_of()) == "counter"
    assert wait_on(programs.Counter(1).kind_of()) == "counter"
    assert wait_on(programs.Counter.zero()) == 0


def test_files_follow_their_versions(either_way, tmp_path):
    path = str(tmp_path / "text.txt")
    programs.write(path, "one")
    first = programs.read(path)
    programs.extend(path, " two")
    second = programs.read(path)
    assert wait_on([first, second]) == ["one", "one two"]
    with open_file(path) as file:
        assert file.read() == "one two"


def test_a_file_of_the_program_is_read(either_way, tmp_path):
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_text("abc")
    large.write_text("x" * 100_000)
    assert wait_on(programs.read(small)) == "abc"
    assert wait_on(programs.read(str(large))) == "x" * 100_000
    assert wait_on(programs.name_of(large)) == "large.txt"
    assert wait_on(programs.join([str(small), str(large)])) == "abc" + "x" * 100_000


def test_what_the_program_writes_between_tasks_counts(either_way, tmp_path):
    path = tmp_path / "text.txt"
    programs.write(path, "task")
    with open_file(path, "a") as file:
        file.write(" program")
    assert wait_on(programs.read(path)) == "task program"
    programs.extend(path, " task")
    wait_on_file(path)
    path.write_text(path.read_text() + " again")
    assert wait_on(programs.read(path)) == "task program task again"


def test_a_deleted_file_is_gone(either_way, tmp_path):
    path = tmp_path / "text.txt"
    programs.write(path, "text")
    wait_on_file(path)
    assert delete_file(path)
    assert not path.exists()


def test_large_arrays_travel_and_what_a_task_does_to_an_argument_harms_nobody(either_way):
    array = np.arange(100_000.0)
    doubled = programs.scale(array.copy(), 2)
    assert wait_on(doubled)[-1] == 199_998.0
    made = programs.ones(50_000)
    programs.increase(made)
    programs.increase(made)
    assert wait_on(made).sum() == 150_000


def test_a_result_stays_what_it_was_when_a_task_changes_its_copy(run):
    made = programs.ones(50_000)
    scaled = [wait_on(programs.scale(made, factor)).sum() for factor in (2, 3)]
    assert scaled == [100_000, 150_000]
    assert wait_on(made).sum() == 50_000


def test_an_ignored_failure_gives_its_default(either_way):
    assert wait_on(programs.fail_with_default()) == 7


def test_a_task_called_inside_a_task_is_a_plain_call(either_way):
    assert wait_on(programs.call_another(1)) == 2


def test_what_is_no_result_is_waited_for_as_it_is(either_way):
    assert wait_on(3) == 3
    assert wait_on([1, "a", None]) == [1, "a", None]
    with pytest.raises(InvalidInputError, match="mode"):
        wait_on(3, mode="x")


# ---- only in a run ----


def test_arguments_are_taken_as_they_are_at_the_call(run):
    values = [1, 2]
    later = programs.total(values)
    values.append(100)
    array = np.ones(10_000)
    scaled = programs.scale(array, 2)
    array[:] = 0
    assert wait_on(later) == 3
    assert wait_on(scaled).sum() == 20_000


def test_a_value_that_was_waited_for_and_then_changed_is_passed_as_it_is(run):
    value = wait_on(programs.ones(10_000))
    value += 1
    assert wait_on(programs.scale(value, 1)).sum() == 20_000


def test_a_large_value_that_has_not_changed_is_stored_once(run):
    known = set(run.driver.graph.stored)
    array = np.arange(50_000.0)
    wait_on([programs.scale(array, factor) for factor in range(3)])
    new = [datum for name, datum in run.driver.graph.stored.items() if name not in known]
    assert [datum.size_bytes > array.nbytes for datum in new if datum.producer is None] == [True]


def test_a_large_result_given_back_is_recognised(run):
    made = programs.ones(20_000)
    value = wait_on(made)
    known = set(run.driver.graph.stored)
    assert wait_on(programs.scale(value, 2)).sum() == 40_000
    new = [run.driver.graph.stored[name] for name in set(run.driver.graph.stored) - known]
    assert not [datum for datum in new if datum.producer is None]


def test_a_value_that_is_only_read_is_known_without_looking(run):
    made = programs.ones(20_000)
    value = wait_on(made, mode="r")
    del made
    assert wait_on(programs.scale(value, 3)).sum() == 60_000


def test_a_failed_task_raises_when_its_result_is_waited_for(run):
    with pytest.raises(TaskFailedError) as caught:
        wait_on(programs.fail("deep trouble"))
    error = caught.value
    assert (error.function, error.site, error.kind) == ("fail", "local", "raised")
    assert "after 3 tries: ValueError: deep trouble" in error.message
    assert isinstance(error.__cause__, ValueError)
    assert "in fail" in error.traceback
    assert "continuum/workflow" not in error.traceback


def test_the_result_behind_a_failure_is_no_silent_none(run):
    failed = programs.fail_and_cancel()
    behind = programs.add(programs.add(failed, 1), 2)
    with pytest.raises(
        TaskFailedError, match=r"the result of task \d+ \(add\) cannot be had: task \d+ \(fail_and"
    ):
        wait_on(behind)


def test_results_of_other_tasks_are_kept(run):
    good = [programs.add(number) for number in range(5)]
    programs.fail_and_cancel()
    more = programs.total(good)
    assert wait_on(more) == 10


def test_an_exception_that_cannot_travel_is_told_all_the_same(run):
    with pytest.raises(TaskFailedError, match="cannot travel"):
        wait_on(programs.fail_with_unpicklable())


def test_a_barrier_raises_a_failure_once(run):
    programs.fail("seen by nobody")
    with pytest.raises(TaskFailedError, match="seen by nobody"):
        barrier()
    barrier()


def test_a_failed_task_is_tried_again(run, tmp_path):
    assert wait_on(programs.fail_twice(str(tmp_path))) == 2


def test_what_an_ignored_failure_should_have_changed_stays(run):
    values = [1]
    programs.append(values, 2)
    programs.fail_in_place(values)
    programs.append(values, 3)
    assert wait_on(values) == [1, 2, 3]


def test_a_task_that_takes_too_long_is_stopped(run):
    with pytest.raises(TaskFailedError) as caught:
        wait_on(programs.sleep(20))
    assert caught.value.kind == "timed_out"


def test_a_task_with_two_units_has_two_threads(run):
    assert wait_on(programs.threads()) == 2


def test_a_task_that_no_site_can_run_says_why(run):
    with pytest.raises(TaskFailedError, match="needs 1000 computing units, has 2"):
        wait_on(programs.too_large())
    run.untold_failures()


def test_a_file_that_is_not_there_is_refused_at_the_call(run):
    with pytest.raises(NotFoundError, match="nowhere"):
        programs.read("/nowhere/at/all.txt")


def test_an_object_of_the_store_needs_a_store(run):
    with pytest.raises(TaskFailedError, match="no store"):
        wait_on(programs.read("s3://bucket/key"))


def test_a_path_must_be_a_path(run):
    with pytest.raises(InvalidInputError, match="parameter path must be a path"):
        programs.read(3)


def test_an_argument_that_cannot_travel_is_refused_at_the_call(run):
    import threading  # noqa: PLC0415

    with pytest.raises(InvalidInputError, match="an argument of the task add cannot be serialised"):
        programs.add(threading.Lock())


def test_a_result_that_was_deleted_cannot_be_used(run):
    made = programs.add(1)
    assert delete_object(made)
    assert not delete_object([])
    with pytest.raises(InvalidInputError, match="deleted"):
        programs.add(made)


def test_a_result_is_no_value_before_it_was_waited_for(run):
    made = programs.add(1)
    with pytest.raises(AttributeError, match="wait_on"):
        made.anything  # noqa: B018
    with pytest.raises(TypeError):
        made + 1
    assert "future" in repr(made)


def test_data_that_nobody_needs_are_forgotten(run):
    made = programs.ones(30_000)
    wait_on(programs.scale(made, 1))
    name = made._variable.datum.id
    assert name in run.driver.graph.stored
    del made
    barrier()
    assert name not in run.driver.graph.stored


def test_many_small_tasks_and_long_chains_finish(run):
    assert wait_on(programs.total([programs.add(number, 1) for number in range(2_000)])) == 2_001_000
    value = 0
    for _ in range(500):
        value = programs.add(value, 1)
    assert wait_on(value) == 500


def test_an_urgent_task_overtakes_what_waits(run):
    slow = [programs.add(number) for number in range(3_000)]
    assert wait_on(programs.urgent(5)) == 5
    wait_on(slow)
