"""A run on this machine, for tests of what programs mean."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from continuum.workflow import Driver, LocalExecutor, Run, use_run
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.sessions import new_run_id


def open_run(folder: Path | None = None, *, computing_units: int = 2) -> Run:
    """Start a run on this machine; `close_run` ends it."""
    run_id = new_run_id("unit")
    code = archive_modules(Path(__file__))
    spec = RunSpec(
        run_id=run_id, application="tests", code=code, objects=ObjectName("continuum-runs", run_id)
    )
    driver = Driver(spec, [LocalExecutor(computing_units=computing_units)], Journal(folder))
    driver.start()
    return Run(driver)


@pytest.fixture(scope="session")
def shared_run() -> Iterator[Run]:
    """One run for all tests that only add tasks to it."""
    run = open_run()
    yield run
    run.driver.close()


@pytest.fixture
def run(shared_run: Run) -> Iterator[Run]:
    """Calls of tasks belong to a run."""
    with use_run(shared_run):
        yield shared_run


@pytest.fixture
def own_run() -> Iterator[Run]:
    """A run in which nothing else keeps the workers busy."""
    run = open_run()
    with use_run(run):
        yield run
    run.driver.close()


@pytest.fixture(params=["in a run", "plain python"])
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test happens twice: with its tasks in a run, and as a plain sequential program."""
    if request.param == "plain python":
        yield
    else:
        with use_run(request.getfixturevalue("shared_run")):
            yield
