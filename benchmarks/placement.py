"""What placement costs and what it gains: decisions, simulated runs against their bounds, a real slow link.

    python benchmarks/placement.py [--quick]      (the last part needs root, for network namespaces)

Decisions: microseconds for one task with one input, over 2 to 100 sites. Simulated: every family of workloads
over two sites, and one over 100, each strategy against what no placement can beat. A real link: two sites in
network namespaces, 100 Mbit/s and 20 ms each way between them (chaos/worlds.py), driven from one of them:
1,000 small tasks at the other site; and a data-heavy workflow, placed by `data` and with all data moved to
one site.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.chaos.links import find_reason_against
from benchmarks.chaos.worlds import ADDRESSES, CENTRE, open_spread
from continuum.model.placement import History, Links, SiteLoad, Strategy, choose_site
from continuum.model.tasks import Datum, DatumState, Task
from continuum.sites import Home
from continuum.workflow.simulating.continua import make_continuum, two_sites
from continuum.workflow.simulating.families import FAMILIES, make_workload
from continuum.workflow.simulating.running import Outcome, bounds_of, simulate

RESULTS = Path(__file__).parent / "results"
STRATEGIES = ("data", "greedy", "gravity", "load")
LIMIT_S = 300

PROGRAM = """
import json, sys, time
import numpy
from continuum.workflow import barrier, pinned, task, wait_on

@task(returns=object)
def make(number):
    return numpy.random.default_rng(number).integers(0, 255, 6_000_000, dtype=numpy.uint8)

@task(returns=int)
def total(values):
    return int(values.sum())

@task(returns=int)
def double(number):
    return 2 * number

def timed(calls):
    began = time.perf_counter()
    wait_on(calls())
    return time.perf_counter() - began

def small():
    with pinned("cloud"):
        return [double(number) for number in range(1000)]

def data():
    made = []
    for number in range(12):
        with pinned(("edge", "cloud")[number % 2]):
            made.append(make(number))
    barrier()
    return made

with pinned("cloud"):
    wait_on(double(1))
found = {"small_s": timed(small), "again_s": timed(small)}
made = data()
found["data_s"] = timed(lambda: [total(each) for each in made])
made = data()
def at_one():
    with pinned("edge"):
        return [total(each) for each in made]
found["one_s"] = timed(at_one)
print(json.dumps(found))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher numbers")
    options = parser.parse_args()
    found: dict[str, Any] = {"decisions": decisions(), "simulated": simulated(quick=options.quick)}
    reason = find_reason_against()
    if reason:
        print(f"no real link: {reason}")
    else:
        found["link"] = asyncio.run(over_a_link())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "placement.json").write_text(json.dumps(found, indent=2) + "\n")
    return 0


def decisions() -> list[dict[str, float]]:
    table = Table(title="One decision, one input to move or not")
    for heading in ("sites", "µs"):
        table.add_column(heading, justify="right")
    rows = []
    for sites in (2, 4, 10, 100):
        rows.append({"sites": sites, "us": _decision_us(sites)})
        table.add_row(str(sites), f"{rows[-1]['us']:.0f}")
    Console().print(table)
    return rows


def _decision_us(number: int) -> float:
    history = History()
    loads = {}
    for site in range(number):
        history.add("f", f"s{site}", 0.1)
        loads[f"s{site}"] = SiteLoad(name=f"s{site}", computing_units=4, backlog={"f": site % 7})
    datum = Datum("d1v1")
    datum.state, datum.size_bytes, datum.sites = DatumState.READY, 10**6, ("s0",)
    task, links, strategy = Task(1, "f", (datum,)), Links(), Strategy()
    times = max(50, 4000 // number)
    began = time.process_time()
    for _ in range(times):
        choose_site(task, loads, history, links=links, strategy=strategy)
    return (time.process_time() - began) / times * 1e6


def simulated(*, quick: bool) -> list[dict[str, Any]]:
    table = Table(title="Simulated: times over the bound that no placement can beat")
    table.add_column("workload")
    for heading in ("sites", "tasks", *STRATEGIES, "µs/task", "MB"):
        table.add_column(heading, justify="right")
    rows: list[dict[str, Any]] = []
    for family in FAMILIES:
        _simulate_one(family, 2, 400 if quick else 2000, STRATEGIES, table, rows)
    for family in ("survey", "montage"):
        _simulate_one(family, 20, 1000 if quick else 5000, STRATEGIES, table, rows)
    _simulate_one("montage", 100, 2000 if quick else 100_000, ("data",), table, rows)
    Console().print(table)
    return rows


def _simulate_one(  # noqa: PLR0917
    family: str, sites: int, tasks: int, strategies: tuple[str, ...], table: Table, rows: list[dict[str, Any]]
) -> None:
    continuum = two_sites() if sites == 2 else make_continuum(sites)
    workload = make_workload(family, tasks, sites)
    bounds = bounds_of(workload, continuum)
    outcomes: dict[str, Outcome] = {}
    began = time.process_time()
    for name in strategies:
        outcomes[name] = simulate(workload, continuum, Strategy(name), bounds=bounds)
    each_us = (time.process_time() - began) / len(strategies) / len(workload.tasks) * 1e6
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ratios = [f"{outcomes[name].ratio:.2f}" if name in outcomes else "" for name in STRATEGIES]
    table.add_row(family, str(sites), str(len(workload.tasks)), *ratios, f"{each_us:.0f}", f"{megabytes:.0f}")
    rows.extend(
        {
            "workload": family,
            "sites": sites,
            "tasks": len(workload.tasks),
            "placement": name,
            "makespan_s": outcome.makespan_s,
            "bound_s": outcome.bound_s,
            "moved_bytes": outcome.moved_bytes,
            "cpu_us_per_task": each_us,
        }
        for name, outcome in outcomes.items()
    )


def _move_backbone(home: Home) -> None:
    """Let drivers find the backbone where it is in a spread world."""
    port = home.continuum().ports["backbone"]
    text = home.continuum_file.read_text()
    home.continuum_file.write_text(text.replace(f"127.0.0.1:{port}", f"{ADDRESSES[CENTRE]}:{port}"))


async def over_a_link() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="placement-") as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM)
        async with open_spread(Path(folder) / "home") as world:
            _move_backbone(world.home)
            command = [
                *world.inside("edge"),
                str(Path(sys.executable).parent / "continuum"),
                "run",
                "--quiet",
            ]
            command += ["--home", str(world.home.path), "--site", "edge", "--no-graph", str(program)]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            told, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
            if process.returncode:
                raise RuntimeError(f"the program ended with {process.returncode}")
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    table = Table(title="Two sites, 100 Mbit/s and 20 ms each way between them")
    table.add_column("")
    table.add_column("s", justify="right")
    table.add_row("1,000 small tasks at the other site", f"{found['small_s']:.2f}")
    table.add_row("the same once more", f"{found['again_s']:.2f}")
    table.add_row("12 arrays of 6 MB, summed where they are", f"{found['data_s']:.2f}")
    table.add_row("the same with all of them moved to one site", f"{found['one_s']:.2f}")
    Console().print(table)
    return found


if __name__ == "__main__":
    sys.exit(main())
