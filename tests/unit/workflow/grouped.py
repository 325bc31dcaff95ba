"""Tasks for groups; in a module of their own, as workers import them by name."""

import time
from pathlib import Path

from continuum.workflow import FILE_INOUT, INOUT, TaskGroupError, task
from continuum.workflow.pycompss.api.exceptions import COMPSsException


@task(returns=1)
def double(x):
    return 2 * x


@task(returns=1)
def object_to(x, limit):
    if x >= limit:
        raise TaskGroupError(f"{x} is too large")
    return x


@task(returns=1)
def object_as_pycompss(x):
    raise COMPSsException(f"{x} found!")


@task(returns=1)
def wait_for(path):
    """End when somebody makes the file; until then it runs."""
    Path(path + ".started").touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return path


@task(values=INOUT)
def append(values, value):
    values.append(value)


@task(values=INOUT)
def append_when(values, path):
    while not Path(path).exists():
        time.sleep(0.01)
    values.append("late")


@task(values=INOUT)
def append_and_object(values):
    values.append("half done")
    raise TaskGroupError("no more")


@task(path=FILE_INOUT)
def extend(path, text):
    with Path(path).open("a") as file:
        file.write(text)


@task(path=FILE_INOUT)
def extend_and_object(path):
    Path(path).write_text("spoilt")
    raise COMPSsException("on purpose")


@task(returns=1)
def fail():
    raise ValueError("an ordinary failure")


@task(returns=1, on_failure="IGNORE")
def object_ignored():
    raise TaskGroupError("nobody cares")
