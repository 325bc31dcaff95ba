"""Groups of tasks: waited for together, cancelled together, and what is left behind."""

import threading
from pathlib import Path

import grouped
import pytest

from continuum.model.errors import NotFoundError
from continuum.testing import wait_until
from continuum.workflow import (
    TaskFailedError,
    TaskGroupError,
    barrier,
    barrier_group,
    cancel_group,
    group,
    open_file,
    wait_on,
)
from continuum.workflow.pycompss.api.api import TaskGroup, compss_barrier_group, compss_cancel_group
from continuum.workflow.pycompss.api.exceptions import COMPSsException

pytestmark = pytest.mark.timeout(60)


def test_the_end_of_a_group_waits_for_its_tasks_and_for_those_of_groups_inside(run):
    with group("outer"):
        outer = grouped.double(1)
        with group("inner", waits=False):
            inner = grouped.double(2)
    assert {str(each._variable.datum.state) for each in (outer, inner)} == {"ready"}
    assert wait_on([outer, inner]) == [2, 4]


def test_what_a_task_raises_for_its_group_comes_out_of_the_group_either_way(either_way):
    with pytest.raises(TaskGroupError, match=r"[5-9] is too large"), group("numbers"):  # noqa: PT012
        for number in range(10):
            grouped.object_to(number, 5)


def test_a_pycompss_program_catches_its_exception_outside_its_task_group(either_way):
    with pytest.raises(COMPSsException) as told, TaskGroup("pycompss"):
        grouped.object_as_pycompss(8)
    assert (str(told.value), told.value.message) == ("8 found!", "8 found!")


def test_an_asynchronous_group_tells_at_its_barrier(run):
    for name in ("one", "two"):
        with TaskGroup(f"async-{name}", implicit_barrier=False):
            grouped.object_as_pycompss(name)
    for name in ("one", "two"):
        with pytest.raises(COMPSsException, match=f"{name} found"):
            compss_barrier_group(f"async-{name}")
    barrier()  # everything was told


def test_tasks_after_the_one_that_objected_do_not_run(run, tmp_path):
    path = str(tmp_path / "never")
    with pytest.raises(TaskGroupError, match="no more"), group("stopping"):  # noqa: PT012
        stuck = grouped.wait_for(path)
        wait_until(Path(path + ".started").exists)
        grouped.append_and_object([])
    with pytest.raises(TaskFailedError, match=r"was cancelled.*its group stopping failed") as told:
        wait_on(stuck)
    assert told.value.kind == "cancelled"


def test_tasks_called_in_a_cancelled_group_are_cancelled_too(run):
    with group("closed", waits=False):
        cancel_group("closed")
        late = grouped.double(1)
    with pytest.raises(TaskFailedError, match="its group closed is cancelled"):
        wait_on(late)
    with group("closed"):  # a new one of the same name
        assert wait_on(grouped.double(1)) == 2


def test_cancelling_a_group_stops_what_runs_and_leaves_others_alone(run, tmp_path):
    path = str(tmp_path / "never")
    other = grouped.double(4)
    with TaskGroup("cancelled", implicit_barrier=False):
        stuck = grouped.wait_for(path)
        after = grouped.double(stuck)
    wait_until(Path(path + ".started").exists)
    compss_cancel_group("cancelled")
    compss_barrier_group("cancelled")
    for each in (stuck, after):
        with pytest.raises(TaskFailedError, match="the program cancelled its group"):
            wait_on(each)
    assert wait_on(other) == 8


def test_a_failed_group_leaves_objects_and_files_as_they_were_before_its_unfinished_tasks(run, tmp_path):
    values, path = [], str(tmp_path / "file.txt")
    Path(path).write_text("start")
    with pytest.raises(TaskGroupError), group("half"):  # noqa: PT012
        grouped.append(values, 1)
        wait_on(values, mode="r")
        grouped.append_and_object(values)
        grouped.append(values, 2)
    grouped.append(values, 3)
    assert wait_on(values) == [1, 3]
    with pytest.raises(COMPSsException), TaskGroup("file"):  # noqa: PT012
        grouped.extend_and_object(path)
        grouped.extend(path, " lost")
    grouped.extend(path, " end")
    with open_file(path) as file:
        assert file.read() == "start end"


def test_what_a_task_outside_still_has_to_write_is_what_a_cancelled_task_leaves(run, tmp_path):
    gate, values = tmp_path / "gate", []
    grouped.append_when(values, str(gate))
    with group("early", waits=False):
        grouped.append(values, "never")
        grouped.append(values, "nor this")
    cancel_group("early")
    barrier_group("early")
    gate.touch()
    grouped.append(values, "on")
    assert wait_on(values) == ["late", "on"]


def test_a_result_asked_for_inside_the_group_does_not_hide_what_was_raised(run):
    with pytest.raises(COMPSsException, match="3 found"), TaskGroup("asked"):
        wait_on(grouped.object_as_pycompss(3))


def test_an_ordinary_failure_comes_out_of_its_group_as_one(run):
    with pytest.raises(TaskFailedError, match="an ordinary failure"), group("ordinary"):
        grouped.fail()
    with group("another"):
        grouped.double(1)


def test_an_error_of_the_program_cancels_our_groups(run, tmp_path):
    path = str(tmp_path / "never")
    with pytest.raises(ZeroDivisionError), group("broken"):  # noqa: PT012
        stuck = grouped.wait_for(path)
        raise ZeroDivisionError
    with pytest.raises(TaskFailedError, match="cancelled"):
        wait_on(stuck)


def test_ignored_failures_do_not_concern_the_group(run):
    with group("ignoring"):
        ignored = grouped.object_ignored()
    assert wait_on(ignored) is None


def test_an_exception_for_a_group_outside_of_any_is_a_failure(run):
    with pytest.raises(TaskFailedError, match="7 found"):
        wait_on(grouped.object_as_pycompss(7))


def test_groups_that_do_not_exist_are_refused(run):
    with pytest.raises(NotFoundError, match="there is no group 'nowhere'"):
        barrier_group("nowhere")


def test_a_group_belongs_to_its_thread(run):
    results = []

    def elsewhere():
        results.append(grouped.double(1))

    with group("mine", waits=False):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        cancel_group("mine")
        barrier_group("mine")
    assert wait_on(results[0]) == 2


def test_an_engine_survives_groups_that_cancel_themselves_again_and_again(run):
    for number in range(60):
        with pytest.raises(TaskGroupError), group(f"again-{number}"):  # noqa: PT012
            for value in range(10):
                grouped.object_to(value, 5)
    assert wait_on(grouped.double(1)) == 2
