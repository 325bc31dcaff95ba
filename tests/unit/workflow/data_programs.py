"""Tasks with parameters of every direction; in a module of their own, as workers import them by name."""

import os
import time
from pathlib import Path

from continuum.workflow import (
    COLLECTION_FILE_INOUT,
    COLLECTION_FILE_OUT,
    COLLECTION_IN,
    COLLECTION_INOUT,
    COLLECTION_OUT,
    COMMUTATIVE,
    CONCURRENT,
    DICTIONARY_IN,
    DICTIONARY_INOUT,
    DICTIONARY_OUT,
    DIRECTORY_IN,
    DIRECTORY_INOUT,
    DIRECTORY_OUT,
    FILE_COMMUTATIVE,
    FILE_CONCURRENT,
    FILE_IN,
    FILE_INOUT,
    FILE_OUT,
    IN_DELETE,
    INOUT,
    task,
)
from continuum.workflow.directions import COLLECTION_IN_DELETE, FILE_IN_DELETE, STREAMED


@task(returns=1)
def make(value):
    return value


@task(values=INOUT)
def append(values, value):
    values.append(value)


@task(values=COLLECTION_INOUT)
def double_each(values):
    for position, value in enumerate(values):
        values[position] = value * 2


@task(values=COLLECTION_INOUT)
def append_to_each(values, value):
    for each in values:
        each.append(value)


@task(rows={"Type": COLLECTION_INOUT, "Depth": 2})
def increase_matrix(rows, amount):
    for row in rows:
        for position in range(len(row)):
            row[position] += amount


@task(values=COLLECTION_OUT)
def fill_each(values, start):
    for position in range(len(values)):
        values[position] = start + position


@task(rows={"Type": COLLECTION_OUT, "Depth": 2}, returns=1)
def fill_matrix(rows):
    for number, row in enumerate(rows):
        for position in range(len(row)):
            row[position] = [number, position]
    return len(rows)


@task(values=COLLECTION_IN, returns=1)
def total(values):
    return sum(values)


@task(values={"Type": COLLECTION_IN, "Depth": 2}, returns=1)
def flat(values):
    return [value for row in values for value in row]


@task(values=COLLECTION_INOUT)
def grow(values):
    values.append(0)


@task(table=DICTIONARY_INOUT)
def upper(table):
    for key in table:
        table[key] = table[key].upper()


@task(table={"Type": DICTIONARY_INOUT, "Depth": 2})
def append_in_table(table, value):
    for row in table.values():
        for each in row:
            each.append(value)


@task(table=DICTIONARY_OUT)
def fill_table(table):
    for number, key in enumerate(table):
        table[key] = number


@task(table=DICTIONARY_IN, returns=1)
def keys_and_values(table):
    return sorted(table.items())


@task(values=IN_DELETE, returns=1)
def last_total(values):
    return sum(values)


@task(values=COLLECTION_IN_DELETE, returns=1)
def last_totals(values):
    return sum(map(sum, values))


@task(path=FILE_IN_DELETE, returns=1)
def read_last(path):
    return Path(path).read_text()


@task(path=FILE_OUT)
def write(path, text):
    Path(path).write_text(text)


@task(path=FILE_INOUT)
def extend(path, text):
    with Path(path).open("a") as file:
        file.write(text)


@task(path=FILE_IN, returns=str)
def read(path):
    return Path(path).read_text()


@task(paths=COLLECTION_FILE_OUT)
def write_each(paths, text):
    for number, path in enumerate(paths):
        Path(path).write_text(f"{text}{number}")


@task(paths={"Type": COLLECTION_FILE_INOUT, "Depth": 2})
def extend_each(paths, text):
    for row in paths:
        for path in row:
            with Path(path).open("a") as file:
                file.write(text)


@task(varargs_type=FILE_IN, returns=1)
def join(*paths):
    return "".join(Path(path).read_text() for path in paths)


@task(values=INOUT)
def append_to_all(value, *values):
    for each in values:
        each.append(value)


@task(paths=FILE_OUT)
def write_all(text, *paths):
    for path in paths:
        Path(path).write_text(text)


@task(values=INOUT, source=FILE_IN, returns=1)
def use_keywords(number, **values):
    text = Path(values.pop("source")).read_text()
    for each in values.values():
        each.append(number)
    return text


@task(returns=1, path=FILE_IN)
def keyword_only(first, /, second=2, *, path, last=4):
    return first, second, Path(path).read_text(), last


