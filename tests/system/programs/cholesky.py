"""The blocked Cholesky factorisation: blocks that tasks update in place, compared with numpy's."""

import sys

import numpy as np
from pycompss.api.api import compss_barrier, compss_wait_on
from pycompss.api.constraint import constraint
from pycompss.api.parameter import IN, INOUT
from pycompss.api.task import task


@constraint(computing_units="1")
@task(returns=np.ndarray, priority=True)
def factor(block):
    return np.linalg.cholesky(block)


@task(returns=1, diagonal=IN, block=IN)
def solve(diagonal, block):
    return np.linalg.solve(diagonal, block.T).T


@task(target=INOUT)
def update(target, left, right):
    target -= left @ right.T


if __name__ == "__main__":
    count, size = int(sys.argv[1]), int(sys.argv[2])
    source = np.random.default_rng(5).random((count * size, count * size))
    matrix = source @ source.T + count * size * np.eye(count * size)
    blocks = [
        [matrix[i * size : (i + 1) * size, j * size : (j + 1) * size].copy() for j in range(count)]
        for i in range(count)
    ]
    for k in range(count):
        blocks[k][k] = factor(blocks[k][k])
        for i in range(k + 1, count):
            blocks[i][k] = solve(blocks[k][k], blocks[i][k])
        for i in range(k + 1, count):
            for j in range(k + 1, i + 1):
                update(blocks[i][j], blocks[i][k], blocks[j][k])
    compss_barrier()
    lower = compss_wait_on([[blocks[i][j] for j in range(i + 1)] for i in range(count)])
    expected = np.linalg.cholesky(matrix)
    for i in range(count):
        for j in range(i + 1):
            assert np.allclose(lower[i][j], expected[i * size : (i + 1) * size, j * size : (j + 1) * size]), (
                i,
                j,
            )
    print("cholesky ok")
