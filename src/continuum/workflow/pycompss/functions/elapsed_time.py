"""`from pycompss.functions.elapsed_time import timeit`: how long a function takes."""

import functools
import time
from collections.abc import Callable
from typing import Any


def timeit(function: Callable[..., Any] | None = None) -> Any:
    """Decorate a function so that each call returns its result and the seconds that it took.

    Above `@task` that is what calling takes; below it, inside the task, what executing takes.
    """
    if function is None:
        return timeit

    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        result = function(*args, **kwargs)
        return [result, time.perf_counter() - begin]

    return timed


__all__ = ["timeit"]
