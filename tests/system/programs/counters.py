"""Counting as a first program does it: in a file, in several, in groups, in an object of a class."""

import os
import sys

from pycompss.api.api import (
    TaskGroup,
    compss_barrier,
    compss_barrier_group,
    compss_delete_file,
    compss_file_exists,
    compss_open,
    compss_wait_on,
)
from pycompss.api.exceptions import COMPSsException
from pycompss.api.parameter import FILE_IN, FILE_INOUT, FILE_OUT, IN
from pycompss.api.task import task


@task(path=FILE_OUT)
def start(path, value):
    with open(path, "w") as file:
        file.write(str(value))


@task(path=FILE_INOUT)
def increment(path):
    with open(path) as file:
        value = int(file.read())
    with open(path, "w") as file:
        file.write(str(value + 1))


@task(path=FILE_IN, returns=int)
def read(path):
    with open(path) as file:
        return int(file.read())


@task(path=FILE_INOUT)
def refuse(path):
    increment.function(path)
    raise COMPSsException(f"{os.path.basename(path)} counts enough")


class Counter:
    def __init__(self):
        self.value = 0

    @task()
    def increment(self, by=1):
        assert by > 0, "an assert stays an assert"
        self.value += by

    @task(returns=int, target_direction=IN)
    def read(self):
        return self.value


def in_one_file(folder):
    path = os.path.join(folder, "counter")
    with open(path, "w") as file:  # the program's own file
        file.write("5")
    increment(path)
    with compss_open(path) as file:
        assert file.read() == "6"
    increment(path)
    assert compss_wait_on(read(path)) == 7
    return path


def in_several_files(folder):
    paths = [os.path.join(folder, f"counter{number}") for number in range(3)]
    for number, path in enumerate(paths):
        start(path, number)
    for _ in range(4):
        for path in paths:
            increment(path)
    compss_barrier()
    assert compss_wait_on([read(path) for path in paths]) == [4, 5, 6]
    return paths


def in_groups(path):
    try:
        with TaskGroup("refusing"):
            refuse(path)
        raise AssertionError("the group was refused")
    except COMPSsException as problem:
        assert "counter counts enough" in str(problem)
    with TaskGroup("asynchronous", implicit_barrier=False):
        start(path, 0)
        increment(path)
    compss_barrier_group("asynchronous")
    assert compss_wait_on(read(path)) == 1


def in_an_object():
    counter = Counter()
    for by in range(1, 5):
        counter.increment(by)
    assert compss_wait_on(counter.read()) == 10
    assert compss_wait_on(counter).value == 10


if __name__ == "__main__":
    folder = sys.argv[1]
    one = in_one_file(folder)
    several = in_several_files(folder)
    in_groups(one)
    in_an_object()
    assert compss_file_exists(one)
    compss_delete_file(one, *several)
    assert not os.path.exists(one)
    print("counters ok")
