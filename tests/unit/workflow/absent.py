"""Tasks for tests of sites that are away."""

import time
from pathlib import Path

from continuum.workflow import task


@task(returns=1)
def make(number):
    return bytes([number]) * 100_000


@task(returns=1)
def use(made):
    return made[:1]


@task(returns=1)
def alone(number):
    return number


@task(returns=1)
def hold(made, begun, go):
    Path(begun).touch()
    while not Path(go).exists():
        time.sleep(0.02)
    return len(made)
