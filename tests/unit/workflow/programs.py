"""Tasks that tests call; in a module of their own, as workers import them by name."""

import os
import time
from pathlib import Path

import numpy as np

from continuum.workflow import (
    COLLECTION_FILE_IN,
    COLLECTION_IN,
    COMMUTATIVE,
    FILE_IN,
    FILE_INOUT,
    FILE_OUT,
    IN,
    INOUT,
    OUT,
    constraint,
    on_failure,
    task,
)


@task(returns=1)
def add(a, b=0):
    return a + b


@task(returns=2)
def divide(a, b):
    return a // b, a % b


@task()
def nothing(x):
    assert x is not None


@task(values=COLLECTION_IN, returns=1)
def total(values):
    return sum(values)


@task(values=INOUT)
def append(values, value):
    values.append(value)


@task(values=COMMUTATIVE)
def append_any_order(values, value):
    values.append(value)


@task(target=OUT)
def fill(target):
    target.clear()
    target.extend([1, 2, 3])


@task(returns=dict)
def nested(where):
    return {"sum": where["a"][0] + where["b"][1]["c"], "type": type(where["a"]).__name__}


class Counter:
    kind = "counter"

    def __init__(self, start=0):
        self.value = start

    @task()
    def add(self, amount):
        self.value += amount

    @task(target_direction=IN, returns=int)
    def get(self):
        return self.value

    @task(returns=1)
    def add_and_get(self, amount):
        self.value += amount
        return self.value

    @classmethod
    @task(returns=str)
    def kind_of(cls):
        return cls.kind

    @staticmethod
    @task(returns=int)
    def zero():
        return 0


@task(returns=Counter)
def make_counter(start):
    return Counter(start)


@task(path=FILE_OUT)
def write(path, text):
    Path(path).write_text(text)


@task(path=FILE_IN, returns=str)
def read(path):
    return Path(path).read_text()


@task(path=FILE_INOUT)
def extend(path, text):
    with Path(path).open("a") as file:
        file.write(text)


@task(paths=COLLECTION_FILE_IN, returns=str)
def join(paths):
    return "".join(Path(path).read_text() for path in paths)


@task(path=FILE_IN, returns=str)
def name_of(path):
    return Path(path).name


@task(returns=1)
def scale(array, factor):
    array *= factor  # what a task does to its IN argument harms nobody
    return array


@task(returns=1)
def ones(count):
    return np.ones(count)


@task(array=INOUT)
def increase(array):
    array += 1


@task(returns=1)
def fail(message="no"):
    raise ValueError(message)


@on_failure(management="IGNORE", returns=7)
@task(returns=1)
def fail_with_default():
    raise ValueError("no")


@on_failure(management="IGNORE")
@task(values=INOUT)
def fail_in_place(values):
    values.append("half done")
    raise ValueError("no")


@task(returns=1, on_failure="CANCEL_SUCCESSORS")
def fail_and_cancel():
    raise ValueError("no")


@task(returns=1, on_failure="FAIL")
def fail_for_good():
    raise ValueError("no")


@task(returns=1)
def fail_twice(folder):
    tries = len(list(Path(folder).iterdir()))
    (Path(folder) / f"try{tries}").touch()
    if tries < 2:
        raise ValueError("not yet")
    return tries


@task(returns=1, time_out=0.2, on_failure="CANCEL_SUCCESSORS")
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@task(returns=1)
def call_another(x):
    return add(x, 1)


@constraint(computing_units=2)
@task(returns=int)
def threads():
    return int(os.environ["COMPSS_NUM_THREADS"])


@constraint(computing_units=1000)
@task(returns=1)
def too_large():
    return 1


class UnpicklableError(Exception):
    def __init__(self, a, b):
        super().__init__(a)


@task(returns=1, on_failure="CANCEL_SUCCESSORS")
def fail_with_unpicklable():
    raise UnpicklableError("cannot travel", lambda: None)


@task(returns=1, priority=True)
def urgent(x):
    return x


def scale_plain(value, factor=1):
    return value * factor
