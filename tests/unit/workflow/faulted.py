"""Tasks to which faults happen; in a module of their own, as workers import them by name.

Their values are larger than what travels in messages. Those called with a folder wait there for as long as
the file `hold` exists, so that a fault finds them running.
"""

import hashlib
import time
from pathlib import Path

from continuum.workflow import COMMUTATIVE, INOUT, task

PATIENCE_S = 60.0
COPIES = 300  # of 32 bytes


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).digest() * COPIES


def hold(folder):
    """Note that a task runs, and stay until whoever injects faults has done so."""
    with (Path(folder) / "ran").open("a") as file:
        file.write("x")
    deadline = time.monotonic() + PATIENCE_S
    while (Path(folder) / "hold").exists() and time.monotonic() < deadline:
        time.sleep(0.005)


@task(returns=1)
def make(data, number):
    return digest(data, bytes([number]))


@task(returns=1)
def victim(data, folder):
    hold(folder)
    return digest(data, b"victim")


@task(returns=1)
def use(data):
    return digest(data, b"use")


@task(returns=1)
def join(one, other):
    return digest(one, other)


@task(returns=1)
def begin(data):
    return {"data": data, "numbers": []}


@task(values=INOUT)
def update(values, folder):
    hold(folder)
    values["data"] = digest(values["data"], b"update")


@task(values=COMMUTATIVE)
def add(values, number, folder):
    hold(folder)
    values["numbers"].append(number)


@task(returns=1)
def unfit(data, folder):
    """Give back what no other process can read."""
    hold(folder)
    return (each for each in data)


@task(returns=1)
def short(number):
    time.sleep(0.01)
    return digest(bytes([number]))
