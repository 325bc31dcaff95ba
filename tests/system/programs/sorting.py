"""Sorting numbers: fragments merged as a tree, and buckets of a range each; both as `sorted` sorts them."""

import random
import sys

from pycompss.api.api import compss_delete_object, compss_wait_on
from pycompss.api.constraint import constraint
from pycompss.api.parameter import COLLECTION_IN, COLLECTION_OUT, Depth, Type
from pycompss.api.task import task
from pycompss.functions.reduce import merge_n_reduce, merge_reduce

BUCKETS = 4


@task(returns=list)
def fragment(seed, length):
    source = random.Random(seed)
    return [source.randrange(1000) for _ in range(length)]


@task(returns=1)
def sort(values):
    return sorted(values)


@task(returns=1, priority=True)
def merge(left, right):
    merged, left, right = [], list(left), list(right)
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right


@task(returns=1)
def merge_all(*parts):
    return sorted(value for part in parts for value in part)


@task(values=COLLECTION_IN, buckets={Type: COLLECTION_OUT, Depth: 1})
def fill(values, buckets):
    for number in range(BUCKETS):
        buckets[number] = [value for value in values if value * BUCKETS // 1000 == number]


@constraint(computing_units=1)
@task(parts={Type: COLLECTION_IN, Depth: 1}, returns=list)
def sort_bucket(parts):
    return sorted(value for part in parts for value in part)


if __name__ == "__main__":
    length = int(sys.argv[1])
    fragments = [fragment(seed, length) for seed in range(5)]
    expected = sorted(value for each in compss_wait_on(fragments) for value in each)
    assert compss_wait_on(merge_reduce(merge, [sort(each) for each in fragments])) == expected
    assert compss_wait_on(merge_n_reduce(merge_all, 3, [sort(each) for each in fragments])) == expected
    rows = []
    for each in compss_wait_on(fragments):
        row = [[] for _ in range(BUCKETS)]
        fill(each, row)
        rows.append(row)
    sorted_buckets = [sort_bucket([row[number] for row in rows]) for number in range(BUCKETS)]
    assert [value for each in compss_wait_on(sorted_buckets) for value in each] == expected
    for each in fragments:
        compss_delete_object(each)
    print("sorting ok")
