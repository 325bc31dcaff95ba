"""What a Kubernetes cluster costs as a site: joining, first task, scaling, memory, recovery from faults.

    python benchmarks/kubernetes.py [--quick] [NAME ...]     (join, tasks, scale, memory, faults)

On a real cluster (see `benchmarks.clusters`; without one it says so and ends well) and a continuum of this
machine: the cluster joins as `west` (edge: tasks run in the agent's pod) and is joined again as `pool`
(cloud: tasks run in pods of their own). Times of tasks stand beside those of the machine's own site in the
same run. Faults are a killed worker pod, a killed agent pod, an API server that is away for 30 s, and a
cluster that is cut from the hub for 60 s (with --quick 10 and 15 s): how much later than undisturbed the run
ends, and how many tasks were begun twice.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.clusters import (
    IMAGE,
    Cluster,
    NoClustersError,
    find_image,
    load_image,
    open_clusters,
    wait_until,
)
from continuum.sites import BuildOptions, build_image, default_cache

RESULTS = Path(__file__).parent / "results"
PARTS = ("join", "tasks", "scale", "memory", "faults")
EDGE, POOL, HERE = "west", "pool", "cloud"  # sites
COMMAND_S = 600.0

TASKS = """
import json, sys, time
from continuum.workflow import task, wait_on

@task(returns=1)
def nothing(number):
    return number

began = time.time()
wait_on(nothing(0))
first_s = time.time() - began
began = time.time()
wait_on([nothing(number) for number in range(int(sys.argv[1]))])
each_s = (time.time() - began) / int(sys.argv[1])
print(json.dumps({"began": began, "first_s": first_s, "each_s": each_s, "at": time.time()}))
"""

WORK = """
import sys, time
from continuum.workflow import task, wait_on

@task(returns=1)
def work(number, run_s):
    time.sleep(run_s)
    return number

wait_on([work(number, float(sys.argv[2])) for number in range(int(sys.argv[1]))])
"""

RESIDENT = """
import json, pathlib
found = {}
for each in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = (each / "cmdline").read_bytes().split(b"\\0")
        lines = (each / "smaps_rollup").read_text().splitlines()
    except OSError:
        continue
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
    found[each.name] = [b" ".join(words[:3]).decode(), sizes.get("Rss", 0), sizes.get("Pss", 0)]
print(json.dumps(found))
"""


@dataclass
class Bench:
    """A continuum of this machine beside a cluster, and what was measured."""

    cluster: Cluster
    image: str
    folder: Path
    is_quick: bool
    found: dict[str, Any] = field(default_factory=dict)

    def continuum(self, *arguments: str, check: bool = True) -> str:
        """Run `continuum …` and return what it printed."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("continuum")), *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"continuum {' '.join(arguments)} ended with {done.returncode}\n{done.stderr}"
            )
        return done.stdout

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {"CONTINUUM_HOME": str(self.folder / "home")} | self.cluster.environment()

    def program(self, text: str) -> str:
        path = self.folder / f"program{abs(hash(text)) % 1000}.py"
        path.write_text(text)
        return str(path)

    def join(self, site: str, *options: str) -> float:
        """Make the cluster a site; return how long the command took."""
        began = time.monotonic()
        self.continuum(
            *("site", "join", "--kubernetes", "--context", self.cluster.context, "--name", site),
            *("--kubeconfig", self.cluster.kubeconfig, "--image", self.image, "--state", "pod", *options),
        )
        return time.monotonic() - began

    def leave(self, site: str) -> None:
        self.continuum("site", "leave", site, "--now", "--abandon-data", check=False)

    @contextmanager
    def work(self, site: str, tasks: int, run_s: float, *options: str) -> Iterator["Run"]:
        """Have tasks that sleep run at a site."""
        name = f"work-{time.monotonic_ns()}"
        command = [str(Path(sys.executable).with_name("continuum")), "run", "--name", name]
        command += ["--placement", site, *options]
        with subprocess.Popen(
            [*command, self.program(WORK), str(tasks), str(run_s)],
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield Run(self, name, process, time.monotonic())
            finally:
                if process.poll() is None:
                    process.terminate()


@dataclass
class Run:
    """A run that goes on."""

    bench: Bench
    name: str
    process: "subprocess.Popen[bytes]"
    began: float

    def records(self) -> list[dict[str, Any]]:
        """Return its journal so far."""
        folders = [*(self.bench.folder / "home" / "runs").glob(f"{self.name}-*")]
        journal = folders[0] / "journal.jsonl" if folders else None
        if journal is None or not journal.exists():
            return []
        return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]

    def count(self, kind: str) -> int:
        """Return how many records of a kind there are."""
        return sum(each.get("event") == kind for each in self.records())

    def wait_for_begun(self, tasks: int) -> None:
        wait_until(lambda: self.count("started") >= tasks, 120.0, f"{tasks} tasks have not begun")

    def end(self) -> float:
        """Wait for its end; return how long it took. Raises if it failed."""
        status = self.process.wait(timeout=COMMAND_S)
        if status:
            raise AssertionError(f"the run {self.name} ended with {status}")
        return time.monotonic() - self.began

    def count_repeated(self) -> int:
        """Return how many tries of tasks were begun beyond one for each."""
        begun = [(each["task"], each["attempt"]) for each in self.records() if each["event"] == "started"]
        return len(set(begun)) - len({task for task, _ in begun})


# ---- what is measured ----


def measure_join(bench: Bench) -> None:
    bench.found["join_s"] = {EDGE: bench.join(EDGE, "--overlay", "edge", "--units", "2")}
    bench.found["join_s"][POOL] = bench.join(
        POOL, "--overlay", "cloud", "--units", "4", "--min-workers", "0", "--max-workers", "4"
    )


