"""Making a workload of a run that was: what it would have taken with another placement, or over other sites.

From its journal: which tasks there were, what they read, what they took and how large their results were. A
task that never finished is left out with what followed it. What the journal does not say is estimated: a
task's results share its output bytes equally; data that no task made are taken to lie where the first task
that read them ran, and to be as large as what came from elsewhere for it (0 if nothing did).
"""

from collections.abc import Iterable, Mapping

from continuum.model import stories
from continuum.model.errors import InvalidInputError
from continuum.model.sites import NO_COSTS, Link, SiteCosts
from continuum.workflow.simulating.continua import Continuum, VirtualSite
from continuum.workflow.simulating.workloads import Given, Shape, Workload


def replay(
    name: str,
    records: Iterable[stories.Record],
    links: Iterable[Link],
    costs: Mapping[str, SiteCosts] | None = None,
) -> tuple[Workload, Continuum]:
    """Return what a run did and the sites over which it did it. Raises `InvalidInputError` if it did nothing.

    `links` are the links between its sites, as far as they are known; so are `costs`, of sites by name.
    """
    calls: dict[int, stories.Submitted] = {}
    ends: dict[int, stories.Finished] = {}
    units: dict[str, int] = {}
    for record in records:
        if isinstance(record, stories.Submitted):
            calls[record.task] = record
        elif isinstance(record, stories.Finished):
            ends[record.task] = record
        elif isinstance(record, stories.SiteJoined):
            units[record.site] = record.computing_units
    if not ends or not units:
        raise InvalidInputError(f"no task of the run {name} has finished", hint="choose another run")
    sites = [*units]
    workload = _weave(name, calls, ends, sites)
    known = {(link.source, link.target): link for link in links if {link.source, link.target} <= set(sites)}
    virtual = tuple(
        VirtualSite(
            name=site,
            kind="embedded",
            computing_units=units[site],
            costs=(costs or {}).get(site, NO_COSTS),
            uplink_bytes_per_s=1e9,
            delay_s=0.0,
        )
        for site in sites
    )
    return workload, Continuum(sites=virtual, known=tuple(known.values()))


def _weave(
    name: str, calls: dict[int, stories.Submitted], ends: dict[int, stories.Finished], sites: list[str]
) -> Workload:
    made = {datum: task for task, call in calls.items() for datum in call.writes}
    kept: list[int] = []
    fine: set[int] = set()
    for task, call in sorted(calls.items()):
        if task in ends and all(made[datum] in fine for datum in call.reads if datum in made):
            fine.add(task)
            kept.append(task)
    numbers: dict[str, int] = {}
    inputs: list[Given] = []
    for task in kept:
        end = ends[task]
        for datum in (each for each in calls[task].reads if each not in made and each not in numbers):
            numbers[datum] = len(inputs)
            inputs.append(Given(end.moved_bytes, sites.index(end.site)))
    shapes = []
    number = len(inputs)
    for task in kept:
        call, end = calls[task], ends[task]
        for datum in call.writes:
            numbers[datum] = number
            number += 1
        size = end.output_bytes // max(1, len(call.writes))
        reads = tuple(numbers[datum] for datum in call.reads)
        shapes.append(Shape(call.function, reads, end.run_s, (size,) * len(call.writes)))
    return Workload(name=name, inputs=tuple(inputs), tasks=tuple(shapes))
