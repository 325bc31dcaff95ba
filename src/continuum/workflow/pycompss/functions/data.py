"""`from pycompss.functions.data import generator, chunks`: data to try programs with."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.programming import task
from continuum.workflow.synchronising import wait_on

_DRAWS = ("random", "normal", "uniform")


def chunks(data: Sequence[Any], length: int, balanced: bool = False) -> Iterator[Sequence[Any]]:
    """Give `data` in pieces of `length`; with `balanced`, what is left over makes the first ones longer."""
    rest = len(data) % length if balanced else 0
    begin = 0
    while begin < len(data):
        end = begin + length + (rest > 0)
        rest -= rest > 0
        yield data[begin:end]
        begin = end


@task(returns=list)
def _fragment(rows: int, columns: int, seed: str, distribution: str) -> list[list[float]]:
    source = random.Random(seed)  # noqa: S311 - data to try things with
    table = [[source.random() for _ in range(columns)] for _ in range(rows)]
    if distribution == "uniform":
        return [[2 * value - 1 for value in row] for row in table]
    if distribution == "normal":
        return [[source.gauss(0.0, 1.0) for _ in row] for row in table]
    return table


def generator(
    size: tuple[int, int],
    num_frag: int,
    seed: int | None = None,
    distribution: str = "random",
    wait: bool = False,
) -> list[Any]:
    """Return `num_frag` fragments of a table of `size` (rows, columns), each made by a task.

    `distribution`: `random` (0 to 1), `normal` or `uniform` (-1 to 1). Equal seeds give equal data.
    """
    if distribution not in _DRAWS:
        raise InvalidInputError(f"distribution={distribution!r} is not known", hint=", ".join(_DRAWS))
    rows, columns = size
    base = random.getrandbits(64) if seed is None else seed
    data: list[Any] = [
        _fragment(rows // num_frag + (index < rows % num_frag), columns, f"{base}-{index}", distribution)
        for index in range(num_frag)
    ]
    return list(wait_on(data)) if wait else data


__all__ = ["chunks", "generator"]
