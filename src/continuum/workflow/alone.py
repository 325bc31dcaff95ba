"""Programs of our own words without a run: every call is done at once, and gives finished futures.

So `await`, `result()` and `gather` mean the same under plain `python app.py`. Inside a task (here, or in a
worker) a call of another task is a plain call that gives the value itself, as in a run. PyCOMPSs programs get
plain values everywhere, as they do from PyCOMPSs.
"""

from contextvars import ContextVar
from typing import Any

from continuum.workflow import engines
from continuum.workflow.directions import Access
from continuum.workflow.futures import Finished
from continuum.workflow.programming import TaskFunction

_is_inside: ContextVar[bool] = ContextVar("is_inside_a_task", default=False)


def call(task: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a task now; return finished futures, or the plain result inside of another task."""
    if _is_inside.get() or engines.is_worker:
        return task.call_here(args, kwargs)
    if task.directions:
        _settle_what_is_written(task, args, kwargs)
    given = tuple(resolve(value) for value in args)
    named = {name: resolve(value) for name, value in kwargs.items()}
    token = _is_inside.set(True)
    try:
        result = task.call_here(given, named)
    finally:
        _is_inside.reset(token)
    return _futures(task, result)


def _settle_what_is_written(task: TaskFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Replace futures inside what the task changes in place: there, as a copy would take the changes away."""
    by_position = [*task.parameters[: len(args)], *[task.varargs] * (len(args) - len(task.parameters))]
    for name, value in [*zip(by_position, args, strict=True), *kwargs.items()]:
        direction = task.directions.get(name) or task.directions.get(task.keywords)
        if direction is not None and direction.access is not Access.READ:
            _settle(value)


def _settle(value: Any) -> None:
    if isinstance(value, list | dict):
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            _settle(item)
            settled = resolve(item)
            if settled is not item:
                value[key] = settled
    elif isinstance(value, tuple):
        for item in value:
            _settle(item)


def _futures(task: TaskFunction, result: Any) -> Any:
    kinds = task.returns.kinds
    if not kinds:
        return None
    if len(kinds) == 1:
        return Finished(result, kinds[0])
    values = result if result is not None else [None] * len(kinds)
    return [Finished(value, kind) for value, kind in zip(values, kinds, strict=True)]


def resolve(value: Any) -> Any:
    """Return `value` with the finished futures in its lists, tuples and dicts replaced; itself if none is."""
    if isinstance(value, Finished):
        return value.value
    kind = type(value)
    if kind is list or kind is tuple or kind is set:
        items = [resolve(item) for item in value]
        return kind(items) if _differ(items, value) else value
    if kind is dict:
        items = [resolve(item) for item in value.values()]
        return dict(zip(value, items, strict=True)) if _differ(items, value.values()) else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        items = [resolve(item) for item in value]
        return kind(*items) if _differ(items, value) else value
    return value


def _differ(items: list[Any], others: Any) -> bool:
    return any(item is not other for item, other in zip(items, others, strict=True))
