"""How long `continuum up` takes until everything is ready, and how much memory the processes hold then.

A fresh home in a temporary folder on free ports: the first start (makes the authority, the databases, the
stores), then further starts of the same home. Memory is the proportional set size (PSS) summed over a process
and its children, which counts a page shared by two processes once; the resident size (RSS) stands beside it.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from continuum.sites import choose_free_ports

RESULTS = Path(__file__).parent / "results"
CONTINUUM = [str(Path(sys.executable).with_name("continuum"))]
MB = 1e6


@dataclass(frozen=True)
class Memory:
    """The memory of one part of the continuum. `part` is a name that `continuum status` shows."""

    part: str
    processes: int
    pss_bytes: int
    rss_bytes: int


def main() -> None:
    """Measure, print the tables, write startup.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one further start instead of four")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="continuum-startup-") as folder:
        home = Path(folder) / "home"
        ports = choose_free_ports(3)
        first_s = measure_start(home, ports)
        with _running(home):
            memory = measure_memory(home)
        further_s = []
        for _ in range(1 if options.quick else 4):
            further_s.append(measure_start(home, ports))
            _continuum("down", home=home)
    report(first_s, further_s, memory)


def measure_start(home: Path, ports: list[int]) -> float:
    """Return the seconds from the command to all ready."""
    hub, *gateways = ports
    began = time.monotonic()
    _continuum("up", "--hub-port", str(hub), "--gateway-ports", ",".join(map(str, gateways)), home=home)
    return time.monotonic() - began


def measure_memory(home: Path) -> list[Memory]:
    """Return what each process of a continuum that has just become ready holds."""
    status = json.loads(_continuum("status", "--json", home=home))
    found = [_memory_of(process["name"], process["pid"]) for process in status["processes"]]
    return [_memory_of("supervisor", status["supervisor_pid"], with_children=False), *found]


def report(first_s: float, further_s: list[float], memory: list[Memory]) -> None:
    """Print the tables and write the JSON."""
    table = Table(title="memory when ready", title_justify="left")
    for column in ("process", "processes", "PSS, MB", "RSS, MB"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for each in [*memory, *sums(memory)]:
        table.add_row(
            each.part, str(each.processes), f"{each.pss_bytes / MB:.0f}", f"{each.rss_bytes / MB:.0f}"
        )
    console = Console(width=100)
    median_s = statistics.median(further_s)
    console.print(f"continuum up, first start: {first_s:.1f} s; further starts: {median_s:.1f} s (median)")
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "first_start_s": first_s,
        "further_starts_s": further_s,
        "load": os.getloadavg()[0],
        "memory": [asdict(each) for each in memory],
        "sums": [asdict(each) for each in sums(memory)],
    }
    (RESULTS / "startup.json").write_text(json.dumps(result, indent=2) + "\n")


def sums(memory: list[Memory]) -> list[Memory]:
    """Return the two sums of the table: a site without its store, and everything."""
    site = next(each.part.partition(".")[2] for each in memory if each.part.startswith("gateway."))
    of_site = [each for each in memory if each.part in {f"gateway.{site}", f"agent.{site}"}]
    return [_sum(f"site {site} without its store", of_site), _sum("the whole continuum", memory)]


def _sum(part: str, memory: list[Memory]) -> Memory:
    return Memory(
        part,
        sum(each.processes for each in memory),
        sum(each.pss_bytes for each in memory),
        sum(each.rss_bytes for each in memory),
    )


def _memory_of(part: str, pid: int, *, with_children: bool = True) -> Memory:
    process = psutil.Process(pid)
    family = [process, *(process.children(recursive=True) if with_children else [])]
    infos = [each.memory_full_info() for each in family]
    return Memory(part, len(family), sum(info.pss for info in infos), sum(info.rss for info in infos))


@contextlib.contextmanager
def _running(home: Path) -> Iterator[None]:
    try:
        yield
    finally:
        _continuum("down", home=home)


def _continuum(*arguments: str, home: Path) -> str:
    done = subprocess.run(
        [*CONTINUUM, *arguments],
        env=os.environ | {"CONTINUUM_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout + done.stderr
        sys.exit(f"continuum {' '.join(arguments)} ended with status {done.returncode}:\n{said}")
    return done.stdout


if __name__ == "__main__":
    main()
