"""What a task costs: tasks per second, CPU per task, time per link of a chain; ours and others side by side.

    python benchmarks/engine.py [--quick]

Subjects, each with two workers: our programming model (`@task` to result, everything included) on this
machine; our engine alone; the same programming model over a running continuum with two sites;
`ProcessPoolExecutor`; Dask's LocalCluster. Each runs no-op tasks: many independent ones, and a chain in
which each needs the one before.

Every subject runs in a process of its own, in turns, so that a busy moment of the machine hits all of
them. CPU is what the kernel counted (user and system, /proc) for all processes of the subject: driver,
workers, schedulers, agents, backbone. The median of the turns is shown. On a noisy machine read CPU
rather than wall time, and ratios rather than numbers.
"""

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
WORKERS = 2
WARM_UP = 200
LIMIT_S = 300
CONTINUUM = str(Path(sys.executable).with_name("continuum"))


@dataclass(frozen=True)
class Figures:
    """What one turn of one subject gave: per task, independent and chained."""

    cpu_us: float
    tasks_per_s: float
    link_cpu_us: float
    link_ms: float
    first_ms: float
    memory_mb: float


# ---- subjects: each yields (independent, chained, roots of its processes) ----

Work = Callable[[int], None]
Subject = Callable[[], "contextlib.AbstractContextManager[tuple[Work, Work, list[int]]]"]


def noop(value: int) -> int:
    return value


@contextlib.contextmanager
def programming_model() -> Iterator[tuple[Work, Work, list[int]]]:
    from continuum.workflow.executors import LocalExecutor  # noqa: PLC0415 - each subject loads its own

    with _driven([LocalExecutor(computing_units=WORKERS)]) as work:
        yield (*work, [])


@contextlib.contextmanager
def _driven(executors: list[Any]) -> Iterator[tuple[Work, Work]]:
    from continuum.workflow.driver import Driver  # noqa: PLC0415
    from continuum.workflow.journals import Journal  # noqa: PLC0415
    from continuum.workflow.messages import ObjectName, RunSpec  # noqa: PLC0415
    from continuum.workflow.programming import task, use_run  # noqa: PLC0415
    from continuum.workflow.running import Run  # noqa: PLC0415
    from continuum.workflow.synchronising import wait_on  # noqa: PLC0415

    run_id = f"bench-{os.getpid()}"
    spec = RunSpec(run_id=run_id, application="engine.py", objects=ObjectName("continuum-runs", run_id))
    driver = Driver(spec, executors, Journal(None))
    driver.start()
    run = Run(driver)
    step = task(returns=1)(noop)

    def independent(count: int) -> None:
        assert wait_on([step(i) for i in range(count)]) == list(range(count))

    def chained(count: int) -> None:
        value: Any = 7
        for _ in range(count):
            value = step(value)
        assert wait_on(value) == 7

    try:
        with use_run(run):
            yield independent, chained
        run.finish()
    finally:
        driver.close()


@contextlib.contextmanager
def over_two_sites() -> Iterator[tuple[Work, Work, list[int]]]:
    from continuum.sites import Home, choose_free_ports  # noqa: PLC0415
    from continuum.store import ObjectClient  # noqa: PLC0415
    from continuum.workflow.driving import DriverConnection  # noqa: PLC0415
    from continuum.workflow.remoting import RemoteExecutor  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="continuum-engine-") as folder:
        home = Home(Path(folder) / "home")
        hub, *gateways = choose_free_ports(3)
        ports = ["--hub-port", str(hub), "--gateway-ports", ",".join(map(str, gateways))]
        _continuum(home.path, "up", *ports)
        try:
            sites = home.continuum().sites
            objects = ObjectClient(sites[0].gateway_url, *home.credentials())
            settings = home.backbone_settings("driver")
            connection = DriverConnection(settings, home.identity("driver"), objects)
            connection.open()
            supervisor = json.loads(_continuum(home.path, "status", "--json"))["supervisor_pid"]
            with _driven([RemoteExecutor(connection, site.name) for site in sites]) as work:
                yield (*work, [supervisor])
            connection.close()
        finally:
            _continuum(home.path, "down")


