"""Our tasks beside those of ProcessPoolExecutor, joblib/loky, Dask, Parsl and Ray, in four programs.

    python benchmarks/peers.py [--quick] [--turns N]

The programs: independent no-ops; a chain of no-ops, each needing the one before; 1 MB arrays made by one task
each and added by one task; a blocked Cholesky factorisation (a graph of several kinds of tasks on blocks of
256 x 256). Each subject has two workers and a process of its own, in turns; joblib, Parsl and Ray have an
environment of their own (`scripts/prepare peers`). Programs are written as a user of the subject would: with
futures as arguments where the subject takes them; else the program waits for values and sends them. BLAS has
one thread. `copying` is the arithmetic without any tasks, in one process, where each value is copied once:
what arrays cost that have to be copied, and the bound that our aim of 1.3 is about.

CPU is what the kernel counted for all processes of the subject. They are found as children and by a mark in
their environment, because some are daemons. Read CPU and ratios rather than wall time on a noisy machine.
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
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from peer_tasks import ARRAY_BYTES, add, block_of, factor, make, noop, solve, trace, update

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = HERE.parent / ".venv" / "peers" / "bin" / "python"
WORKERS = 2
LIMIT_S = 300
MARK = "CONTINUUM_BENCHMARK_MARK"


# ---- subjects: how a task is submitted, how results are got ----


@dataclass(frozen=True)
class Peer:
    """`submit` takes values and what it returned; `gather` gives values; `many` runs no-ops in one call."""

    submit: Callable[..., Any]
    gather: Callable[[list[Any]], list[Any]]
    many: Callable[[int], list[int]] | None = None


@contextlib.contextmanager
def copying() -> Iterator[Peer]:
    def submit(function: Callable[..., Any], *args: Any) -> Any:
        value = function(*args)
        return value.copy() if isinstance(value, np.ndarray) else value

    yield Peer(submit, list)


@contextlib.contextmanager
def ours() -> Iterator[Peer]:
    from continuum.workflow.driver import Driver  # noqa: PLC0415 - each subject loads its own
    from continuum.workflow.executors import LocalExecutor  # noqa: PLC0415
    from continuum.workflow.journals import Journal  # noqa: PLC0415
    from continuum.workflow.messages import ObjectName, RunSpec  # noqa: PLC0415
    from continuum.workflow.programming import task, use_run  # noqa: PLC0415
    from continuum.workflow.running import Run  # noqa: PLC0415
    from continuum.workflow.synchronising import wait_on  # noqa: PLC0415

    run_id = f"bench-{os.getpid()}"
    spec = RunSpec(run_id=run_id, application="peers.py", objects=ObjectName("continuum-runs", run_id))
    driver = Driver(spec, [LocalExecutor(computing_units=WORKERS)], Journal(None))
    driver.start()
    tasks: dict[Any, Any] = {}

    def submit(function: Callable[..., Any], *args: Any) -> Any:
        if function not in tasks:
            tasks[function] = task(returns=1)(function)
        return tasks[function](*args)

    try:
        with use_run(Run(driver)):
            yield Peer(submit, wait_on)
    finally:
        driver.close()


def _by_values(submit: Callable[..., Any]) -> Peer:
    """A peer whose tasks take no futures: the program waits for what they need and sends it."""

    def value_of(each: Any) -> Any:
        return each.result() if hasattr(each, "result") else each

    return Peer(
        lambda function, *args: submit(function, *map(value_of, args)),
        lambda futures: [value_of(each) for each in futures],
    )


@contextlib.contextmanager
def process_pool() -> Iterator[Peer]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    with ProcessPoolExecutor(WORKERS) as pool:
        yield _by_values(pool.submit)


@contextlib.contextmanager
def joblib() -> Iterator[Peer]:
    from joblib import Parallel, delayed  # noqa: PLC0415
    from joblib.executor import get_memmapping_executor  # noqa: PLC0415 - what Parallel submits to

    peer = _by_values(get_memmapping_executor(WORKERS).submit)
    with Parallel(n_jobs=WORKERS) as parallel:
        yield Peer(peer.submit, peer.gather, lambda count: parallel(delayed(noop)(i) for i in range(count)))


@contextlib.contextmanager
def dask() -> Iterator[Peer]:
    from distributed import Client, LocalCluster  # noqa: PLC0415

    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        yield Peer(lambda function, *args: client.submit(function, *args, pure=False), client.gather)


@contextlib.contextmanager
def parsl() -> Iterator[Peer]:
    import parsl as library  # noqa: PLC0415
    from parsl.config import Config  # noqa: PLC0415
    from parsl.executors import HighThroughputExecutor  # noqa: PLC0415
    from parsl.providers import LocalProvider  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="continuum-peers-") as folder:
        executor = HighThroughputExecutor(
            label="here",
            address="127.0.0.1",
            max_workers_per_node=WORKERS,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
        config = Config(executors=[executor], run_dir=folder, usage_tracking=0)
        with library.load(config):
            apps: dict[Any, Any] = {}

            def submit(function: Callable[..., Any], *args: Any) -> Any:
                if function not in apps:
                    apps[function] = library.python_app(function)
                return apps[function](*args)

            yield Peer(submit, lambda futures: [each.result() for each in futures])


@contextlib.contextmanager
def ray() -> Iterator[Peer]:
    import ray as library  # noqa: PLC0415

    library.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=1_000_000_000,
        runtime_env={"env_vars": {MARK: os.environ.get(MARK, "")}},
    )
    remotes: dict[Any, Any] = {}

    def submit(function: Callable[..., Any], *args: Any) -> Any:
        if function not in remotes:
            remotes[function] = library.remote(function)
        return remotes[function].remote(*args)

    try:
        yield Peer(submit, library.get)
    finally:
        library.shutdown()


@dataclass(frozen=True)
class Subject:
    title: str
    open: Callable[[], "contextlib.AbstractContextManager[Peer]"]
    python: Path = Path(sys.executable)


SUBJECTS = {
    "ours": Subject("ours: @task", ours),
    "processes": Subject("ProcessPoolExecutor", process_pool),
    "joblib": Subject("joblib/loky", joblib, PEERS),
    "dask": Subject("Dask LocalCluster", dask),
    "parsl": Subject("Parsl HTEX", parsl, PEERS),
    "ray": Subject("Ray", ray, PEERS),
    "copying": Subject("copying, no tasks", copying),
}


# ---- programs: each returns how many tasks it had ----


@dataclass(frozen=True)
class Sizes:
    independent: int
    chain: int
    arrays: int
    cholesky: int


FULL = Sizes(independent=10_000, chain=1_000, arrays=200, cholesky=8)
QUICK = Sizes(independent=2_000, chain=200, arrays=200, cholesky=6)


def independent(peer: Peer, count: int) -> int:
    values = peer.many(count) if peer.many else peer.gather([peer.submit(noop, i) for i in range(count)])
    assert list(values) == list(range(count))
    return count


def chain(peer: Peer, count: int) -> int:
    value: Any = 7
    for _ in range(count):
        value = peer.submit(noop, value)
    assert peer.gather([value]) == [7]
    return count


def arrays(peer: Peer, count: int) -> int:
    made = [peer.submit(make, number) for number in range(count)]
    assert peer.gather([peer.submit(add, *made)]) == [sum(range(count)) * (ARRAY_BYTES // 8)]
    return count + 1


def cholesky(peer: Peer, size: int) -> int:
    tasks = 0

    def submit(function: Callable[..., Any], *args: Any) -> Any:
        nonlocal tasks
        tasks += 1
        return peer.submit(function, *args)

    lower = [[submit(block_of, row, column, size) for column in range(row + 1)] for row in range(size)]
    for k in range(size):
        lower[k][k] = submit(factor, lower[k][k])
        for row in range(k + 1, size):
            lower[row][k] = submit(solve, lower[k][k], lower[row][k])
        for row in range(k + 1, size):
            for column in range(k + 1, row + 1):
                lower[row][column] = submit(update, lower[row][column], lower[row][k], lower[column][k])
    traces = peer.gather([submit(trace, lower[k][k]) for k in range(size)])
    assert all(value > 0 for value in traces)
    return tasks


PROGRAMS: dict[str, Callable[[Peer, int], int]] = {
    "independent": independent,
    "chain": chain,
    "arrays": arrays,
    "cholesky": cholesky,
}


# ---- measuring ----

Figures = dict[str, dict[str, float]]


def measure(subject: Subject, sizes: Sizes) -> Figures:
    """Run all programs on one subject in this process: CPU and wall time in seconds, and tasks, of each."""
    figures = {}
    with subject.open() as peer:
        for name, program in PROGRAMS.items():  # everything is loaded and every worker is there
            program(peer, 100 if name == "independent" else 8 if name != "cholesky" else 2)
        for name, program in PROGRAMS.items():
            others_before, own_before, began = _cpu_of_others_s(), _own_cpu_s(), time.perf_counter()
            tasks = program(peer, getattr(sizes, name))
            wall_s, own_s = time.perf_counter() - began, _own_cpu_s() - own_before
            cpu_s = own_s + _cpu_of_others_s() - others_before
            figures[name] = {"cpu_s": cpu_s, "wall_s": wall_s, "tasks": tasks}
        figures["idle"] = {"memory_bytes": float(sum(map(_memory_of, _family())))}
    return figures


def _own_cpu_s() -> float:
    """Read this process's clock apart: looking for the others is not to be counted."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _cpu_of_others_s() -> float:
    total = 0.0
    for process in _family():
        if process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def _family() -> list[psutil.Process]:
    """This process, its children and theirs, and who left it but bears its mark, with their children."""
    roots = [psutil.Process()]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == os.environ.get(MARK, ""):
                roots.append(process)
    found: dict[int, psutil.Process] = {}
    for root in roots:
        with contextlib.suppress(psutil.Error):
            found |= {each.pid: each for each in (root, *root.children(recursive=True))}
    return list(found.values())


