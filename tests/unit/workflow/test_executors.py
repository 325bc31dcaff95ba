"""This machine as a site."""

import hashlib
import threading
from concurrent.futures import wait

import cloudpickle
import numpy as np
import pytest

from continuum.model.errors import NotFoundError, UnavailableError
from continuum.workflow.executors import LocalExecutor
from continuum.workflow.looping import OwnLoop
from continuum.workflow.messages import (
    DatumPublished,
    FailureKind,
    FunctionCode,
    Input,
    ObjectName,
    Output,
    RunSpec,
    TaskFailed,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.serialising import dump_call, dumps, load
from continuum.workflow.transferring import SHELF

RUN = RunSpec(run_id="run-1", application="app.py", objects=ObjectName("continuum-runs", "run-1"))
SLOT = object()
OUT = Output(datum="out")


class Site:
    def __init__(self, **options):
        self.executor = LocalExecutor("here", computing_units=2, **options)
        self.events = []
        self._heard = threading.Condition()
        self.executor.start(RUN, self._sink)

    def _sink(self, site, events):
        assert site == "here"
        with self._heard:
            self.events += events
            self._heard.notify_all()

    def wait(self, kind):
        with self._heard:
            found = []

            def is_there():
                found[:] = [event for event in self.events if isinstance(event, kind)]
                return found

            assert self._heard.wait_for(is_there, 30), self.events
            return found[-1]

    def run(self, function, *args, inputs=(), outputs=(OUT,)):
        self.events.clear()
        pickled = cloudpickle.dumps(function)
        code = FunctionCode(function=hashlib.sha256(pickled).hexdigest(), name="f", pickled=pickled)
        task = TaskSpec(
            task_id=1,
            attempt=1,
            function=code.function,
            call=dump_call(args, {}, lambda value: 0 if value is SLOT else None),
            inputs=inputs,
            outputs=outputs,
            return_count=1,
        )
        self.executor.submit([code], [task])
        return self.wait((TaskFinished, TaskFailed))


@pytest.fixture
def site(tmp_path):
    site = Site(log_file=tmp_path / "output.log", folder=tmp_path / "data")
    yield site
    site.executor.close()
    assert list((tmp_path / "data").iterdir()) == []


def test_a_result_can_be_read_until_it_is_dropped(site):
    site.run(lambda: np.ones(50_000))
    assert load(site.executor.read("out", None)).sum() == 50_000
    site.executor.drop(["out"])
    with pytest.raises(NotFoundError, match="out"):
        site.executor.read("out", None)


def test_data_of_the_driver_become_data_of_the_run(site, tmp_path):
    file = tmp_path / "input.txt"
    file.write_text("content")
    site.executor.put("v1", dumps([1, 2, 3]), ObjectName("b", "k"))
    assert site.wait(DatumPublished) == DatumPublished(datum="v1")
    assert site.run(sum, SLOT, inputs=(Input(datum="v1"),)).outputs[0].inline == dumps(6)
    site.events.clear()
    site.executor.put("f1", file, ObjectName("b", "k"))
    assert site.wait(DatumPublished) == DatumPublished(datum="f1")
    assert site.executor.read("f1", None) == b"content"


def test_a_file_that_is_gone_is_said(site, tmp_path):
    site.executor.put("f1", tmp_path / "missing", ObjectName("b", "k"))
    answer = site.wait(DatumPublished)
    assert "No such file" in answer.problem


def test_without_a_gateway_what_needs_the_store_fails_and_says_so(site):
    failed = site.run(len, SLOT, inputs=(Input(datum="v1", published=ObjectName("b", "k")),))
    assert failed.kind is FailureKind.INPUT_LOST
    assert failed.lost_datum == "v1"
    assert "no gateway" in failed.message
    failed = site.run(lambda: 1, outputs=(Output(datum="v2", publish_as=ObjectName("b", "k")),))
    assert failed.kind is FailureKind.OUTPUT_LOST
    assert "no gateway" in failed.message
    site.run(lambda: "x" * 10_000)
    site.executor.publish([("out", ObjectName("b", "k"))])
    assert "no gateway" in site.wait(DatumPublished).problem


def test_a_closed_executor_says_so(tmp_path):
    site = Site(folder=tmp_path / "data")
    site.executor.close()
    site.executor.close()
    with pytest.raises(UnavailableError, match="closed"):
        site.executor.submit([], [])


def test_what_tasks_print_is_kept(site, tmp_path):
    site.run(lambda: print("hello"))  # noqa: T201
    assert "[task 1 out] hello" in (tmp_path / "output.log").read_text()


class HastyLoop(OwnLoop):
    """What is started in it has ended before the call that starts it returns."""

    def run(self, work):
        future = super().run(work)
        wait([future], timeout=30)
        return future


def test_a_task_whose_input_from_elsewhere_comes_at_once_is_executed(tmp_path):
    (tmp_path / "five").write_bytes(dumps(5))
    site = Site(shelf=tmp_path)
    site.executor._run._loop = HastyLoop("hasty")
    given = Input(datum="five", published=ObjectName(SHELF, "five"))
    answer = site.run(lambda value: 2 * value, SLOT, inputs=(given,))
    assert isinstance(answer, TaskFinished), answer
    assert load(answer.outputs[0].inline) == 10
    site.executor._run._loop.stop()
    site.executor.close()