@contextlib.contextmanager
def engine_alone() -> Iterator[tuple[Work, Work, list[int]]]:
    from continuum.workflow.engines.budgets import Budget  # noqa: PLC0415
    from continuum.workflow.engines.pool import PoolEngine  # noqa: PLC0415
    from continuum.workflow.folders import RunFolder  # noqa: PLC0415
    from continuum.workflow.messages import (  # noqa: PLC0415
        FunctionCode,
        ObjectName,
        Output,
        RunSpec,
        TaskFinished,
        TaskSpec,
    )
    from continuum.workflow.serialising import dump_call  # noqa: PLC0415

    pickled = cloudpickle.dumps(noop)
    code = FunctionCode(function=hashlib.sha256(pickled).hexdigest(), name="noop", pickled=pickled)
    done = threading.Semaphore(0)
    finished: list[TaskFinished] = []

    def spec(number: int) -> TaskSpec:
        return TaskSpec(
            task_id=number,
            attempt=1,
            function=code.function,
            call=dump_call((number,), {}),
            outputs=(Output(datum=f"d{number}"),),
            return_count=1,
        )

    def sink(events: Any) -> None:
        finished.extend(event for event in events if isinstance(event, TaskFinished))
        done.release()

    def wait(count: int) -> None:
        while len(finished) < count:
            done.acquire()

    def independent(count: int) -> None:
        finished.clear()
        engine.submit([code], [spec(i) for i in range(count)])
        wait(count)

    def chained(count: int) -> None:
        finished.clear()
        for i in range(count):
            engine.submit((), [spec(i)])
            wait(i + 1)

    with tempfile.TemporaryDirectory(prefix="continuum-engine-") as folder:
        data = RunFolder("bench", disk=Path(folder) / "data")
        engine = PoolEngine(data, Budget(WORKERS), log_file=Path(folder) / "log")
        engine.start(RunSpec(run_id="bench", application="engine.py", objects=ObjectName("b", "k")), sink)
        yield independent, chained, []
        engine.close()
        data.close()


@contextlib.contextmanager
def process_pool() -> Iterator[tuple[Work, Work, list[int]]]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    with ProcessPoolExecutor(WORKERS) as pool:

        def independent(count: int) -> None:
            futures = [pool.submit(noop, i) for i in range(count)]
            assert [future.result() for future in futures] == list(range(count))

        def chained(count: int) -> None:
            value = 7
            for _ in range(count):
                value = pool.submit(noop, value).result()

        yield independent, chained, []


@contextlib.contextmanager
def dask() -> Iterator[tuple[Work, Work, list[int]]]:
    from distributed import Client, LocalCluster  # noqa: PLC0415

    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:

        def independent(count: int) -> None:
            futures = [client.submit(noop, i, pure=False) for i in range(count)]
            assert client.gather(futures) == list(range(count))

        def chained(count: int) -> None:
            value: Any = 7
            for _ in range(count):
                value = client.submit(noop, value, pure=False)
            assert value.result() == 7

        yield independent, chained, []


SUBJECTS: dict[str, tuple[str, Subject]] = {
    "model": ("ours: @task, here", programming_model),
    "engine": ("ours: engine alone", engine_alone),
    "sites": ("ours: @task, two sites", over_two_sites),
    "processes": ("ProcessPoolExecutor", process_pool),
    "dask": ("Dask LocalCluster", dask),
}


# ---- measuring ----


