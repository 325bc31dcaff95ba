"""`from pycompss.api.data_transformation import dt`: an argument is transformed by a task before it is used.

`@dt("data", normalise, factor=2)` above `@task` makes `normalise(data, factor=2)` a task of its own and gives
its result to the decorated one; with `is_workflow=True` the function is called in the main program, and may
call tasks. Transformations between files and objects by name (`type=FILE_TO_OBJECT` …) are refused: write a
function that does them.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.programming import TaskFunction, task

_REFUSED = ("type", "destination", "size")


def dt(
    target: str | None = None,
    function: Callable[..., Any] | None = None,
    *,
    is_workflow: bool = False,
    **options: Any,
) -> Callable[[Any], Any]:
    """Say how the parameter `target` of the task below is transformed. Several may stand above each other."""
    target = options.pop("parameter_name", target)
    for name in _REFUSED:
        if name in options:
            raise InvalidInputError(
                f"@dt({name}=…) is not supported",
                hint="write a function that does it: @dt(parameter, function)",
            )
    if not isinstance(target, str) or not callable(function):
        raise InvalidInputError(
            "@dt needs a parameter and a function", hint='@dt("data", normalise, factor=2)'
        )
    transform: Any = function
    if not is_workflow and not isinstance(function, TaskFunction):
        transform = task(returns=1)(function)
    return lambda decorated: _with(decorated, target, transform, options)


def _with(decorated: Any, target: str, transform: Any, options: dict[str, Any]) -> Any:
    plain = inspect.unwrap(getattr(decorated, "function", decorated))
    signature = inspect.signature(plain)
    if target not in signature.parameters:
        raise InvalidInputError(f"@dt: {plain.__qualname__} has no parameter {target}")

    @functools.wraps(plain)
    def transforming(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        given.arguments[target] = transform(given.arguments[target], **options)
        return decorated(*given.args, **given.kwargs)

    return transforming


DT = data_transformation = DataTransformation = dt

__all__ = ["DT", "DataTransformation", "data_transformation", "dt"]
