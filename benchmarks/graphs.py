"""What a graph of tasks costs to build, and what the driver holds for tasks that are known.

    python benchmarks/graphs.py [--quick]

Building: calls of a task that each need the result of the call before in their row (64 rows), made while the
only site has not begun: time of the call, CPU, and how much the process grew, per task, at 10,000, 100,000
and 1,000,000 tasks (with --quick up to 100,000). A linear graph costs the same per task at each size. Letting
go: how much the driver grew by 200,000 (with --quick 20,000) no-op tasks that ran slice by slice, none of
whose results is kept.

Each size has a process of its own, whose CPU is its own clock's.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROWS = 64
SLICE = 2_000
LIMIT_S = 600


def noop(value: int) -> int:
    return value


def _executor(*, begins: bool) -> Any:
    from continuum.workflow.executors import LocalExecutor  # noqa: PLC0415 - each size loads its own

    class Waiting(LocalExecutor):
        """A site that takes tasks and never begins them."""

        def submit(self, functions: Sequence[Any], tasks: Sequence[Any]) -> None:
            pass

    return (LocalExecutor if begins else Waiting)(computing_units=2)


@contextmanager
def _run(*, begins: bool) -> Iterator[Any]:
    from continuum.workflow.driver import Driver  # noqa: PLC0415
    from continuum.workflow.journals import Journal  # noqa: PLC0415
    from continuum.workflow.messages import ObjectName, RunSpec  # noqa: PLC0415
    from continuum.workflow.programming import task, use_run  # noqa: PLC0415
    from continuum.workflow.running import Run  # noqa: PLC0415

    run_id = f"bench-{os.getpid()}"
    spec = RunSpec(run_id=run_id, application="graphs.py", objects=ObjectName("continuum-runs", run_id))
    driver = Driver(spec, [_executor(begins=begins)], Journal(None))
    driver.start()
    try:
        with use_run(Run(driver)):
            yield task(returns=1)(noop)
    finally:
        driver.close()


def build(count: int) -> dict[str, float]:
    """Build a graph of `count` tasks of which none ends."""
    with _run(begins=False) as step:
        row = [step(number) for number in range(ROWS)]
        _wait_for_rest()
        before, cpu_before, began = _memory_bytes(), time.process_time(), time.perf_counter()
        for number in range(count):
            row[number % ROWS] = step(row[number % ROWS])
        call_s = time.perf_counter() - began
        _wait_for_rest()
        figures = {
            "call_us": call_s / count * 1e6,
            "cpu_us": (time.process_time() - cpu_before) / count * 1e6,
            "bytes": (_memory_bytes() - before) / count,
        }
        print(json.dumps(figures), flush=True)
        os._exit(0)  # the tasks wait for ever


def run_slices(count: int) -> None:
    """Run `count` tasks, slice by slice, and tell how the driver grew."""
    from continuum.workflow.synchronising import wait_on  # noqa: PLC0415

    with _run(begins=True) as step:
        wait_on([step(number) for number in range(SLICE)])
        _wait_for_rest()
        before, began = _memory_bytes(), time.perf_counter()
        for _ in range(count // SLICE):
            wait_on([step(number) for number in range(SLICE)])
        wall_s = time.perf_counter() - began
        _wait_for_rest()
        grown = _memory_bytes() - before
        print(
            json.dumps(
                {"bytes": grown / count, "grown_bytes": grown, "before_bytes": before, "wall_s": wall_s}
            )
        )


def _wait_for_rest() -> None:
    """Until the driver's threads have done what was given to them (they use no CPU for half a second)."""
    deadline = time.monotonic() + LIMIT_S
    quiet_since, used = time.monotonic(), time.process_time()
    while time.monotonic() - quiet_since < 0.5 and time.monotonic() < deadline:
        time.sleep(0.1)
        if (now := time.process_time()) - used > 0.03:
            quiet_since = time.monotonic()
        used = now
    gc.collect()


def _memory_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)


def main() -> int:
    """Measure every size in a process of its own, print the table, write graphs.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller graphs")
    parser.add_argument("--build", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build(options.build)
    if options.run:
        run_slices(options.run)
        return 0
    load = os.getloadavg()[0]
    sizes = (10_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000)
    built = {size: _apart("--build", size) for size in sizes}
    tasks = 20_000 if options.quick else 200_000
    let_go = _apart("--run", tasks)
    print(
        f"load before: {load:.1f}\n\n"
        "| tasks | µs per call | CPU µs, graph included | bytes per task |\n|---|---|---|---|"
    )
    for size, each in built.items():
        print(f"| {size:,} | {each['call_us']:.0f} | {each['cpu_us']:.0f} | {each['bytes']:,.0f} |")
    print(
        f"\n{tasks:,} tasks that ran: the driver grew by {let_go['grown_bytes'] / 1e6:.1f} MB from "
        f"{let_go['before_bytes'] / 1e6:.0f} MB, {let_go['bytes']:.0f} bytes per task, "
        f"in {let_go['wall_s']:.0f} s"
    )
    RESULTS.mkdir(exist_ok=True)
    result = {"load": load, "built": built, "let_go": {"tasks": tasks, **let_go}}
    (RESULTS / "graphs.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _apart(option: str, size: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, option, str(size)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{option} {size} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    sys.exit(main())
