"""Sites that are lost in the middle of a run and come back: the run goes on with them."""

import time
from pathlib import Path

import pytest

from continuum.model import stories
from continuum.workflow import Driver, LocalExecutor, Run, dispatching, task, use_run, wait_on
from continuum.workflow.coding import archive_modules
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.journals import Journal, read_records
from continuum.workflow.messages import ObjectName, RunSpec, SiteGone, SiteReturned


class FickleExecutor:
    """This machine as a site that goes and comes as an agent does that is killed and started again."""

    def __init__(self, site):
        self.site = site
        self.computing_units = 1
        self._inner = None

    def start(self, run, sink):
        self._run, self._sink = run, sink
        self._open()

    def _open(self):
        self._inner = LocalExecutor(self.site, computing_units=1)
        self._inner.start(self._run, self._sink)

    def leave(self):
        inner, self._inner = self._inner, None
        inner.close()
        self._sink(self.site, [SiteGone(reason="its agent was killed")])

    def come_back(self):
        self._open()
        self._sink(self.site, [SiteReturned(computing_units=1)])

    def submit(self, functions, tasks):
        if self._inner is not None:
            self._inner.submit(functions, tasks)

    def drop(self, data):
        if self._inner is not None:
            self._inner.drop(data)

    def cancel(self, task_ids):
        if self._inner is not None:
            self._inner.cancel(task_ids)

    def close(self):
        if self._inner is not None:
            self._inner.close()


@pytest.fixture
def sites():
    return [FickleExecutor("edge"), FickleExecutor("cloud")]


@pytest.fixture
def run(sites, tmp_path):
    code = archive_modules(Path(__file__).with_name("conftest.py"))
    spec = RunSpec(run_id="fickle", application="tests", code=code, objects=ObjectName("b", "fickle"))
    driver = Driver(spec, sites, Journal(tmp_path))
    driver.start()
    with use_run(run := Run(driver)):
        yield run
    driver.close()


@task(returns=1)
def double(number):
    return 2 * number


def test_a_run_outlives_the_loss_of_all_its_sites_one_after_the_other(run, sites, tmp_path):
    edge, cloud = sites
    assert wait_on(double(1)) == 2
    edge.leave()
    cloud.leave()
    waiting = [double(number) for number in range(4)]
    edge.come_back()
    assert wait_on(waiting) == [0, 2, 4, 6]
    cloud.come_back()
    edge.leave()
    assert wait_on(double(5)) == 10
    run.driver.close()
    events = [type(record) for record in read_records(tmp_path)]
    assert events.count(stories.SiteLost) == 3
    assert events.count(stories.SiteJoined) == 4


def test_a_task_waits_only_so_long_for_sites_that_do_not_come_back(run, sites, monkeypatch):
    monkeypatch.setattr(dispatching, "RETURN_WITHIN_S", 0.3)
    for site in sites:
        site.leave()
    began = time.monotonic()
    with pytest.raises(TaskFailedError, match="no site can run it: cloud: lost; edge: lost"):
        wait_on(double(1))
    assert time.monotonic() - began > 0.2
