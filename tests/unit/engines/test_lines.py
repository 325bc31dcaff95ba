"""The order in which tasks wait, and what goes together."""

import pytest

from continuum.workflow.engines.batches import MAX_BATCH_BYTES, Durations
from continuum.workflow.engines.lines import TaskLine
from continuum.workflow.messages import TaskSpec


@pytest.fixture
def line():
    durations = Durations()
    for name in ("quick", "also-quick"):
        durations.add(name, 0.0001)
    durations.add("slow", 1.0)
    return TaskLine(durations)


def add(line, *numbers, function="quick", **changes):
    for number in numbers:
        line.add(TaskSpec(task_id=number, attempt=1, function=function, **({"call": b""} | changes)))


def take(line, workers=1, load_s=0.0):
    return [task.task_id for task in line.take_batch(workers, load_s)[0]]


def test_tasks_go_as_they_came_and_priority_first(line):
    add(line, 1, 2)
    add(line, 3, priority=True)
    assert len(line) == 3
    assert line.head.task_id == 3
    assert [take(line), take(line)] == [[3], [1, 2]]
    assert line.head is None


def test_what_did_not_begin_goes_first_again(line):
    add(line, 1, 2, 3, 4)
    tasks, _ = line.take_batch(1, 0.0)
    line.put_back(tasks[:2])
    add(line, 5)
    assert take(line) == [1, 2, 5]


def test_quick_functions_share_a_batch_and_others_go_alone(line):
    add(line, 1)
    add(line, 2, function="also-quick")
    add(line, 3, function="slow")
    add(line, 4, function="unknown")
    add(line, 5, 6)
    assert [take(line) for _ in range(4)] == [[1, 2], [3], [4], [5, 6]]


@pytest.mark.parametrize(
    "changes",
    [
        {"time_out_s": 1.0},
        {"memory_bytes": 5},
        {"computing_units": 2},
        {"call": b"x" * (MAX_BATCH_BYTES + 1)},
    ],
)
def test_a_task_with_needs_of_its_own_does_not_join_a_batch(line, changes):
    add(line, 1, 2)
    add(line, 3, **changes)
    add(line, 4)
    assert take(line)[-1] == 2


def test_several_workers_share_what_is_there(line):
    add(line, *range(1, 11))
    assert take(line, workers=2) == [1, 2, 3, 4, 5]


def test_tasks_can_be_taken_out_of_the_line(line):
    add(line, 1, 2, 3)
    add(line, 4, priority=True)
    assert [task.task_id for task in line.remove({2, 4, 9})] == [4, 2]
    assert [task.task_id for task in line.clear()] == [1, 3]
    assert len(line) == 0
