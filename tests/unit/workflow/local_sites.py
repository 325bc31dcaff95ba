"""A run over several sites of one unit each, all on this machine."""

from pathlib import Path

from continuum.workflow import Driver, LocalExecutor, Run
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.sessions import new_run_id


def open_run_of(*sites: str) -> Run:
    run_id = new_run_id("unit")
    spec = RunSpec(
        run_id=run_id,
        application="tests",
        code=archive_modules(Path(__file__)),
        objects=ObjectName("continuum-runs", run_id),
    )
    driver = Driver(spec, [LocalExecutor(site, computing_units=1) for site in sites], Journal(None))
    driver.start()
    return Run(driver)
