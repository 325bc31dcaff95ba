"""What a simulated run has to do: tasks, what they read and write, how long they take."""

from collections.abc import Iterable, Sequence

import msgspec


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """One task: the data it reads (their numbers), seconds on a unit of speed 1, sizes of its results.

    Data are numbered: first the inputs of the workload, then the results in the order of the tasks.
    """

    function: str
    reads: tuple[int, ...]
    run_s: float
    result_bytes: tuple[int, ...] = ()
    units: int = 1


class Given(msgspec.Struct, frozen=True, array_like=True):
    """Data that are there from the beginning, in the store of one site (its index)."""

    size_bytes: int
    site: int


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run has to do."""

    name: str
    inputs: tuple[Given, ...]
    tasks: tuple[Shape, ...]


class Loom:
    """Makes a workload task by task."""

    def __init__(self, name: str, inputs: Iterable[Given] = ()) -> None:
        self._name = name
        self._inputs = tuple(inputs)
        self._tasks: list[Shape] = []
        self._data = len(self._inputs)

    @property
    def size(self) -> int:
        """How many tasks there are."""
        return len(self._tasks)

    def add(self, function: str, reads: Sequence[int], run_s: float, *result_bytes: int) -> int:
        """Add a task and return the number of its first result."""
        first = self._data
        self._tasks.append(Shape(function, tuple(reads), run_s, result_bytes))
        self._data += len(result_bytes)
        return first

    def workload(self) -> Workload:
        """Return what was made."""
        return Workload(name=self._name, inputs=self._inputs, tasks=tuple(self._tasks))
