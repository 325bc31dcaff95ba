"""The Dask engine: the conformance suite over a site's own cluster, and what is its own."""

import os
import time

import numpy as np
import pytest

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.sites import choose_free_ports
from continuum.testing import EngineConformance, Slot, kill, run_spec, wait_until
from continuum.workflow.engines import FailureKind, Input, TaskStarted, dumps
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.clusters import ClusterAddress, DaskCluster, parse_address
from continuum.workflow.engines.dask import DaskEngine
from continuum.workflow.folders import RunFolder


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """Return a cluster of one worker with so many units; made when it is first asked for."""
    made = {}

    def get(units):
        if units not in made:
            made[units] = DaskCluster(tmp_path_factory.mktemp("dask"), units_per_worker=units)
            made[units].start(1)
        return made[units]

    yield get
    for cluster in made.values():
        cluster.close()


class FarFolder(RunFolder):
    """A folder that workers cannot see: they are told of others."""

    @property
    def shown(self):
        return tuple(place / "elsewhere" for place in self.places)


@pytest.fixture
def make_bench(benches, clusters, tmp_path):
    def make(computing_units=2, memory_bytes=0, *, is_far=False, **run):
        budget = Budget(computing_units, memory_bytes)
        address = clusters(computing_units).address
        folder = FarFolder("run-1", disk=tmp_path / "disk") if is_far else None
        return benches(
            lambda folder: DaskEngine(folder, budget, address, log_file=tmp_path / "output.log"),
            folder,
            **run,
        )

    return make


class TestDaskEngine(EngineConformance):
    pass


def test_a_worker_of_dask_that_is_killed_costs_what_it_had_and_another_comes(clusters, make_bench):
    bench = make_bench()
    pid = os.getpid

    def sleep():
        time.sleep(300)

    lost = bench.submit(sleep)
    bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
    cluster = clusters(2)
    kill(cluster.worker_pids()[0])
    failure = bench.failure(lost)
    assert failure.kind is FailureKind.WORKER_LOST
    assert "Dask" in failure.message
    wait_until(lambda: cluster.ready_workers == 0)  # its connections close before the process has ended
    cluster.scale(1)
    assert bench.value(bench.submit(pid)) != pid()


def test_a_worker_that_is_at_work_is_not_retired(clusters, make_bench, tmp_path):
    bench = make_bench()
    over = tmp_path / "over"

    def work():
        deadline = time.monotonic() + 60
        while not over.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return "done"

    task = bench.submit(work)
    bench.wait_for(lambda: any(isinstance(event, TaskStarted) for event in bench.events))
    assert clusters(2).retire(1) == 0
    over.touch()
    assert bench.value(task) == "done"


def test_data_reach_workers_that_do_not_see_the_folder_and_come_back(make_bench, tmp_path):
    bench = make_bench(is_far=True)

    def double(array):
        return array * 2

    bench.folder.write("here", [dumps(np.arange(100_000.0))])
    first = bench.submit(double, Slot(0), inputs=(Input(datum="here"),))
    produced = bench.finished(first).outputs[0]
    assert produced.inline is None
    second = bench.submit(double, Slot(0), inputs=(Input(datum=produced.datum),))
    assert bench.value(second)[-1] == 99_999.0 * 4
    assert np.array_equal(bench.datum("here"), np.arange(100_000.0))
    missing = bench.failure(bench.submit(double, Slot(0), inputs=(Input(datum="nowhere"),)))
    assert missing.kind is FailureKind.INPUT_LOST


@pytest.mark.parametrize("is_far", [False, True])
def test_what_tasks_print_at_workers_of_dask_is_in_the_log_with_the_task(make_bench, tmp_path, is_far):
    bench = make_bench(is_far=is_far)

    def speak():
        print("hello from afar")  # noqa: T201

    task = bench.submit(speak)
    bench.wait(task)
    assert f"[task {task} out] hello from afar" in (tmp_path / "output.log").read_text()


def test_a_scheduler_that_is_not_there_is_told_of(tmp_path):
    (port,) = choose_free_ports(1)
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    address = ClusterAddress(url=f"tcp://127.0.0.1:{port}")
    engine = DaskEngine(folder, Budget(1), address, log_file=tmp_path / "log", connect_timeout_s=1.0)
    with pytest.raises(UnavailableError, match="Dask cannot be used"):
        engine.start(run_spec(), lambda _: None)
    folder.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8786", "http://somewhere:1", "tcp://host", "tls://:1"])
def test_an_address_that_dask_cannot_have_is_refused(url):
    with pytest.raises(InvalidInputError, match="no address of a Dask scheduler"):
        parse_address(url)
