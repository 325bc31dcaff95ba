"""Workloads of well-known shapes, of about as many tasks as one asks for.

`montage`: images are projected, overlaps compared, a model fitted, images corrected and joined.
`mapreduce`: large inputs, small results, exchanged between all. `cholesky`: a blocked factorisation, with a
long critical path. `independent`: nothing depends on anything. `chains`: many, side by side. `survey`:
large data at their sites, each cut down in two steps, joined at the end.
"""

import random
from collections.abc import Callable, Sequence

from continuum.model.errors import InvalidInputError
from continuum.workflow.simulating.workloads import Given, Loom, Workload

MB = 1_000_000
Maker = Callable[[int, int, random.Random], Workload]


def make_workload(name: str, tasks: int, sites: int, seed: int = 1) -> Workload:
    """Return a workload of a family. Raises `InvalidInputError`."""
    maker = FAMILIES.get(name)
    if maker is None:
        raise InvalidInputError(f"no family is called {name!r}", hint=f"there are: {', '.join(FAMILIES)}")
    return maker(tasks, sites, random.Random(seed))  # noqa: S311 - a simulation


def _around(chance: random.Random, mean: float) -> float:
    return mean * chance.uniform(0.7, 1.3)


def _inputs(number: int, size_bytes: int, sites: int, chance: random.Random) -> list[Given]:
    return [Given(int(_around(chance, size_bytes)), chance.randrange(sites)) for _ in range(number)]


def _montage(tasks: int, sites: int, chance: random.Random) -> Workload:
    images = max(2, tasks // 4)
    loom = Loom("montage", _inputs(images, 20 * MB, sites, chance))
    projected = [loom.add("project", [image], _around(chance, 4.0), 20 * MB) for image in range(images)]
    pairs = [(one, min(images - 1, one + step)) for one in range(images) for step in (1, 2)]
    fits = [
        loom.add("difference", [projected[one], projected[other]], _around(chance, 1.0), 20_000)
        for one, other in pairs
        if one != other
    ]
    model = loom.add("fit", _tree(loom, "concatenate", fits, chance), _around(chance, 5.0), 10_000)
    corrected = [loom.add("correct", [each, model], _around(chance, 1.0), 5 * MB) for each in projected]
    loom.add("join", _tree(loom, "add", corrected, chance, 5 * MB), _around(chance, 5.0), 50 * MB)
    return loom.workload()


def _tree(
    loom: Loom, function: str, data: Sequence[int], chance: random.Random, size_bytes: int = 100_000
) -> list[int]:
    """Join data, thirty at a time, until thirty are left."""
    level = list(data)
    width = 30
    while len(level) > width:
        parts = [level[first : first + width] for first in range(0, len(level), width)]
        level = [loom.add(function, part, _around(chance, 0.5), size_bytes) for part in parts]
    return level


def _mapreduce(tasks: int, sites: int, chance: random.Random) -> Workload:
    reducers = max(1, min(50, tasks // 20))
    mappers = max(1, tasks - reducers - 1)
    width = min(reducers, 8)
    loom = Loom("mapreduce", _inputs(mappers, 64 * MB, sites, chance))
    parts = [loom.add("map", [each], _around(chance, 3.0), *[200_000] * width) for each in range(mappers)]
    reduced = [
        loom.add(
            "reduce", [part + number % width for part in parts[number::reducers]], _around(chance, 2.0), 10**6
        )
        for number in range(reducers)
    ]
    loom.add("collect", reduced, 1.0, 10**6)
    return loom.workload()


def _cholesky(tasks: int, sites: int, chance: random.Random) -> Workload:
    blocks = max(2, round((6 * tasks) ** (1 / 3)))
    home = chance.randrange(sites)
    size_bytes = 8 * MB
    numbers: dict[tuple[int, int], int] = {}
    for row in range(blocks):
        for column in range(row + 1):
            numbers[row, column] = len(numbers)
    loom = Loom("cholesky", [Given(size_bytes, home) for _ in numbers])
    block = dict(numbers)
    for step in range(blocks):
        block[step, step] = loom.add("potrf", [block[step, step]], _around(chance, 0.4), size_bytes)
        for row in range(step + 1, blocks):
            reads = [block[step, step], block[row, step]]
            block[row, step] = loom.add("trsm", reads, _around(chance, 0.8), size_bytes)
        for row in range(step + 1, blocks):
            for column in range(step + 1, row + 1):
                reads = [block[row, step], block[column, step], block[row, column]]
                function = "syrk" if row == column else "gemm"
                block[row, column] = loom.add(function, reads, _around(chance, 1.0), size_bytes)
    return loom.workload()


def _independent(tasks: int, sites: int, chance: random.Random) -> Workload:
    del sites
    loom = Loom("independent")
    for _ in range(tasks):
        loom.add("work", [], _around(chance, 2.0), 1000)
    return loom.workload()


def _chains(tasks: int, sites: int, chance: random.Random) -> Workload:
    length = 20
    chains = max(1, tasks // length)
    loom = Loom("chains", _inputs(chains, 50 * MB, sites, chance))
    for chain in range(chains):
        last = chain
        for _ in range(length):
            last = loom.add("step", [last], _around(chance, 1.0), 50 * MB)
    return loom.workload()


def _survey(tasks: int, sites: int, chance: random.Random) -> Workload:
    parts = max(1, (tasks - 1) // 2)
    loom = Loom("survey", _inputs(parts, 400 * MB, sites, chance))
    seen = []
    for part in range(parts):
        clean = loom.add("calibrate", [part], _around(chance, 4.0), 40 * MB)
        seen.append(loom.add("detect", [clean], _around(chance, 1.0), 50_000))
    loom.add("catalogue", _tree(loom, "merge", seen, chance), 2.0, 10**6)
    return loom.workload()


FAMILIES: dict[str, Maker] = {
    "montage": _montage,
    "mapreduce": _mapreduce,
    "cholesky": _cholesky,
    "independent": _independent,
    "chains": _chains,
    "survey": _survey,
}
