"""`from pycompss.api.local import local`: a function of the main program that gets values, not futures."""

import functools
from collections.abc import Callable
from typing import Any

from continuum.workflow.synchronising import wait_on


def local(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function so that its arguments are waited for; it runs in the main program, at once.

    An object that tasks have changed is given as it is now, in a copy: what the function does to that
    does not reach later tasks.
    """

    @functools.wraps(function)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        given, named = wait_on(list(args)), wait_on(dict(kwargs))
        return function(*given, **named)

    return waiting


Local = local

__all__ = ["Local", "local"]