def measure(subject: Subject, independent_tasks: int, chained_tasks: int) -> Figures:
    """Measure one subject in this process."""
    began = time.perf_counter()
    with subject() as (independent, chained, others):
        roots = [os.getpid(), *others]
        independent(1)
        first_ms = (time.perf_counter() - began) * 1e3
        independent(WARM_UP)
        chained(WARM_UP // 4)
        cpu_s, wall_s = _spent(independent, independent_tasks, roots)
        link_cpu_s, link_wall_s = _spent(chained, chained_tasks, roots)
        memory = sum(_memory_of(process) for process in _family(roots))
    return Figures(
        cpu_us=cpu_s / independent_tasks * 1e6,
        tasks_per_s=independent_tasks / wall_s,
        link_cpu_us=link_cpu_s / chained_tasks * 1e6,
        link_ms=link_wall_s / chained_tasks * 1e3,
        first_ms=first_ms,
        memory_mb=memory / 1e6,
    )


def _spent(work: Work, count: int, roots: list[int]) -> tuple[float, float]:
    cpu_before, began = _cpu_s(roots), time.perf_counter()
    work(count)
    wall_s = time.perf_counter() - began
    return _cpu_s(roots) - cpu_before, wall_s


def _cpu_s(roots: list[int]) -> float:
    total = 0.0
    for process in _family(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _family(roots: list[int]) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for root in roots:
        process = psutil.Process(root)
        for each in (process, *process.children(recursive=True)):
            found[each.pid] = each
    return list(found.values())


def _memory_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


# ---- all of them ----


def main() -> int:
    """Measure all subjects in turns, print the table, write engine.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one turn with a fifth of the tasks")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (2_000, 200) if options.quick else (10_000, 1_000)
    if options.subject:
        figures = measure(SUBJECTS[options.subject][1], *sizes)
        print(json.dumps(asdict(figures)))
        return 0
    turns: dict[str, list[Figures]] = {name: [] for name in SUBJECTS}
    problems: dict[str, str] = {}
    for _ in range(1 if options.quick else 3):
        for name in SUBJECTS:
            if name not in problems:
                try:
                    turns[name].append(_measure_apart(name, quick=options.quick))
                except (subprocess.SubprocessError, json.JSONDecodeError) as problem:
                    problems[name] = _why(problem)
    report({name: _median(each) for name, each in turns.items() if each}, problems, sizes)
    return 1 if problems else 0


def _measure_apart(name: str, *, quick: bool) -> Figures:
    command = [sys.executable, __file__, "--subject", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _why(problem: Exception) -> str:
    if isinstance(problem, subprocess.CalledProcessError):
        return (problem.stderr or problem.stdout or str(problem)).strip()[-2000:]
    return str(problem)


def _median(turns: list[Figures]) -> Figures:
    return Figures(
        **{
            name: statistics.median(getattr(turn, name) for turn in turns)
            for name in Figures.__dataclass_fields__
        }
    )


def report(figures: dict[str, Figures], problems: dict[str, str], sizes: tuple[int, int]) -> None:
    """Print the table and write the JSON."""
    table = Table(
        title=f"{sizes[0]:,} independent and {sizes[1]:,} chained no-op tasks", title_justify="left"
    )
    columns = ("", "CPU µs/task", "x ours", "tasks/s", "ms/link", "CPU µs/link", "first ms", "PSS MB")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    ours = figures["model"].cpu_us if "model" in figures else float("nan")
    for name, each in figures.items():
        table.add_row(
            SUBJECTS[name][0],
            f"{each.cpu_us:,.0f}",
            f"{each.cpu_us / ours:.2g}",
            f"{each.tasks_per_s:,.0f}",
            f"{each.link_ms:.2f}",
            f"{each.link_cpu_us:,.0f}",
            f"{each.first_ms:,.0f}",
            f"{each.memory_mb:.0f}",
        )
    Console(width=110).print(table)
    for name, problem in problems.items():
        print(f"{SUBJECTS[name][0]} could not be measured:\n{problem}", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "workers": WORKERS,
        "independent_tasks": sizes[0],
        "chained_tasks": sizes[1],
        "load": os.getloadavg()[0],
        "subjects": {name: asdict(each) for name, each in figures.items()},
        "problems": problems,
    }
    (RESULTS / "engine.json").write_text(json.dumps(result, indent=2) + "\n")


def _continuum(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [CONTINUUM, *arguments],
        env=os.environ | {"CONTINUUM_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"continuum {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
