"""Blocked matrix multiplication as PyCOMPSs programs write it: INOUT blocks, and rows as collections."""

import sys

import numpy as np
from pycompss.api.api import compss_barrier, compss_wait_on
from pycompss.api.constraint import constraint
from pycompss.api.parameter import COLLECTION_IN, INOUT, Depth, Type
from pycompss.api.task import task

UNITS = 1


@constraint(computing_units="UNITS")
@task(returns=np.array)
def make_block(size, seed):
    return np.random.default_rng(seed).random((size, size))


@task(c=INOUT)
def multiply(a, b, c):
    c += a @ b


@task(returns=1)
def zeros(size):
    return np.zeros((size, size))


@task(row={Type: COLLECTION_IN, Depth: 1}, column=COLLECTION_IN, returns=1)
def dot(row, column):
    return sum(a @ b for a, b in zip(row, column, strict=True))


@task(blocks={Type: COLLECTION_IN, Depth: 2}, returns=float)
def trace(blocks):
    return float(sum(np.trace(blocks[i][i]) for i in range(len(blocks))))


def main():
    count, size = int(sys.argv[1]), int(sys.argv[2])
    indices = range(count)
    a = [[make_block(size, 10 * i + j) for j in indices] for i in indices]
    b = [[make_block(size, 1000 + 10 * i + j) for j in indices] for i in indices]
    c = [[zeros(size) for _ in indices] for _ in indices]
    for i in indices:
        for j in indices:
            for k in indices:
                multiply(a[i][k], b[k][j], c[i][j])
    collected = [[dot(a[i], [b[k][j] for k in indices]) for j in indices] for i in indices]
    traces = trace(c), trace(collected)
    compss_barrier()
    c, traces = compss_wait_on(c), compss_wait_on(traces)
    expected = np.block(compss_wait_on(a)) @ np.block(compss_wait_on(b))
    assert np.allclose(np.block(c), expected)
    assert np.allclose(traces, np.trace(expected))
    print("matrices ok")


if __name__ == "__main__":
    main()