def _memory_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


# ---- all of them ----


def main() -> int:
    """Measure all subjects in turns, print the table, write peers.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one turn, fewer tasks")
    parser.add_argument("--turns", type=int, help="how often each is measured (default: 3, quick: 1)")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if options.subject:
        print(json.dumps(measure(SUBJECTS[options.subject], sizes)))
        return 0
    load = os.getloadavg()[0]
    turns: dict[str, list[Figures]] = {name: [] for name in SUBJECTS}
    problems: dict[str, str] = {}
    for _ in range(options.turns or (1 if options.quick else 3)):
        for name in [name for name in SUBJECTS if name not in problems]:
            try:
                turns[name].append(_measure_apart(name, quick=options.quick))
            except (OSError, subprocess.SubprocessError, json.JSONDecodeError) as problem:
                problems[name] = _why(problem)
    report({name: _median(each) for name, each in turns.items() if each}, problems, sizes, load)
    return 1 if problems else 0


def _measure_apart(name: str, *, quick: bool) -> Figures:
    subject = SUBJECTS[name]
    if not subject.python.exists():
        raise FileNotFoundError(f"{subject.python} is not there: scripts/prepare peers")
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Parsl starts its programs by name; tasks are found by the name of this module.
    paths = {
        "PATH": f"{subject.python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(HERE),
    }
    ray_is_quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    done = subprocess.run(
        [subject.python, __file__, "--subject", name, *(["--quick"] if quick else [])],
        env=os.environ | threads | paths | ray_is_quiet | {MARK: uuid.uuid4().hex},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    found: Figures = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return found


def _why(problem: Exception) -> str:
    if isinstance(problem, subprocess.CalledProcessError):
        return (problem.stderr or problem.stdout or str(problem)).strip()[-2000:]
    return str(problem)


def _median(turns: list[Figures]) -> Figures:
    return {
        part: {key: statistics.median(turn[part][key] for turn in turns) for key in keys}
        for part, keys in turns[0].items()
    }


def report(figures: dict[str, Figures], problems: dict[str, str], sizes: Sizes, load: float) -> None:
    """Print the table and write the JSON."""
    print(
        f"{sizes.independent:,} independent no-ops, a chain of {sizes.chain:,}, {sizes.arrays} arrays of "
        f"1 MB, Cholesky of {sizes.cholesky} x {sizes.cholesky} blocks; {WORKERS} workers; "
        f"load before: {load:.1f}"
    )
    print("(CPU of all processes; in parentheses as a ratio to ours; wall time after the comma)\n")
    print("| | no-op | link of a chain | arrays | Cholesky | memory |")
    print("|---|---|---|---|---|---|")
    for name, each in figures.items():
        cells = [_cell(each, figures.get("ours"), program) for program in PROGRAMS]
        memory = f"{each['idle']['memory_bytes'] / 1e6:,.0f} MB"
        print(f"| {SUBJECTS[name].title} | {' | '.join(cells)} | {memory} |")
    for name, problem in problems.items():
        print(f"{SUBJECTS[name].title} could not be measured:\n{problem}", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "workers": WORKERS,
        "sizes": vars(sizes),
        "load": load,
        "subjects": figures,
        "problems": problems,
    }
    (RESULTS / "peers.json").write_text(json.dumps(result, indent=2) + "\n")


def _cell(figures: Figures, base: Figures | None, program: str) -> str:
    cpu_s, wall_s = figures[program]["cpu_s"], figures[program]["wall_s"]
    ratio = f" ({cpu_s / base[program]['cpu_s']:.2g})" if base else ""
    if program in ("independent", "chain"):
        tasks = figures[program]["tasks"]
        return f"{cpu_s / tasks * 1e6:,.0f} µs{ratio}, {wall_s / tasks * 1e6:,.0f} µs"
    return f"{cpu_s:.2f} s{ratio}, {wall_s:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
