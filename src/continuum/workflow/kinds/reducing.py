"""`@reduction`: a call with many values becomes a tree of calls with at most `chunk_size` values each."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from continuum.model.errors import InvalidInputError
from continuum.workflow.programming import TaskFunction
from continuum.workflow.spelling import above_task, options_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

LEAST = 2
Call = Callable[[tuple[Any, ...], dict[str, Any]], Any]


@options_of("reduction")
def reduction(chunk_size: int | str = LEAST) -> Callable[[Decorated], Decorated]:
    """Split calls of the task below: its one collection is taken in chunks of `chunk_size`, what these give
    in chunks again, until one value is left. The function must not mind how its values are grouped.
    """
    from continuum.workflow.constraints import Scope  # noqa: PLC0415 - for one look

    def decorate(task: Any) -> Any:
        if not isinstance(task, TaskFunction):
            raise above_task("reduction")
        scope = Scope(getattr(task.function, "__globals__", {}), {}, set())
        try:
            size = int(scope.look_up(chunk_size))
        except (TypeError, ValueError):
            raise InvalidInputError(f"@reduction(chunk_size={chunk_size!r}) must be a number") from None
        if size < LEAST:
            raise InvalidInputError(f"@reduction(chunk_size={size}) would never end", hint="at least 2")
        parameter = _collection_of(task)
        task.expand = _Reduction(task, parameter, size).expand
        return task

    return decorate


class _Reduction:
    def __init__(self, task: TaskFunction, parameter: str, size: int) -> None:
        self._signature = inspect.signature(task.function)
        self._parameter = parameter
        self._size = size

    def expand(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the calls of the tree and return what the last one gives."""
        bound = self._signature.bind(*args, **kwargs)
        items = bound.arguments.get(self._parameter)
        if not isinstance(items, list | tuple) or len(items) <= self._size:
            return call(args, kwargs)
        level: Sequence[Any] = items
        while len(level) > self._size:
            level = [self._call(call, bound, chunk) for chunk in self._chunks(level)]
        return self._call(call, bound, list(level))

    def _chunks(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        return [items[start : start + self._size] for start in range(0, len(items), self._size)]

    def _call(self, call: Call, bound: inspect.BoundArguments, chunk: Sequence[Any]) -> Any:
        if len(chunk) == 1:
            return chunk[0]
        arguments: Mapping[str, Any] = {**bound.arguments, self._parameter: list(chunk)}
        made = inspect.BoundArguments(self._signature, dict(arguments))
        return call(made.args, made.kwargs)


def _collection_of(task: TaskFunction) -> str:
    collections = [name for name, direction in task.given_directions.items() if direction.is_collection]
    if not collections and len(task.parameters) == 1:
        return task.parameters[0]
    if len(collections) != 1:
        raise InvalidInputError(
            f"@reduction: {task.name} has {len(collections)} collections",
            hint="declare exactly one parameter as COLLECTION_IN",
        )
    return collections[0]