@task(out=STREAMED["FILE_STDOUT"])
def no_program(out):
    raise AssertionError


class Box:
    def __init__(self):
        self.items = []

    @task()
    def add(self, value):
        self.items.append(value)


@task(returns=1)
def wait_for(folder, value):
    """Return `value` once another task has left its mark in `folder`."""
    give_up_at = time.monotonic() + 60
    while not (Path(folder) / "mark").exists():
        assert time.monotonic() < give_up_at, "nobody else got a turn"
        time.sleep(0.005)
    return value


@task(values=COMMUTATIVE)
def add_any_order(values, value, folder=""):
    values.append(value)
    if folder:
        (Path(folder) / "mark").touch()


@task(values=CONCURRENT, returns=1)
def add_concurrently(values, value):
    values.append(value)
    return value


def _meet(folder, name):
    """Leave a mark and wait for that of the other: for tasks that run at the same time."""
    if folder:
        (Path(folder) / name).touch()
        give_up_at = time.monotonic() + 60
        while len(list(Path(folder).iterdir())) < 2:
            assert time.monotonic() < give_up_at, "the other does not run at the same time"
            time.sleep(0.005)


@task(table=CONCURRENT)
def note(table, key, value, folder=""):
    _meet(folder, key)
    table[key] = value


@task(path=FILE_CONCURRENT)
def extend_concurrently(path, text, folder=""):
    _meet(folder, text)
    with Path(path).open("a") as file:
        file.write(text)


@task(table=INOUT)
def count_keys(table):
    table["keys"] = len(table)


@task(table=CONCURRENT, on_failure="IGNORE")
def note_and_fail(table, key):
    table[key] = 1
    raise ValueError(key)


class Register:
    """An object whose methods share it."""

    def __init__(self):
        self.entries = {}

    @task(target_direction=CONCURRENT)
    def enter(self, key, value):
        self.entries.setdefault(key, []).append(value)


@task(path=FILE_COMMUTATIVE)
def extend_any_order(path, text):
    with Path(path).open("a") as file:
        file.write(text)


@task(one=COMMUTATIVE, two=COMMUTATIVE)
def add_to_both(one, two, value, folder=""):
    one.append(value)
    two.append(value)
    if folder:
        (Path(folder) / "mark").touch()


@task(folder=DIRECTORY_OUT)
def make_folder(folder, names):
    Path(folder).mkdir(exist_ok=True)
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (Path(folder) / "link").symlink_to(names[0])


@task(folder=DIRECTORY_IN, returns=1)
def list_folder(folder):
    root = Path(folder)
    (root / "mine alone").touch()
    return root.name, sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@task(folder=DIRECTORY_INOUT)
def add_to_folder(folder, name, text):
    (Path(folder) / name).write_text(text)


@task(folder=DIRECTORY_OUT)
def make_no_folder(folder):
    assert not Path(folder).exists()


@task(folder=DIRECTORY_INOUT)
def link_out(folder):
    (Path(folder) / "out").symlink_to("../../secret")


class Shape:
    """A class with tasks of every form."""

    sides = 0
    made = 0

    def __init__(self):
        self._size = 1

    @task()
    @classmethod
    def count(cls):
        return cls.sides

    @task(returns=1)
    @staticmethod
    def double(value):
        return value * 2

    @property
    def size(self):
        return self._size

    @task()
    def grow(self, by):
        self._size += by

    @task(target_direction=COMMUTATIVE)
    def add(self, value):
        self._size += value


class Square(Shape):
    sides = 4

    @task(returns=1)
    def grow_and_tell(self, by):
        self.grow(by)
        return self.size


@task(returns=1, is_distributed=True)
def where(_number):
    return os.getppid()


@task(is_replicated=True, returns=1)
def prepare(folder):
    (Path(folder) / str(os.getppid())).touch()
    return "ready"


@task(is_replicated=True, values=INOUT)
def prepare_in_place(values):
    values.append(1)


@task(numba=True, numba_flags={"nopython": True}, returns=1)
def compiled_sum(count):
    total = 0
    for number in range(count):
        total += number
    return total


@task(returns=1, retries=0)
def never_again(folder):
    return _fail(folder)


@task(returns=1, retries=3)
def three_times_more(folder):
    return _fail(folder)


def _fail(folder):
    Path(folder, str(time.monotonic_ns())).touch()
    raise ValueError("not yet")