def measure_tasks(bench: Bench) -> None:
    count = "100" if bench.is_quick else "1000"
    found = bench.found["tasks"] = {}
    for site in (HERE, EDGE, POOL):
        began = time.time()
        printed = bench.continuum("run", "--placement", site, bench.program(TASKS), count)
        told = json.loads(printed.splitlines()[-1])
        found[site] = {
            "to_first_s": told["began"] - began,
            "first_s": told["first_s"],
            "each_ms": 1e3 * told["each_s"],
        }


def measure_scale(bench: Bench) -> None:
    with bench.work(POOL, 16, 5.0) as run:
        seen: dict[int, float] = {}
        while run.process.poll() is None:
            for each in run.records():
                if each["event"] == "workers_changed":
                    seen.setdefault(each["workers"], each["at"])
            time.sleep(0.2)
        run.end()
    missing = {1, 4} - seen.keys()
    bench.found["scale"] = {"1_to_4_s": None if missing else seen[4] - seen[1]}


def measure_memory(bench: Bench) -> None:
    found = bench.found["memory"] = {}
    for component in ("agent", "gateway"):
        printed = bench.cluster.kubectl(
            *("-n", f"continuum-{EDGE}", "exec", f"deploy/{component}", "--", "python3", "-c", RESIDENT)
        )
        processes = [
            each for each in json.loads(printed).values() if f"continuum.{_MODULES[component]}" in each[0]
        ]
        found[component] = {
            "resident_mb": sum(each[1] for each in processes),
            "proportional_mb": sum(each[2] for each in processes),
        }


_MODULES = {"agent": "sites.agent", "gateway": "store.gateway"}


def measure_faults(bench: Bench) -> None:
    away_s, cut_s = (10.0, 15.0) if bench.is_quick else (30.0, 60.0)
    found = bench.found["faults"] = {}
    found["none"] = _with_fault(bench, POOL, lambda _: None)
    found["worker pod killed"] = _with_fault(bench, POOL, _kill_worker)
    found["agent pod killed"] = _with_fault(bench, POOL, _kill_agent)
    found[f"API server away {away_s:.0f} s"] = _with_fault(bench, POOL, lambda b: _lose_server(b, away_s))
    found[f"cluster cut {cut_s:.0f} s"] = _with_fault(bench, POOL, lambda b: _cut(b, cut_s))


def _with_fault(bench: Bench, site: str, harm: Callable[[Bench], None]) -> dict[str, Any]:
    tasks, run_s = (8, 5.0) if bench.is_quick else (12, 15.0)
    with bench.work(site, tasks, run_s) as run:
        run.wait_for_begun(1)
        began = time.monotonic()
        try:
            harm(bench)
        except NoClustersError as problem:
            return {"not tried": str(problem)}
        harmed_s = time.monotonic() - began
        took_s = run.end()
        return {"took_s": took_s, "harmed_s": harmed_s, "begun_twice": run.count_repeated()}


def _pods(bench: Bench, component: str, namespace: str) -> list[str]:
    listed = bench.cluster.get("pods", "-n", namespace, "-l", f"app.kubernetes.io/component={component}")
    return [each["metadata"]["name"] for each in listed["items"]]


def _kill_worker(bench: Bench) -> None:
    namespace = f"continuum-{POOL}-runs"
    name = _pods(bench, "worker", namespace)[0]
    bench.cluster.kubectl("-n", namespace, "delete", "pod", name, "--grace-period=0", "--force")


def _kill_agent(bench: Bench) -> None:
    namespace = f"continuum-{POOL}"
    name = _pods(bench, "agent", namespace)[0]
    bench.cluster.kubectl("-n", namespace, "delete", "pod", name, "--grace-period=0", "--force")


def _lose_server(bench: Bench, away_s: float) -> None:
    bench.cluster.kill("apiserver")
    time.sleep(away_s)
    bench.cluster.start("apiserver")


def _cut(bench: Bench, cut_s: float) -> None:
    bench.cluster.cut()
    try:
        time.sleep(cut_s)
    finally:
        bench.cluster.mend()


# ---- showing ----


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    for name, values in found.items():
        table = Table(title=name, box=None, title_justify="left")
        rows = values if all(isinstance(each, dict) for each in values.values()) else {"": values}
        headings = list(dict.fromkeys(key for row in rows.values() for key in row))
        for heading in ("", *headings):
            table.add_column(heading, justify="right" if heading else "left")
        for row, cells in rows.items():
            table.add_row(row, *(_format(cells.get(heading)) for heading in headings))
        console.print(table)


def _format(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else "-" if value is None else str(value)


def measure(bench: Bench, parts: list[str]) -> None:
    """Fill in what was asked for; the sites are joined in any case, and leave in any case."""
    bench.continuum(
        *("up", "--listen", bench.cluster.address, "--hub-port", "0", "--gateway-ports", "0,0"),
    )
    try:
        measure_join(bench)
        for part in parts:
            if part != "join":
                globals()[f"measure_{part}"](bench)
    finally:
        for site in (EDGE, POOL):
            bench.leave(site)
        bench.continuum("down", check=False)


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks, shorter faults")
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"of {', '.join(PARTS)} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    try:
        with open_clusters(1) as (cluster,), tempfile.TemporaryDirectory() as folder:
            image = find_image((cluster,))
            if not image:
                archive = Path(folder) / "continuum.tar"
                build_image(BuildOptions(out=archive, name=IMAGE, cache=default_cache()), print)
                load_image((cluster,), archive)
            bench = Bench(cluster, image or IMAGE, Path(folder), options.quick)
            measure(bench, options.parts or list(PARTS))
    except NoClustersError as problem:
        print(f"not measured: {problem}")
        return 0
    show(bench.found)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kubernetes.json").write_text(json.dumps(bench.found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
