"""A run on this machine, for tests of what programs mean."""

from collections.abc import Iterator

import pytest
from own_runs import open_run

from continuum.workflow import Run, use_run


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
