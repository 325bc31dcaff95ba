"""Runs on this machine, for tests that open and close one themselves."""

from pathlib import Path

from continuum.workflow import Driver, LocalExecutor, Run
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.sessions import new_run_id


def open_run(folder: Path | None = None, *, computing_units: int = 2) -> Run:
    """Start a run on this machine; closing its driver ends it."""
    run_id = new_run_id("unit")
    code = archive_modules(Path(__file__))
    spec = RunSpec(
        run_id=run_id, application="tests", code=code, objects=ObjectName("continuum-runs", run_id)
    )
    driver = Driver(spec, [LocalExecutor(computing_units=computing_units)], Journal(folder))
    driver.start()
    return Run(driver)
