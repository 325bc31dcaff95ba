"""One question to the simulator: a workload, sites, several strategies, side by side."""

from collections.abc import Callable, Sequence

from continuum.model.placement import Strategy
from continuum.sites import Home
from continuum.workflow.journals import find_folder, read_records, read_summary
from continuum.workflow.remembering import Experience
from continuum.workflow.simulating.continua import Continuum, make_continuum, two_sites
from continuum.workflow.simulating.families import make_workload
from continuum.workflow.simulating.replaying import replay
from continuum.workflow.simulating.running import Outcome, bounds_of, simulate
from continuum.workflow.simulating.workloads import Given, Workload

_TWO = 2


def simulate_runs(
    graph: str,
    *,
    tasks: int,
    sites: int,
    seed: int,
    choose: Callable[[Sequence[str]], Sequence[Strategy]],
    replayed: tuple[Home, str] | None = None,
    is_cold: bool = False,
) -> list[Outcome]:
    """Return what came of each strategy that `choose` names for the sites.

    `replayed`: the tasks are those of a run of a home, and its sites unless `sites` says how many there are.
    Raises `ContinuumError`.
    """
    if replayed is None:
        continuum = _continuum(sites, seed)
        workload = make_workload(graph, tasks, sites, seed)
    else:
        workload, continuum = _replay(*replayed)
        if sites:
            continuum = _continuum(sites, seed)
            workload = _spread(workload, sites)
    strategies = choose([site.name for site in continuum.sites])
    bounds = bounds_of(workload, continuum)
    return [simulate(workload, continuum, each, is_cold=is_cold, bounds=bounds) for each in strategies]


def _continuum(sites: int, seed: int) -> Continuum:
    return two_sites() if sites == _TWO else make_continuum(sites, seed)


def _replay(home: Home, run: str) -> tuple[Workload, Continuum]:
    folder = find_folder(home.runs(), run)
    summary = read_summary(folder)
    _, links = Experience(home.path, summary.application).recall()
    declared = home.continuum() if home.continuum_file.exists() else None
    known = {(link.source, link.target): link for link in (declared.links if declared else ())}
    known |= {(link.source, link.target): link for link in links.described()}  # measured counts more
    costs = declared.costs if declared else {}
    return replay(folder.name, read_records(folder), known.values(), costs)


def _spread(workload: Workload, sites: int) -> Workload:
    """Let the inputs lie at the sites in turn."""
    inputs = tuple(Given(each.size_bytes, number % sites) for number, each in enumerate(workload.inputs))
    return Workload(name=workload.name, inputs=inputs, tasks=workload.tasks)
