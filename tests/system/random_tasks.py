"""What random programs do: tasks of every direction, each to run anywhere and pinned to a site."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from continuum.workflow import (
    COLLECTION_FILE_INOUT,
    COLLECTION_IN,
    COLLECTION_INOUT,
    COLLECTION_OUT,
    COMMUTATIVE,
    CONCURRENT,
    DICTIONARY_IN,
    DICTIONARY_INOUT,
    DIRECTORY_IN,
    DIRECTORY_INOUT,
    DIRECTORY_OUT,
    FILE_COMMUTATIVE,
    FILE_CONCURRENT,
    FILE_IN,
    FILE_INOUT,
    FILE_OUT,
    INOUT,
    OUT,
    constraint,
    task,
)

SITES = ("edge", "cloud")


def everywhere(**options: Any) -> Callable[[Callable[..., Any]], dict[str, Any]]:
    def decorate(function: Callable[..., Any]) -> dict[str, Any]:
        made = {"": task(**options)(function)}
        for site in SITES:
            made[site] = constraint(site=site)(task(**options)(function))
        return made

    return decorate


@everywhere(returns=1)
def combine(one, two):
    return (hash_of(one) * 31 + hash_of(two)) % 1_000_003


def hash_of(value):
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return sum(map(ord, value))
    if isinstance(value, dict):
        return sum(hash_of(key) + 7 * hash_of(each) for key, each in value.items())
    total = 1
    for each in value:
        total = (total * 31 + hash_of(each)) % 1_000_003
    return total


@everywhere(returns=2)
def split(value):
    return hash_of(value) // 10, hash_of(value) % 10


@everywhere(values=INOUT)
def append(values, value):
    values.append(value)


@everywhere(values=INOUT, returns=1)
def append_and_tell(values, value):
    values.append(value)
    return len(values)


@everywhere(values=OUT)
def fill(values, value):
    values[:] = [value] * 30


@everywhere(one=INOUT, two=INOUT)
def swap(one, two):
    one[:], two[:] = list(two), list(one)


@everywhere(returns=1)
def tell(values):
    return hash_of(values)


@everywhere(values=COMMUTATIVE)
def put_in(values, value):
    values.append(value)


@everywhere(one=COMMUTATIVE, two=COMMUTATIVE)
def put_in_both(one, two, value):
    one.append(value)
    two.append(value)


@everywhere(values=CONCURRENT)
def put_in_too(values, value):
    values.append(value)


@everywhere(returns=1)
def tell_sorted(values):
    return hash_of(sorted(values))


@everywhere(values=COLLECTION_INOUT)
def change_each(values, value):
    for position, each in enumerate(values):
        values[position] = (each * 3 + value) % 1_000_003


@everywhere(values=COLLECTION_INOUT)
def append_to_each(values, value):
    for each in values:
        each.append(value)


@everywhere(values=COLLECTION_OUT, returns=1)
def fill_each(values, value):
    for position in range(len(values)):
        values[position] = value + position
    return value


@everywhere(values=COLLECTION_IN, returns=1)
def tell_collection(values):
    return hash_of(values)


@everywhere(rows={"Type": COLLECTION_INOUT, "Depth": 2})
def change_rows(rows, value):
    for row in rows:
        for position, each in enumerate(row):
            row[position] = each + value


@everywhere(table=DICTIONARY_INOUT)
def change_table(table, value):
    for key in table:
        table[key] = [*table[key], value]


@everywhere(table=DICTIONARY_IN, returns=1)
def tell_table(table):
    return hash_of(table)


@everywhere(path=FILE_OUT)
def write(path, value):
    Path(path).write_text(f"{value}\n" * 20)


@everywhere(path=FILE_INOUT)
def extend(path, value):
    with Path(path).open("a") as file:
        file.write(f"{value}\n")


@everywhere(path=FILE_COMMUTATIVE)
def extend_any_order(path, value):
    extend[""].function(path, value)


@everywhere(path=FILE_CONCURRENT)
def extend_at_once(path, value):
    extend[""].function(path, value)


@everywhere(path=FILE_IN, returns=1)
def read(path):
    return sum(map(int, Path(path).read_text().split())) % 1_000_003


@everywhere(paths=COLLECTION_FILE_INOUT)
def extend_each(paths, value):
    for path in paths:
        extend[""].function(path, value)


@everywhere(folder=DIRECTORY_OUT)
def make_folder(folder, value):
    Path(folder).mkdir(exist_ok=True)
    for old in Path(folder).iterdir():
        old.unlink()
    (Path(folder) / "first").write_text(f"{value}\n" * 100)


@everywhere(folder=DIRECTORY_INOUT)
def extend_folder(folder, value):
    names = list(Path(folder).iterdir())
    (Path(folder) / f"file{len(names)}").write_text(f"{value}\n")


@everywhere(folder=DIRECTORY_IN, returns=1)
def read_folder(folder):
    return sum(sum(map(int, path.read_text().split())) for path in Path(folder).iterdir()) % 1_000_003
