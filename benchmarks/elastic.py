"""Workers that follow the queue: how soon they come with a burst of tasks, and are gone after it.

    python benchmarks/elastic.py [--quick] [--engine pool|dask]

The pool, and a site's own Dask with one computing unit for each worker, between none and two workers, execute
a burst of tasks that sleep, through the programming model. The same burst runs over two workers that are
always there (of the pool: that stay once they have come).
Shown are the time from the burst to each worker, the time of the burst, worker-seconds that were there, and
the time until the site is empty again. Tasks sleep, so that the machine's pace matters less.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from continuum.workflow.driver import Driver
from continuum.workflow.executors import LocalExecutor
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.programming import task, use_run
from continuum.workflow.running import Run
from continuum.workflow.synchronising import wait_on

RESULTS = Path(__file__).parent / "results"
ENGINES = ("pool", "dask")
WORKERS = 2
TASK_S = 0.25
IDLE_S = 3
LOOK_EVERY_S = 0.05
LIMIT_S = 120.0


@dataclass(frozen=True)
class Figures:
    """What one burst gave; times are seconds from its begin, `gone_s` from its end."""

    engine: str
    workers: str
    tasks: int
    took_s: float
    first_s: float
    second_s: float
    gone_s: float
    worker_s: float


class Watch:
    """Looks how many workers of a cluster work, all the time."""

    def __init__(self, executor: LocalExecutor) -> None:
        self._executor = executor
        self._is_over = threading.Event()
        self.seen: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def since(self, began: float, workers: int) -> float:
        """When there were so many at first, seconds after `began`; -1: never."""
        return max(0.0, next((at - began for at, count in self.seen if count >= workers), -1.0))

    def worker_s(self) -> float:
        """How long workers were there, together."""
        return sum(count * LOOK_EVERY_S for _, count in self.seen)

    def wait_for(self, workers: int) -> float:
        """Return when there were no more than so many."""
        deadline = time.monotonic() + LIMIT_S
        while self.seen[-1][1] > workers and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return time.monotonic()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            self.seen.append((time.monotonic(), self._executor.count_workers()))


def measure(engine: str, workers: str, tasks: int) -> Figures:
    """Execute one burst over a fresh site with these limits."""
    run_id = f"bench-{os.getpid()}-{engine}-{workers.replace(':', '-')}"
    spec = RunSpec(run_id=run_id, application="elastic.py", objects=ObjectName("continuum-runs", run_id))
    with tempfile.TemporaryDirectory(prefix="continuum-elastic-") as folder:
        executor = LocalExecutor(
            computing_units=WORKERS,
            engine=engine,
            workers=workers,
            folder=Path(folder),
            log_file=Path(folder) / "log",
        )
        driver = Driver(spec, [executor], Journal(None))
        driver.start()
        watch = Watch(executor)
        try:
            run = Run(driver)
            with use_run(run):
                figures = _burst(watch, engine, workers, tasks)
            run.finish()
        finally:
            watch.close()
            driver.close()
    return figures


def _burst(watch: Watch, engine: str, workers: str, tasks: int) -> Figures:
    @task(returns=1)
    def rest(seconds: float) -> Any:
        time.sleep(seconds)

    began = time.monotonic()
    wait_on([rest(TASK_S) for _ in range(tasks)])
    ended = time.monotonic()
    least = int(workers.partition("-")[0])
    if workers != str(WORKERS):
        gone_at = watch.wait_for(least)
    else:
        time.sleep(IDLE_S)  # as long as the others have, for the worker-seconds
        gone_at = ended - 1.0
    return Figures(
        engine=engine,
        workers=workers,
        tasks=tasks,
        took_s=ended - began,
        first_s=watch.since(began, 1),
        second_s=watch.since(began, 2),
        gone_s=gone_at - ended,
        worker_s=watch.worker_s(),
    )


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a shorter burst")
    parser.add_argument("--engine", choices=ENGINES, help="only this one")
    options = parser.parse_args()
    tasks = 40 if options.quick else 160
    all_figures = [
        measure(engine, workers, tasks)
        for engine in ([options.engine] if options.engine else ENGINES)
        for workers in (f"0-{WORKERS}:{IDLE_S}", str(WORKERS))
    ]
    table = Table(title=f"{tasks} tasks of {TASK_S} s; idle workers go after {IDLE_S} s")
    for column in (
        "engine",
        "workers",
        "burst, s",
        "first worker, s",
        "second, s",
        "gone after, s",
        "worker-seconds",
    ):
        table.add_column(column, justify="right")
    for each in all_figures:
        numbers = (each.took_s, each.first_s, each.second_s, each.gone_s, each.worker_s)
        table.add_row(
            each.engine, each.workers, *("never" if number < 0 else f"{number:.2f}" for number in numbers)
        )
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "elastic.json").write_text(json.dumps([asdict(each) for each in all_figures], indent=2))


if __name__ == "__main__":
    main()
