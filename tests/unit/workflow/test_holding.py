"""What a site holds of a run is told to the driver that resumes it, in that driver's own numbers."""

import msgspec
import pytest

from continuum.workflow.holding import MOST_FINISHED, HeldTask, Ledger
from continuum.workflow.messages import (
    DatumPublished,
    FailureKind,
    Output,
    Produced,
    TaskFinished,
    TaskSpec,
    TaskStarted,
    failed_task,
)


def spec(number, key=b"", datum="d", **changes):
    outputs = (Output(datum=datum),)
    task = TaskSpec(task_id=number, attempt=1, function="f", call=b"", outputs=outputs, key=key)
    return msgspec.structs.replace(task, **changes)


def finished(number, datum="d", inline=None):
    made = Produced(datum=datum, size_bytes=1, inline=inline)
    return TaskFinished(task_id=number, attempt=1, outputs=(made,))


@pytest.fixture
def ledger():
    return Ledger(0)


def resume(ledger, incarnation=1, here=("d",)):
    return ledger.pass_on(incarnation, lambda datum: datum in here)


def test_for_the_first_driver_all_passes_as_it_is(ledger):
    task = spec(7, b"key")
    assert ledger.take(task) == (task, None)
    events = [TaskStarted(task_id=7, attempt=1, at=0.0), finished(7), DatumPublished(datum="d")]
    assert ledger.tell(events) == events
    assert ledger.numbers_of([7]) == [7]


def test_what_has_finished_is_not_executed_for_the_next_driver_but_told(ledger):
    ledger.take(spec(7, b"key"))
    ledger.tell([finished(7)])
    assert resume(ledger) == [HeldTask(b"key", ("d",))]
    assert ledger.take(spec(3, b"key")) == (None, finished(3))


def test_what_runs_goes_on_and_is_told_to_who_asks_for_it(ledger):
    ledger.take(spec(7, b"key"))
    assert resume(ledger) == [HeldTask(b"key", ("d",))]
    assert ledger.take(spec(3, b"key")) == (None, None)
    assert ledger.numbers_of([3]) == [7]
    assert ledger.tell([finished(7)]) == [finished(3)]


def test_what_finishes_before_anybody_asks_is_told_then(ledger):
    ledger.take(spec(7, b"key"))
    resume(ledger)
    assert ledger.tell([TaskStarted(task_id=7, attempt=1, at=0.0), finished(7)]) == []
    assert ledger.take(spec(3, b"key")) == (None, finished(3))


def test_other_tasks_of_the_next_driver_have_numbers_of_their_own(ledger):
    ledger.take(spec(7, b"old"))
    resume(ledger)
    left, answer = ledger.take(spec(7, b"new"))
    assert answer is None
    assert left.task_id != 7
    assert ledger.numbers_of([7]) == [left.task_id]
    assert ledger.tell([finished(left.task_id), finished(7)]) == [finished(7)]


def test_what_failed_while_nobody_listened_is_executed_again(ledger):
    task = spec(7, b"key")
    ledger.take(task)
    resume(ledger)
    assert ledger.tell([failed_task(task, FailureKind.RAISED, "no")]) == []
    left, answer = ledger.take(spec(3, b"key"))
    assert left is not None
    assert answer is None


def test_a_result_that_is_gone_is_not_held_and_a_small_one_needs_no_file(ledger):
    for number, key in enumerate((b"gone", b"small")):
        ledger.take(spec(number, key, key.decode()))
    ledger.tell([finished(0, "gone"), finished(1, "small", b"value")])
    assert [held.key for held in resume(ledger, here=())] == [b"small"]


def test_another_try_and_other_outputs_are_executed(ledger):
    for number, key in enumerate((b"a", b"b")):
        ledger.take(spec(number, key))
        ledger.tell([finished(number)])
    resume(ledger)
    assert ledger.take(spec(3, b"a", attempt=2))[0] is not None
    assert ledger.take(spec(4, b"b", datum="other"))[0] is not None


def test_what_is_held_is_held_for_the_driver_after_the_next_too(ledger):
    for number, key in enumerate((b"asked", b"not asked", b"runs")):
        ledger.take(spec(number, key))
    ledger.tell([finished(0), finished(1)])
    resume(ledger)
    ledger.take(spec(10, b"asked"))
    ledger.take(spec(11, b"runs"))
    assert {held.key for held in resume(ledger, 2)} == {b"asked", b"not asked", b"runs"}
    assert ledger.tell([finished(2)]) == []
    assert ledger.take(spec(12, b"runs")) == (None, finished(12))


def test_only_the_last_that_finished_are_held(ledger):
    for number in range(MOST_FINISHED + 5):
        ledger.take(spec(number, b"%d" % number))
        ledger.tell([finished(number)])
    assert len(resume(ledger)) == MOST_FINISHED
