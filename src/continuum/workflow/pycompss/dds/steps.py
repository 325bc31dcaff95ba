"""The tasks behind a data set: what is done to one partition, to two, and to the buckets of all."""

import functools
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from continuum.workflow.directions import COLLECTION_IN, COLLECTION_OUT
from continuum.workflow.programming import task

Step = Callable[[Iterable[Any]], Iterable[Any]]


def apply(steps: Sequence[Step], items: Iterable[Any]) -> list[Any]:
    """Return the items after all steps."""
    for step in steps:
        items = step(items)
    return list(items)


@task(returns=1)
def compute(steps: Sequence[Step], items: Iterable[Any]) -> list[Any]:
    """Return a partition after its steps."""
    return apply(steps, items)


@task(returns=1)
def fold(steps: Sequence[Step], items: Iterable[Any], function: Callable[[Any, Any], Any]) -> list[Any]:
    """Return a partition reduced to one value, in a list that is empty if there is none."""
    values = apply(steps, items)
    return [functools.reduce(function, values)] if values else []


@task(returns=1)
def combine(left: list[Any], right: list[Any], function: Callable[[Any, Any], Any]) -> list[Any]:
    """Return what two reduced partitions make together."""
    both = [*left, *right]
    return [functools.reduce(function, both)] if both else []


@task(buckets=COLLECTION_OUT)
def scatter(steps: Sequence[Step], items: Iterable[Any], buckets: list[Any]) -> None:
    """Put the pairs of a partition into buckets by their keys."""
    found: list[list[Any]] = [[] for _ in buckets]
    for pair in apply(steps, items):
        found[bucket_of(pair[0], len(buckets))].append(pair)
    buckets[:] = found


@task(parts=COLLECTION_IN, returns=1)
def gather(parts: Sequence[Sequence[Any]], merge: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """Return one bucket of all partitions, merged."""
    return merge([pair for part in parts for pair in part])


def bucket_of(key: Any, count: int) -> int:
    """Return the bucket of a key: the same in every process, which `hash` of a text is not."""
    return zlib.crc32(repr(key).encode()) % count


def by_key(pairs: Iterable[Any]) -> dict[Any, list[Any]]:
    """Return the values of each key."""
    values: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        values[key].append(value)
    return values
