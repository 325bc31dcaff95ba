"""`from pycompss.functions.reduce import merge_reduce, merge_n_reduce`."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any


def merge_reduce(function: Callable[[Any, Any], Any], data: Iterable[Any]) -> Any:
    """Return `data` reduced pair by pair as a tree, in parallel if `function` is a task."""
    queue = deque(data)
    if not queue:
        raise ValueError("there is nothing to reduce")
    while len(queue) > 1:
        first, second = queue.popleft(), queue.popleft()
        queue.append(function(first, second))
    return queue.popleft()


def merge_n_reduce(function: Callable[..., Any], arity: int, data: Iterable[Any]) -> Any:
    """Return `data` reduced `arity` at a time as a tree."""
    if arity < 2:  # noqa: PLR2004 - fewer than two reduce nothing
        raise ValueError("arity must be 2 or more")
    queue = deque(data)
    if not queue:
        raise ValueError("there is nothing to reduce")
    while len(queue) > 1:
        taken = [queue.popleft() for _ in range(min(arity, len(queue)))]
        queue.append(function(*taken))
    return queue.popleft()


mergeReduce = merge_reduce  # noqa: N816 - the old spelling

__all__ = ["mergeReduce", "merge_n_reduce", "merge_reduce"]
