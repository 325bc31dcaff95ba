"""Driving a simulated run: the real driver, turn by turn, with the time that the simulation says it is."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from continuum.model.placement import History, Strategy
from continuum.model.placement.bounds import Bounded, Bounds, Capacity, bound_makespan
from continuum.model.placement.choosing import NETWORK_J_PER_BYTE
from continuum.model.tasks import NO_NEEDS, Datum, DatumState, Needs, Task
from continuum.workflow.dispatching import Payload, SiteSettings
from continuum.workflow.driver import Driver
from continuum.workflow.journals import Journal
from continuum.workflow.messages import Event, FunctionCode, ObjectName, Output, RunSpec
from continuum.workflow.operations import Op
from continuum.workflow.simulating.continua import Continuum
from continuum.workflow.simulating.machines import Machine, World
from continuum.workflow.simulating.workloads import Workload

_AT_ONCE = 1000
_OBJECTS = ObjectName(bucket="simulated", key="run")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated run came to. Energy is what computing and moving take beyond idling.

    `ratio` is how much longer it took than what no placement could beat; `took_s` and `task_us` are what the
    simulation itself took, all of it and per task.
    """

    workload: str
    placement: str
    objective: str
    sites: int
    tasks: int
    makespan_s: float
    bound_s: float
    ratio: float
    moved_bytes: int
    cost_eur: float
    energy_j: float
    carbon_g: float
    used_sites: int
    bounds: Bounds
    took_s: float
    task_us: float


def simulate(
    workload: Workload,
    continuum: Continuum,
    strategy: Strategy,
    *,
    is_cold: bool = False,
    bounds: Bounds | None = None,
) -> Outcome:
    """Run a workload over a continuum in virtual time. `is_cold`: nothing is known of the functions yet."""
    began = time.perf_counter()
    world = World({(link.source, link.target): link for link in continuum.links()})
    machines = [Machine(site, world, workload.tasks) for site in continuum.sites]
    driver = Driver(
        RunSpec(run_id="simulated", application=workload.name, objects=_OBJECTS),
        machines,
        Journal(None),
        strategy=strategy,
        links=continuum.network(),
        history=None if is_cold else _known(workload, continuum),
        sites={site.name: SiteSettings(costs=site.costs, architecture="x86_64") for site in continuum.sites},
    )
    heard: list[tuple[Op, tuple[str, Sequence[Event]]]] = []
    driver.join_sites(lambda site, events: heard.append((Op.EVENTS, (site, events))))
    _submit(driver, _tasks_of(workload, continuum, world))
    while driver.graph.tasks:
        if not world.advance():
            raise RuntimeError(f"{len(driver.graph.tasks)} tasks of the simulation never end")
        if heard:
            driver.turn(heard, world.now)
            heard.clear()
    took_s = time.perf_counter() - began
    bounds = bounds or bounds_of(workload, continuum)
    return Outcome(
        workload=workload.name,
        placement=strategy.name,
        objective=strategy.objective.name,
        sites=len(machines),
        tasks=len(workload.tasks),
        took_s=took_s,
        task_us=took_s / max(1, len(workload.tasks)) * 1e6,
        **_outcome(world, machines, bounds),
    )


def _submit(driver: Driver, tasks: Sequence[Task]) -> None:
    for first in range(0, len(tasks), _AT_ONCE):
        driver.turn([(Op.SUBMIT, task) for task in tasks[first : first + _AT_ONCE]], 0.0)


def _known(workload: Workload, continuum: Continuum) -> History:
    """Return what an earlier run would have learnt."""
    history = History()
    means: dict[str, list[float]] = {}
    for shape in workload.tasks:
        means.setdefault(shape.function, []).append(shape.run_s)
        for size in shape.result_bytes[:1]:
            history.add_output(shape.function, size)
    for function, times in means.items():
        mean_s = sum(times) / len(times)
        for site in continuum.sites:
            history.add(function, site.name, mean_s / site.speed)
    return history


def _tasks_of(workload: Workload, continuum: Continuum, world: World) -> list[Task]:
    names = [site.name for site in continuum.sites]
    data = [
        _given(f"d{number}v1", each.size_bytes, names[each.site], world)
        for number, each in enumerate(workload.inputs)
    ]
    codes = {
        name: FunctionCode(function=name, name=name, pickled=b"")
        for name in {shape.function for shape in workload.tasks}
    }
    tasks = []
    for number, shape in enumerate(workload.tasks):
        writes = [Datum(f"d{len(data) + offset}v1") for offset in range(len(shape.result_bytes))]
        world.sizes.update(zip([datum.id for datum in writes], shape.result_bytes, strict=True))
        data += writes
        outputs = tuple([Output(datum=datum.id) for datum in writes])
        task = Task(
            number + 1,
            shape.function,
            [data[read] for read in shape.reads],
            writes,
            needs=NO_NEEDS if shape.units == 1 else Needs(computing_units=shape.units),
            payload=Payload(codes[shape.function], b"", outputs, len(writes)),
        )
        tasks.append(task)
    return tasks


def _given(datum_id: str, size_bytes: int, site: str, world: World) -> Datum:
    datum = Datum(datum_id)
    datum.state, datum.size_bytes, datum.is_external = DatumState.READY, size_bytes, True
    datum.replicas, datum.published = (site,), ObjectName(bucket="inputs", key=datum.id)
    world.places[datum.id] = {site}
    world.sizes[datum.id] = size_bytes
    return datum


def bounds_of(workload: Workload, continuum: Continuum) -> Bounds:
    """Return what no placement of the workload can beat."""
    given = workload.inputs
    tasks = [
        Bounded(
            [read - len(given) for read in shape.reads if read >= len(given)],
            [(given[read].site, given[read].size_bytes) for read in shape.reads if read < len(given)],
            shape.run_s,
            shape.units,
            len(shape.result_bytes),
        )
        for shape in workload.tasks
    ]
    sites = [Capacity(site.computing_units, site.speed) for site in continuum.sites]
    names = [site.name for site in continuum.sites]
    numbers = {name: number for number, name in enumerate(names)}
    links = {(numbers[link.source], numbers[link.target]): link for link in continuum.links()}
    return bound_makespan(tasks, sites, links)


def _outcome(world: World, machines: Sequence[Machine], bounds: Bounds) -> dict[str, Any]:
    sites = [machine.described for machine in machines]
    energies = [each.described.costs.energy_j(each.busy_unit_s) for each in machines]
    carbon = [site.costs.carbon_g(energy) for site, energy in zip(sites, energies, strict=True)]
    network_j = NETWORK_J_PER_BYTE * world.moved_bytes
    mean_g = sum(site.costs.carbon_g(1.0) for site in sites) / len(sites)
    return {
        "makespan_s": world.now,
        "bound_s": bounds.makespan_s,
        "ratio": world.now / bounds.makespan_s if bounds.makespan_s else 1.0,
        "moved_bytes": world.moved_bytes,
        "cost_eur": sum(each.described.costs.price_eur(each.busy_unit_s) for each in machines)
        + world.transfer_eur,
        "energy_j": sum(energies) + network_j,
        "carbon_g": sum(carbon) + network_j * mean_g,
        "used_sites": sum(machine.tasks > 0 for machine in machines),
        "bounds": bounds,
    }
