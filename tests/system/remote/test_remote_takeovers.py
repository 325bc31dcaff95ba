"""A run whose driver is gone without a word is taken over, at its sites too, by the one that resumes it."""

import os
import time
from pathlib import Path

import msgspec
import pytest
from worlds import poll

from continuum.model.errors import ConflictError
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.remoting import RemoteExecutor

pytestmark = pytest.mark.system


def spec_of(world, incarnation):
    run_id = world.run_id
    objects = ObjectName("continuum-runs", run_id)
    return RunSpec(run_id=run_id, application="app.py", objects=objects, incarnation=incarnation)


def test_a_site_ends_the_run_of_the_driver_before_and_works_for_the_new_one(world):
    world.start_agent()
    world.join()
    before = world.value(world.submit(os.getpid))
    world.executors.pop("edge")._beating.cancel()  # its driver dies without a word
    again = RemoteExecutor(world.connection, "edge")
    again.start(spec_of(world, 1), world.sink)
    world.executors["edge"] = again
    after = world.value(world.submit(os.getpid))
    assert after != before
    poll(lambda: not Path(f"/proc/{before}").exists())


def test_a_site_does_not_go_back_to_an_older_driver(world):
    world.start_agent()
    world.join(incarnation=2)
    with pytest.raises(ConflictError, match="was resumed by another driver"):
        RemoteExecutor(world.connection, "edge").start(spec_of(world, 1), world.sink)


def test_a_site_goes_on_with_what_runs_for_the_driver_that_resumes_the_run(world, tmp_path):
    def note_and_wait(folder):
        with Path(folder, "begun").open("a") as file:
            file.write("once\n")
        while not Path(folder, "gate").exists():
            time.sleep(0.02)
        return 1

    world.start_agent()
    world.join(hold_s=60.0)
    code, task = world.spec(note_and_wait, str(tmp_path), key=b"call")
    world.executors["edge"].submit([code], [task])
    poll((tmp_path / "begun").exists)
    world.executors.pop("edge")._beating.cancel()  # its driver dies without a word
    again = RemoteExecutor(world.connection, "edge")
    again.start(msgspec.structs.replace(spec_of(world, 1), hold_s=60.0), world.sink)
    world.executors["edge"] = again
    assert again.held.tasks == {b"call": (task.outputs[0].datum,)}
    (tmp_path / "gate").touch()
    again.submit([code], [msgspec.structs.replace(task, task_id=99)])
    assert world.value(99) == 1
    assert (tmp_path / "begun").read_text() == "once\n"
