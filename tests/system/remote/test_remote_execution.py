"""Tasks at sites behind the backbone: a real nats-server, a real store, agents in processes of their own."""

import io
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from worlds import Slot

from continuum.workflow.messages import (
    DatumBrought,
    DatumKind,
    DatumPublished,
    FailureKind,
    Input,
    ObjectName,
    Output,
    OutputsCompleted,
    TaskStarted,
)
from continuum.workflow.serialising import dumps, load

pytestmark = pytest.mark.system


def test_tasks_run_at_a_site_and_their_results_come_back(world):
    world.start_agent()
    executor = world.join()
    assert executor.computing_units == 2

    def add(a, b):
        return a + b

    def fail():
        raise ValueError("wrong")

    tasks = [world.submit(add, i, 1) for i in range(50)]
    assert [world.value(task) for task in tasks] == list(range(1, 51))
    failure = world.wait(world.submit(fail))
    assert failure.kind is FailureKind.RAISED
    assert "in fail" in failure.traceback
    assert isinstance(load(failure.exception), ValueError)
    world.executors["edge"].close()
    assert world.data_folders() == []


def test_large_results_stay_at_their_site_until_somebody_needs_them(world):
    world.start_agent("edge")
    world.start_agent("cloud")
    world.join("edge", "cloud")

    def make(n):
        return np.arange(float(n))

    def total(array):
        return float(array.sum())

    made = world.submit(make, 200_000)
    produced = world.wait(made).outputs[0]
    assert produced.inline is None
    assert produced.published is None
    here = world.submit(total, Slot(0), inputs=(Input(datum=produced.datum),))
    name = ObjectName("continuum-runs", f"{world.run_id}/{produced.datum}")
    world.executors["edge"].publish([(produced.datum, name)])
    world.wait_for(lambda: any(isinstance(event, DatumPublished) for _, event in world.events))
    there = [
        world.submit(total, Slot(0), site="cloud", inputs=(Input(datum=produced.datum, published=name),))
        for _ in range(5)
    ]
    assert {world.value(task) for task in [here, *there]} == {float(np.arange(200_000.0).sum())}
    moved = [world.wait(task).move_s for task in there]
    assert max(moved) > 0
    assert np.array_equal(world.value(made), np.arange(200_000.0))


def test_data_are_brought_to_a_site_ahead_of_need(world):
    world.start_agent("edge")
    world.start_agent("cloud")
    world.join("edge", "cloud")

    def make():
        return np.arange(200_000.0)

    def total(array):
        return float(array.sum())

    datum = world.wait(world.submit(make)).outputs[0].datum
    name = ObjectName("continuum-runs", f"{world.run_id}/{datum}")
    world.executors["edge"].publish([(datum, name)])
    world.wait_for(lambda: any(isinstance(event, DatumPublished) for _, event in world.events))
    nowhere = ObjectName("continuum-runs", f"{world.run_id}/nowhere")
    world.executors["cloud"].bring([(datum, name), ("d9v9", nowhere)])

    def brought():
        return {event.datum: event for _, event in world.events if isinstance(event, DatumBrought)}

    world.wait_for(lambda: len(brought()) == 2)
    assert brought()[datum].problem == ""
    assert brought()["d9v9"].problem
    there = world.submit(total, Slot(0), site="cloud", inputs=(Input(datum=datum, published=name),))
    assert world.value(there) == float(np.arange(200_000.0).sum())
    assert world.wait(there).move_s == 0  # nothing was left to move


def test_the_driver_reads_what_was_never_published(world):
    world.start_agent()
    world.join()

    def make():
        return b"x" * 100_000

    assert world.value(world.submit(make)) == b"x" * 100_000


def test_data_and_files_of_the_driver_reach_a_site(world, tmp_path):
    world.start_agent()
    executor = world.join()
    file = tmp_path / "input.txt"
    file.write_text("line\n" * 2000)
    names = {datum: ObjectName("continuum-runs", f"{world.run_id}/{datum}") for datum in ("v1", "f1")}
    executor.put("v1", dumps(list(range(10_000))), names["v1"])
    executor.put("f1", file, names["f1"])
    world.wait_for(lambda: len([1 for _, event in world.events if isinstance(event, DatumPublished)]) == 2)

    def look(values, path):
        return len(values), Path(path).name, Path(path).read_text().count("line")

    given = (
        Input(datum="v1", published=names["v1"]),
        Input(datum="f1", kind=DatumKind.FILE, published=names["f1"], file_name="input.txt"),
    )
    assert world.value(world.submit(look, Slot(0), Slot(1), inputs=given)) == (10_000, "input.txt", 2000)


