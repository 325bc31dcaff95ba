"""Pinning calls to sites, and data that come to a second site on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pinned_calls as calls
import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.stories import Placed
from continuum.model.tasks import NO_NEEDS, Needs
from continuum.workflow import (
    Driver,
    LocalExecutor,
    Run,
    TaskFailedError,
    pinned,
    use_run,
    wait_on,
)
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal, read_records
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.pinning import pin


@pytest.fixture
def two(tmp_path) -> Iterator[Run]:
    spec = RunSpec(
        run_id="pinned",
        application="tests",
        code=archive_modules(Path(__file__)),
        objects=ObjectName("continuum-runs", "pinned"),
    )
    executors = [LocalExecutor(site, computing_units=1) for site in ("edge", "cloud")]
    driver = Driver(spec, executors, Journal(tmp_path))
    driver.start()
    with use_run(run := Run(driver)):
        yield run
    driver.close()
    driver.journal.close()


def sites_of(folder) -> list[str]:
    return [record.site for record in read_records(folder) if isinstance(record, Placed)]


def test_calls_within_run_where_they_are_pinned(two, tmp_path):
    with pinned("cloud"):
        first = calls.double(1)
        with pinned("edge"):
            second = calls.double(2)
        third = calls.at_edge(3)
    assert wait_on([first, second, third, calls.at(4, "cloud")]) == [2, 4, 3, 4]
    two.driver.close()
    assert sites_of(tmp_path) == ["cloud", "edge", "edge", "cloud"]


def test_a_site_that_takes_no_part_is_named(two):
    with pinned("moon"):
        lost = calls.double(1)
    with pytest.raises(TaskFailedError, match="it must run at moon, which does not take part"):
        wait_on(lost)


def test_what_cannot_be_a_site_is_refused():
    with pytest.raises(InvalidInputError), pinned("Not a site"):
        pass


def test_on_one_machine_nothing_changes():
    with pinned("cloud"):
        assert pin(NO_NEEDS, {"local": None}) is NO_NEEDS
        assert pin(Needs(computing_units=2), {"edge": None}) == Needs(computing_units=2, site="cloud")
    assert pin(NO_NEEDS, {"edge": None}) is NO_NEEDS
