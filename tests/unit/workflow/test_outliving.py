"""What an agent writes down of a run is what the next one needs, wherever the writing was cut off."""

from hypothesis import given
from hypothesis import strategies as st

from continuum.testing.benches import run_spec
from continuum.workflow.messages import FailureKind, FunctionCode, TaskFailed, TaskFinished, TaskSpec
from continuum.workflow.outliving import Acknowledged, Began, Put, RunLog, Sent, Took, restore
from continuum.workflow.posting import Execute, Learn, encode_item

RUN = run_spec()
CODE = FunctionCode(function="f", name="f", pickled=b"f")


def execute(task_id, attempt=1):
    return Execute(TaskSpec(task_id=task_id, attempt=attempt, function="f", call=b""))


def finished(task_id, attempt=1):
    return encode_item(TaskFinished(task_id=task_id, attempt=attempt))


def failed(task_id):
    failure = TaskFailed(task_id=task_id, attempt=1, kind=FailureKind.RAISED, message="no")
    return encode_item(failure)


def write(file, *records):
    log = RunLog(file)
    for record in (Began(RUN, "driver"), *records):
        log.add(record)
    log.close()
    return restore(file)


def test_tasks_without_an_answer_are_to_be_done_and_functions_are_known(tmp_path):
    restored = write(
        tmp_path / "r",
        Took(1, (Learn(CODE), execute(1), execute(2))),
        Took(2, (execute(3),)),
        Put([finished(1), failed(2)]),
        Took(3, (execute(2, attempt=2),)),
    )
    assert (restored.run, restored.owner, restored.taken) == (RUN, "driver", 3)
    assert restored.commands == [Learn(CODE), execute(3), execute(2, attempt=2)]


def test_what_was_under_way_to_the_driver_is_sent_again_as_it_was(tmp_path):
    items = [finished(each) for each in (1, 2, 3, 4)]
    restored = write(tmp_path / "r", Put(items), Sent(1, 1), Acknowledged(), Sent(2, 2))
    assert (restored.sent, restored.count, restored.unsent) == (2, 2, items[1:])
    restored = write(tmp_path / "s", Put(items), Sent(1, 3), Acknowledged())
    assert (restored.sent, restored.count, restored.unsent) == (1, 0, items[3:])


@given(st.integers(min_value=0, max_value=400))
def test_a_file_that_was_cut_off_anywhere_tells_what_came_before(tmp_path_factory, cut_bytes):
    file = tmp_path_factory.mktemp("cut") / "r"
    write(file, Took(1, (execute(1),)), Took(2, (execute(2),)), Put([finished(1)]))
    data = file.read_bytes()
    file.write_bytes(data[: max(0, len(data) - cut_bytes)])
    restored = restore(file)
    assert restored is None or restored.commands in ([], [execute(1)], [execute(1), execute(2)], [execute(2)])


def test_a_file_that_grows_is_written_anew_with_what_still_counts(tmp_path):
    log = RunLog(tmp_path / "r")
    log.add(Began(RUN, "driver"))
    log._limit_bytes = 2000
    for number in range(1, 101):
        log.add(Took(number, (execute(number),)))
        log.add(Put([finished(number)]))
        log.add(Sent(number, 1))
        log.add(Acknowledged())
        log._limit_bytes = 2000
    log.close()
    assert (tmp_path / "r").stat().st_size < 4000
    restored = restore(tmp_path / "r")
    assert (restored.taken, restored.sent, restored.commands, restored.unsent) == (100, 100, [], [])


def test_nothing_is_restored_from_nothing(tmp_path):
    assert restore(tmp_path / "r") is None
    RunLog(tmp_path / "r").remove()
    assert not (tmp_path / "r").exists()
