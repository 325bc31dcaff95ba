"""What the tasks of `benchmarks/peers.py` do; workers of every subject find them here by name."""

from typing import Any

import numpy as np

BLOCK = 256
ARRAY_BYTES = 1_000_000


def noop(value: int) -> int:
    return value


def make(number: int) -> Any:
    return np.full(ARRAY_BYTES // 8, float(number))


def add(*arrays: Any) -> float:
    return float(sum(array.sum() for array in arrays))


def block_of(row: int, column: int, size: int) -> Any:
    found = np.random.default_rng(row * 1000 + column).random((BLOCK, BLOCK))
    return found + found.T + 2 * BLOCK * size * np.eye(BLOCK) if row == column else found


def factor(diagonal: Any) -> Any:
    return np.linalg.cholesky(diagonal)


def solve(factored: Any, block: Any) -> Any:
    return np.linalg.solve(factored, block.T).T


def update(block: Any, left: Any, right: Any) -> Any:
    return block - left @ right.T


def trace(block: Any) -> float:
    return float(np.trace(block))
