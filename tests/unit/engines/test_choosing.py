"""Which engine a site has: what can be named, and a run whose tasks Dask executes."""

import pytest

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.driver import Driver
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import SiteEngines, parse_engine
from continuum.workflow.executors import LocalExecutor
from continuum.workflow.folders import RunFolder
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.programming import task, use_run
from continuum.workflow.running import Run
from continuum.workflow.synchronising import wait_on


@pytest.mark.parametrize("text", ["pool", "dask", "tcp://10.0.0.1:8786", "tls://scheduler.example:8786"])
def test_engines_are_named_or_are_addresses_of_dask(text):
    assert parse_engine(text) == text


@pytest.mark.parametrize("text", ["", "Pool", "ray", "http://somewhere:1", "tcp://somewhere"])
def test_what_is_no_engine_is_refused_with_those_that_there_are(text):
    with pytest.raises(InvalidInputError, match=r"engine|scheduler"):
        parse_engine(text)


def test_a_scheduler_over_tls_is_not_reached_without_a_certificate(tmp_path):
    engines = SiteEngines("tls://127.0.0.1:1", Budget(1), folder=tmp_path)
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    with pytest.raises(UnavailableError, match="certificate"):
        engines.make(folder, log_file=tmp_path / "log")
    folder.close()


def test_a_program_runs_on_dask_as_on_anything_else(tmp_path):
    spec = RunSpec(run_id="on-dask", application="app.py", objects=ObjectName("continuum-runs", "on-dask"))
    executor = LocalExecutor(computing_units=2, engine="dask", folder=tmp_path, log_file=tmp_path / "log")
    driver = Driver(spec, [executor], Journal(None))
    driver.start()

    @task(returns=1)
    def double(value):
        return value * 2

    try:
        run = Run(driver)
        with use_run(run):
            values = [double(double(i)) for i in range(50)]
            assert wait_on(values) == [4 * i for i in range(50)]
        run.finish()
    finally:
        driver.close()
