"""`from pycompss.functions.profile import profile`: the memory that a function takes, printed."""

import functools
import tracemalloc
from collections.abc import Callable
from typing import Any


def profile(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Decorate a function so that each call prints the most memory that its Python objects took meanwhile.

    Put it below `@task`, so that it looks at the worker. `full_report`, `precision`, `stream` change nothing.
    """
    if function is None:
        return profile

    @functools.wraps(function)
    def profiled(*args: Any, **kwargs: Any) -> Any:
        is_first = not tracemalloc.is_tracing()
        if is_first:
            tracemalloc.start()
        tracemalloc.reset_peak()
        try:
            return function(*args, **kwargs)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            if is_first:
                tracemalloc.stop()
            print(f"{function.__qualname__}: at most {peak / 2**20:.1f} MiB")  # noqa: T201

    return profiled


__all__ = ["profile"]
