"""The elements of a collection argument: where they are, by position, before and after the call.

An element is named by its path: positions from the argument down, in the order in which a list, a tuple or
the values of a dict are gone through. A task may change elements, in place or by assigning others; it must
not change how many there are, as every element is a datum that others wait for.
"""

from collections.abc import Sequence
from typing import Any

from continuum.workflow.engines.functions import Function, Refusal
from continuum.workflow.messages import FailureKind, Output

Path = tuple[int, ...]


def items_of(container: Any) -> Sequence[Any]:
    """Return the elements of a container in order: the values, if it is a dict."""
    return list(container.values()) if isinstance(container, dict) else container


def element_of(value: Any, path: Path) -> Any:
    """Return the element of `value` at `path`."""
    for position in path:
        value = items_of(value)[position]
    return value


class Elements:
    """The collections that one task writes element by element, as they were before it was called."""

    __slots__ = ("_arguments", "_function", "_seen", "_sizes")

    def __init__(
        self, function: Function, args: Sequence[Any], kwargs: dict[str, Any], outputs: Sequence[Output]
    ) -> None:
        self._function = function
        self._arguments = (args, kwargs)
        self._sizes: dict[tuple[str, Path], int] = {}
        self._seen: dict[tuple[str, Path], Sequence[Any]] = {}
        for output in outputs:
            if output.element:
                self._note_size(output.parameter, output.element[:-1])

    def _note_size(self, parameter: str, path: Path) -> None:
        if (parameter, path) not in self._sizes:
            container = element_of(self._function.argument(*self._arguments, parameter), path)
            self._sizes[parameter, path] = len(container)

    def value_of(self, output: Output) -> Any:
        """Return what an element is after the call. Raises `Refusal` if the collection changed its size."""
        return self._items(output.parameter, output.element[:-1])[output.element[-1]]

    def _items(self, parameter: str, path: Path) -> Sequence[Any]:
        seen = self._seen.get((parameter, path))
        if seen is not None:
            return seen
        if path:
            container = self._items(parameter, path[:-1])[path[-1]]
        else:
            container = self._function.argument(*self._arguments, parameter)
        expected = self._sizes.get((parameter, path))
        if expected is not None and (not hasattr(container, "__len__") or len(container) != expected):
            raise Refusal(
                FailureKind.UNFIT_OUTPUT,
                f"{self._function.name} changed how many elements its collection {parameter} has"
                f" (there were {expected}): declare it INOUT to have it as a whole",
            )
        items = self._seen[parameter, path] = items_of(container)
        return items
