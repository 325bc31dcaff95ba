"""`@implement`: another function does the same as a task, under constraints of its own.

The run then has alternatives for each call of that task. Placement looks at the constraints of each; of those
that fit a site, the one that is expected to be done first there is taken.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from continuum.model.errors import InvalidInputError
from continuum.workflow.programming import ALTERNATIVES, TaskFunction
from continuum.workflow.spelling import above_task, options_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@options_of("implement")
def implement(source_class: str = "", method: str = "", source: str = "") -> Callable[[Decorated], Decorated]:
    """Say that the task below is another way to do the task `method` of the module (or module and class)
    `source_class`. Calls go to that task; this one is chosen where it fits better.
    """
    where = source or source_class
    if not where or not method:
        raise InvalidInputError(
            "@implement needs source_class and method",
            hint="of the task that the one below does in another way",
        )

    def decorate(task: Any) -> Any:
        if not isinstance(task, TaskFunction):
            raise above_task("implement")
        ALTERNATIVES.setdefault((where, method), []).append(task)
        return task

    return decorate


def find_variants(task: TaskFunction) -> list[TaskFunction]:
    """Return the other ways to do a task, in the order in which they were defined."""
    function = task.function
    holder, _, name = function.__qualname__.rpartition(".")
    found = []
    for module in _names_of(function.__module__):
        where = f"{module}.{holder}" if holder else module
        found += ALTERNATIVES.get((where, name), [])
    for each in found:
        if each.parameters != task.parameters:
            raise InvalidInputError(
                f"@implement: {each.name} has other parameters than {task.name}, which it implements"
            )
    return [each for each in found if each is not task]


def _names_of(module: str) -> list[str]:
    if module != "__main__":
        return [module]
    main = getattr(sys.modules.get("__main__"), "__file__", None) or sys.argv[0]
    return ["__main__", Path(main).stem]
