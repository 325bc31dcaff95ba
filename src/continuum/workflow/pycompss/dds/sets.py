"""`DDS`: a data set in partitions. What keeps partitions apart is put off until something is asked.

Each partition is then one task; what works by key sends every pair to the task of its bucket. Functions go to
the tasks, lambdas too. What asks (`collect`, `count`, `reduce`, …) waits, unless it is to give futures.
"""

# ruff: noqa: SLF001 - the private members of other data sets are of this class

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from continuum.model.errors import InvalidInputError
from continuum.workflow.pycompss.dds import steps
from continuum.workflow.pycompss.dds.steps import Step, by_key
from continuum.workflow.synchronising import wait_on

DEFAULT_PARTS = 4


class DDS:
    """Load it (`load`, `load_file`, `load_text_file`, `load_files_from_dir`), transform it, ask it."""

    def __init__(self, partitions: Sequence[Any] = (), chain: tuple[Step, ...] = ()) -> None:
        self._partitions = list(partitions)
        self._chain = chain

    # ---- loading ----

    def load(self, iterator: Any, num_of_parts: int = DEFAULT_PARTS) -> Self:
        """Take the items in `num_of_parts` partitions; -1: they are partitions, or futures of some."""
        if num_of_parts == -1:
            self._partitions = list(iterator)
            return self
        items = list(iterator)
        size, rest = divmod(len(items), max(1, num_of_parts))
        begin = 0
        for index in range(num_of_parts):
            end = begin + size + (index < rest)
            if end > begin:
                self._partitions.append(items[begin:end])
            begin = end
        return self

    def load_file(self, file_path: str, chunk_size: int = 1024, worker_read: bool = False) -> Self:
        """Take a text file in pieces of `chunk_size` characters, one a partition."""
        text = _text(file_path, worker_read=worker_read)
        self._partitions += [[text[at : at + chunk_size]] for at in range(0, len(text), chunk_size)]
        return self

    def load_text_file(
        self, file_name: str, chunk_size: int = 1024, in_bytes: bool = True, strip: bool = True
    ) -> Self:
        """Take the lines of a text file, in partitions of about `chunk_size` bytes (or lines)."""
        part: list[str] = []
        size = 0
        for line in _text(file_name).splitlines(keepends=not strip):
            part.append(line)
            size += len(line.encode()) if in_bytes else 1
            if size >= chunk_size:
                self._partitions.append(part)
                part, size = [], 0
        self._partitions += [part] if part else []
        return self

    def load_files_from_dir(self, dir_path: str, num_of_parts: int = -1) -> Self:
        """Take the files of a folder as pairs of name and text; -1: one partition each."""
        pairs = [(str(path), path.read_text()) for path in sorted(Path(dir_path).iterdir()) if path.is_file()]
        return self.load(pairs, len(pairs) if num_of_parts == -1 else num_of_parts)

    # ---- transforming, partition by partition ----

    def map_partitions(self, func: Step) -> "DDS":
        """Apply a function to each partition as a whole."""
        return DDS(self._partitions, (*self._chain, func))

    def map(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> "DDS":
        """Apply a function to each item."""
        return self.map_partitions(lambda items: [func(item, *args, **kwargs) for item in items])

    def flat_map(self, func: Callable[..., Iterable[Any]], *args: Any, **kwargs: Any) -> "DDS":
        """Apply a function that gives several items to each item."""
        return self.map_partitions(
            lambda items: [each for item in items for each in func(item, *args, **kwargs)]
        )

    map_and_flatten = flat_map

    def filter(self, func: Callable[[Any], bool]) -> "DDS":
        """Keep items for which a function is true."""
        return self.map_partitions(lambda items: [item for item in items if func(item)])

    def key_by(self, func: Callable[[Any], Any]) -> "DDS":
        """Make pairs of what the function gives and the item."""
        return self.map(lambda item: (func(item), item))

    def map_values(self, func: Callable[[Any], Any]) -> "DDS":
        """Apply a function to the value of each pair."""
        return self.map(lambda pair: (pair[0], func(pair[1])))

    def flatten_by_key(self, func: Callable[[Any], Iterable[Any]]) -> "DDS":
        """Apply a function that gives several values to the value of each pair."""
        return self.flat_map(lambda pair: [(pair[0], value) for value in func(pair[1])])

    def keys(self) -> "DDS":
        """Keep the keys of the pairs."""
        return self.map(lambda pair: pair[0])

    def values(self) -> "DDS":
        """Keep the values of the pairs."""
        return self.map(lambda pair: pair[1])

    def union(self, *others: "DDS") -> "DDS":
        """Add the items of other data sets."""
        return DDS([part for each in (self, *others) for part in each._computed()])

    # ---- transforming, by key ----

    def partition_by(self, num_of_partitions: int = -1) -> "DDS":
        """Bring pairs of equal keys into the same partition."""
        return self._shuffled(lambda pairs: pairs, num_of_partitions)

    def group_by_key(self, num_of_parts: int = -1) -> "DDS":
        """Make one pair of each key and the list of its values."""
        return self._shuffled(lambda pairs: list(by_key(pairs).items()), num_of_parts)

    def reduce_by_key(self, func: Callable[[Any, Any], Any], collect_as_dict: bool = False) -> Any:
        """Make one pair of each key and its values reduced."""

        def merge(pairs: list[Any]) -> list[Any]:
            return [(key, functools.reduce(func, values)) for key, values in by_key(pairs).items()]

        reduced = self.map_partitions(lambda items: merge(list(items)))._shuffled(merge, -1)
        return reduced.collect_as_dict() if collect_as_dict else reduced

    def distinct(self) -> "DDS":
        """Keep each item once."""
        return (
            self.map(lambda item: (item, None))
            ._shuffled(lambda pairs: list(by_key(pairs).items()), -1)
            .keys()
        )

    def join(self, other: "DDS", num_of_parts: int = -1) -> "DDS":
        """Make a pair of each key and every pair of its values here and there."""
        here, there = self.map_values(lambda value: (0, value)), other.map_values(lambda value: (1, value))
        return here.union(there)._shuffled(_join, num_of_parts)

    def sort_by_key(self, ascending: bool = True, key_func: Callable[[Any], Any] | None = None) -> "DDS":
        """Sort pairs by their keys; the sorted data set has the partitions of one."""
        pairs = self.collect()
        pairs.sort(key=lambda pair: key_func(pair[0]) if key_func else pair[0], reverse=not ascending)
        return DDS().load(pairs, max(1, self.num_of_partitions()))

    # ---- asking ----

    def collect(self, keep_partitions: bool = False, future_objects: bool = False) -> Any:
        """Return the items; in lists of their own by partition, or futures of those, if asked."""
        computed = self._computed()
        if future_objects:
            return computed
        parts = wait_on(computed)
        return list(parts) if keep_partitions else list(itertools.chain.from_iterable(parts))

    def collect_as_dict(self) -> dict[Any, Any]:
        """Return the pairs as a dict."""
        return dict(self.collect())

    def count_by_key(self, as_dict: bool = False) -> Any:
        """Return how many pairs each key has."""
        counted = self.map_values(lambda _: 1).reduce_by_key(lambda a, b: a + b)
        return counted.collect_as_dict() if as_dict else counted

    def count_by_value(self, arity: int = 2, as_dict: bool = True, as_fo: bool = False) -> Any:  # noqa: ARG002
        """Return how often each item is there."""
        counted = self.map(lambda item: (item, 1)).reduce_by_key(lambda a, b: a + b)
        return counted.collect_as_dict() if as_dict and not as_fo else counted

    def reduce(self, func: Callable[[Any, Any], Any], initial: Any = None, arity: int = -1) -> Any:  # noqa: ARG002
        """Return all items reduced to one, as a tree. Raises `InvalidInputError` if there is none."""
        parts = [steps.fold(self._chain, part, func) for part in self._partitions]
        if initial is not None:
            parts.insert(0, [initial])
        while len(parts) > 1:
            parts = [
                steps.combine(pair[0], pair[1], func) if len(pair) == 2 else pair[0]  # noqa: PLR2004 - two of a pair
                for pair in (parts[at : at + 2] for at in range(0, len(parts), 2))
            ]
        value = wait_on(parts[0]) if parts else []
        if not value:
            raise InvalidInputError("an empty data set has nothing to reduce")
        return value[0]

    def sum(self) -> Any:
        """Return the sum of the items."""
        return sum(self.map_partitions(lambda items: [sum(items)]).collect())

    def count(self) -> int:
        """Return how many items there are."""
        return sum(self.map_partitions(lambda items: [sum(1 for _ in items)]).collect())

    def max(self, key: Callable[[Any], Any] | None = None) -> Any:
        """Return the largest item."""
        return self.reduce(lambda a, b: max(a, b, key=key))

    def min(self, key: Callable[[Any], Any] | None = None) -> Any:
        """Return the smallest item."""
        return self.reduce(lambda a, b: min(a, b, key=key))

    def foreach(self, func: Callable[[Any], Any]) -> None:
        """Call a function with each item, in the tasks."""
        self.map(func).collect()

    def take(self, num: int) -> list[Any]:
        """Return the first items."""
        found: list[Any] = []
        for part in self._computed():
            found += wait_on(part)
            if len(found) >= num:
                break
        return found[:num]

    def first(self) -> Any:
        """Return the first item."""
        return self.take(1)[0]

    def num_of_partitions(self) -> int:
        """Return how many partitions there are."""
        return len(self._partitions)

    # ---- how ----

    def _computed(self) -> list[Any]:
        if not self._chain:
            return list(self._partitions)
        return [steps.compute(self._chain, part) for part in self._partitions]

    def _shuffled(self, merge: Callable[[list[Any]], list[Any]], num_of_parts: int) -> "DDS":
        count = max(1, len(self._partitions) if num_of_parts == -1 else num_of_parts)
        rows: list[list[Any]] = []
        for part in self._partitions:
            row: list[Any] = [[] for _ in range(count)]
            steps.scatter(self._chain, part, row)
            rows.append(row)
        return DDS([steps.gather([row[index] for row in rows], merge) for index in range(count)])


def _join(pairs: list[Any]) -> list[Any]:
    joined = []
    for key, values in by_key(pairs).items():
        sides: tuple[list[Any], list[Any]] = ([], [])
        for side, value in values:
            sides[side].append(value)
        joined += [(key, both) for both in itertools.product(*sides)]
    return joined


def _text(path: str, *, worker_read: bool = False) -> str:
    if worker_read:
        raise InvalidInputError(
            "load_file(worker_read=True) is not supported", hint="give the path to a task with FILE_IN"
        )
    return Path(path).read_text()
