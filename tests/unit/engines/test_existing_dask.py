"""A Dask that is there already, started with Dask's own commands, executes the tasks of runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.testing import EngineBench, wait_until
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import SiteEngines
from continuum.workflow.folders import RunFolder

DASK = str(Path(sys.executable).parent / "dask")


@pytest.fixture
def url(tmp_path):
    """Return the address of a scheduler with two workers of one computing unit each."""
    known = tmp_path / "scheduler.json"
    commands = [[DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    worker = [DASK, "worker", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--resources", "CU=1"]
    worker += ["--local-directory", str(tmp_path), "--host", "127.0.0.1"]
    commands += [worker, worker]
    processes = []
    try:
        with (tmp_path / "dask.log").open("wb") as log:
            for command in commands:
                to_it = ["--scheduler-file", str(known)]
                processes.append(subprocess.Popen([*command, *to_it], stdout=log, stderr=log))
        said = tmp_path / "dask.log"
        wait_until(lambda: said.read_text().count("Registered to:") == len(commands) - 1)
        yield json.loads(known.read_text())["address"]
    finally:
        for process in processes:
            process.kill()  # asked to end, workers would wait for a scheduler that is about to go as well
            process.wait()


def test_tasks_run_at_its_workers_and_one_that_fits_none_of_them_is_refused(url, tmp_path):
    engines = SiteEngines(url, Budget(2), folder=tmp_path / "dask")
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    bench = EngineBench(engines.make(folder, log_file=tmp_path / "log"), folder)
    try:
        tasks = [bench.submit(lambda number: number * number, number) for number in range(50)]
        assert [bench.value(task) for task in tasks] == [number * number for number in range(50)]
        assert bench.finished(tasks[0]).worker.startswith("127.0.0.1:")  # of a worker of Dask
        refused = bench.failure(bench.submit(lambda: None, computing_units=2))
        assert "more than a worker of this site has (1 computing units" in refused.message
        assert engines.largest_units == 1  # placement is told
    finally:
        bench.engine.close()
        engines.close()
        folder.close()
