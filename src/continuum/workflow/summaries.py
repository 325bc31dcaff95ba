"""The numbers of a run that is going on, for its summary and for who watches it."""

import msgspec

from continuum.model.tasks import TaskState
from continuum.workflow.driver import Driver
from continuum.workflow.journals import FunctionSummary, RunSummary, SiteSummary


def summarise(head: RunSummary, driver: Driver) -> RunSummary:
    """Return `head` with what the driver knows now. May be called from any thread."""
    functions = tuple(
        FunctionSummary(name=name, tasks=_by_state(counts))
        for name, counts in list(driver.graph.counts.items())
    )
    sites = tuple(
        SiteSummary(
            name=site.name,
            computing_units=site.units,
            tasks=site.finished,
            run_s=round(site.run_s, 6),
            moved_bytes=site.moved_bytes,
            is_lost=site.load.is_lost,
        )
        for site in list(driver.sites.values())
    )
    return msgspec.structs.replace(
        head, functions=functions, sites=sites, home_site=driver.home, moved_bytes=driver.moved_bytes
    )


def _by_state(counts: dict[TaskState, int]) -> dict[str, int]:
    return {state.value: count for state, count in counts.items() if count}