def test_an_object_is_staged_before_its_task_counts_as_finished_and_written_when_the_driver_says(world):
    world.start_agent()
    executor = world.join()
    name = ObjectName("results", f"{world.run_id}/out.txt")

    def write(path):
        Path(path).write_text("result")

    file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="out.txt", publish_as=name)
    answer = world.wait(world.submit(write, "s3://x/out.txt", return_count=0, outputs=(file,)))
    staged = answer.outputs[0].staged
    assert staged.name == name
    objects = world.connection.objects
    assert not world.connection.wait(objects.exists(name.bucket, name.key), 20)
    executor.complete(answer.task_id, 1, [staged])
    world.wait_for(lambda: any(isinstance(event, OutputsCompleted) for _, event in world.events))
    assert world.connection.wait(objects.get(name.bucket, name.key), 20) == b"result"


def test_what_a_run_published_for_itself_is_removed_with_it_and_what_it_was_told_to_stays(world):
    world.start_agent()
    executor = world.join()

    def make(n):
        return "x" * n

    own = ObjectName("continuum-runs", f"{world.run_id}/d1")
    told = ObjectName("results", f"{world.run_id}/kept")
    world.wait(world.submit(make, 5000, outputs=(Output(datum="d1"),)))
    executor.publish([("d1", own)])
    world.wait_for(lambda: any(isinstance(event, DatumPublished) for _, event in world.events))
    answer = world.wait(world.submit(make, 5000, outputs=(Output(datum="d2", publish_as=told),)))
    executor.complete(answer.task_id, 1, [answer.outputs[0].staged])
    world.wait_for(lambda: any(isinstance(event, OutputsCompleted) for _, event in world.events))
    objects = world.connection.objects
    assert world.connection.wait(objects.exists(own.bucket, own.key), 20)
    executor.close()
    assert not world.connection.wait(objects.exists(own.bucket, own.key), 20)
    assert world.connection.wait(objects.exists(told.bucket, told.key), 20)


def test_an_input_that_is_nowhere_is_said_with_its_name(world):
    world.start_agent()
    world.join()
    name = ObjectName("continuum-runs", "no/such/object")
    task = world.submit(lambda x: x, Slot(0), inputs=(Input(datum="gone", published=name),))
    failure = world.wait(task)
    assert failure.kind is FailureKind.INPUT_LOST
    assert failure.lost_datum == "gone"
    assert "no/such/object" in failure.message


def test_a_site_with_little_room_fetches_again_what_it_had_to_forget(world):
    world.start_agent(data_limit_bytes=250_000)
    executor = world.join()

    def measure(data):
        return len(data)

    for i in range(5):
        executor.put(f"v{i}", dumps(b"x" * 100_000), ObjectName("continuum-runs", f"{world.run_id}/v{i}"))
    world.wait_for(lambda: len(world.events) == 5)
    for i in (0, 1, 2, 3, 4, 0):
        given = Input(datum=f"v{i}", published=ObjectName("continuum-runs", f"{world.run_id}/v{i}"))
        assert world.value(world.submit(measure, Slot(0), inputs=(given,))) == 100_000


def test_modules_larger_than_a_message_reach_the_site(world):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as modules:
        modules.writestr("beside_the_program.py", "def answer(): return 42\n")
        modules.writestr("ballast.bin", os.urandom(9 * 1024 * 1024))
    world.start_agent()
    world.join(code=archive.getvalue())

    def look():
        from beside_the_program import answer  # noqa: PLC0415 - only the workers have it

        return answer()

    assert world.value(world.submit(look)) == 42


def test_a_task_too_large_for_a_message_fails_and_says_so(world):
    world.start_agent()
    world.join()
    failure = world.wait(world.submit(len, "x" * 8_000_000))
    assert "too large" in failure.message


def test_cancelling_reaches_the_site(world):
    world.start_agent()
    executor = world.join()

    def sleep():
        time.sleep(60)

    task = world.submit(sleep)
    world.wait_for(lambda: any(isinstance(event, TaskStarted) for _, event in world.events))
    executor.cancel([task])
    assert world.wait(task).kind is FailureKind.CANCELLED


def test_two_drivers_use_a_site_at_once(world):
    world.start_agent()
    executor = world.join()
    first_run = world.run_id

    def where():
        return os.getpid()

    one = world.value(world.submit(where))
    world.executors["first"] = executor
    world.join()
    assert world.run_id != first_run
    assert world.value(world.submit(where)) != one
    assert world.value(world.submit(where, site="first"), site="first") > 0
