"""Tasks for tests of futures; in a module of their own, as workers import them by name."""

import time
from pathlib import Path

import numpy as np

from continuum.workflow import task


@task
def double(x: int) -> int:
    return 2 * x


@task
def zeros(count: int) -> np.ndarray:
    return np.zeros(count)


@task
def nested(x: int) -> int:
    return double(x) + 1  # inside a task this is a plain call


@task
def divide(a: int, b: int) -> tuple[int, int]:
    return a // b, a % b


@task
def total(values: dict) -> int:
    return sum(values["numbers"])


@task(on_failure="CANCEL_SUCCESSORS")
def fail() -> int:
    raise ValueError("no")


@task
def wait_for(path: str) -> str:
    Path(path + ".started").touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return path
