"""The workers of a site's own Dask follow the queue, and go when nothing is to be done."""

import time

import pytest

from continuum.testing import EngineBench, kill, wait_until
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import SiteEngines
from continuum.workflow.engines.clusters import DaskCluster
from continuum.workflow.folders import RunFolder


@pytest.fixture
def bench(tmp_path):
    """Return a bench over a site of two units whose Dask has no worker until one is needed."""
    engines = SiteEngines("dask", Budget(2), folder=tmp_path / "dask", workers="0-2:1")
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    bench = EngineBench(engines.make(folder, log_file=tmp_path / "log"), folder)
    yield bench
    bench.engine.close()
    engines.close()
    folder.close()


def test_workers_come_with_a_burst_of_tasks_and_go_after_it_and_come_again(bench, tmp_path):
    def notes():
        return [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("[workers]")]

    def meet(name):
        (tmp_path / f"met-{name}").touch()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("met-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)

    def answer():
        return 42

    tasks = [bench.submit(meet, name) for name in "ab"]  # each worker has a unit, so it takes two
    stations = {bench.finished(task).worker.partition("/")[0] for task in tasks}
    assert stations == {"station-1", "station-2"}
    assert "0 -> 1: 2 tasks and no worker" in notes()[0]
    assert any("1 -> 2: " in note for note in notes())
    wait_until(lambda: any("-> 0: idle for" in note for note in notes()))
    before = len(notes())
    assert bench.value(bench.submit(answer)) == 42  # by a worker that was made for it
    assert "0 -> 1: 1 tasks and no worker" in notes()[before]


def test_workers_that_have_nothing_are_retired_and_those_that_died_are_counted(tmp_path):
    cluster = DaskCluster(tmp_path / "dask", units_per_worker=1)
    try:
        cluster.start(2)
        assert cluster.retire(1) == 1
        assert (cluster.count().workers, cluster.workers) == (1, 1)
        cluster.hire(1)
        for pid in cluster.worker_pids():
            kill(pid)
        ended = []

        def all_are_told():
            census = cluster.count()
            ended.append(census.lost + census.not_started)
            return sum(ended) == 2

        wait_until(all_are_told)
        assert cluster.workers == 0
    finally:
        cluster.close()


def test_an_answer_of_the_scheduler_that_comes_too_late_is_heard_with_the_next_one(tmp_path, monkeypatch):
    cluster = DaskCluster(tmp_path / "dask", units_per_worker=1)
    try:
        cluster.start(2)
        monkeypatch.setattr("continuum.workflow.engines.clusters.RETIRE_TIMEOUT_S", 0.0)
        assert cluster.retire(1) == 0  # nobody waited for it
        monkeypatch.undo()
        assert cluster.retire(1) == 2
        assert cluster.workers == 0
    finally:
        cluster.close()
