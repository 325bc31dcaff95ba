"""What `@task(name=DIRECTION, …)` says about the parameters of a function.

A name may be a parameter, the `*args` (then each of them, also as `varargs_type`), the `**kwargs` (each of
those that have no direction by their own name), or the name of one keyword that goes into `**kwargs`.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.directions import (
    COMMUTATIVE,
    CONCURRENT,
    IN,
    INOUT,
    OUT,
    Access,
    Direction,
    parse_direction,
)

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
OPTIONS = frozenset(
    (
        "returns",
        "priority",
        "on_failure",
        "retries",
        "time_out",
        "target_direction",
        "varargs_type",
        "is_distributed",
        "is_replicated",
        "cache_returns",
        "numba",
        "numba_flags",
        "numba_signature",
        "numba_declaration",
    )
)
REPLICATED, DISTRIBUTED = "is_replicated", "is_distributed"
_TARGETS = frozenset((IN, OUT, INOUT, CONCURRENT, COMMUTATIVE))


class Declared:
    """The parameters that are used otherwise than plainly read, and how the function takes its arguments.

    `parameters` can be given by position; `varargs` and `keywords` name `*args` and `**kwargs`; `rest` are
    the names in `@task` that nothing here knows.
    """

    __slots__ = ("directions", "keywords", "names", "parameters", "rest", "varargs")

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        found = inspect.signature(function).parameters
        self.names = frozenset(found)
        self.parameters = tuple(name for name, each in found.items() if each.kind in POSITIONAL)
        self.varargs = _first(found, inspect.Parameter.VAR_POSITIONAL)
        self.keywords = _first(found, inspect.Parameter.VAR_KEYWORD)
        self.directions: dict[str, Direction] = {}
        self.rest: dict[str, Any] = {}
        for name, value in options.items():
            is_keyword = bool(self.keywords) and isinstance(value, Direction | Mapping)
            if name in found or (is_keyword and name not in OPTIONS):
                self._add(name, parse_direction(name, value))
            elif name not in OPTIONS:
                self.rest[name] = value
        if "varargs_type" in options and self.varargs:
            self._add(self.varargs, parse_direction("varargs_type", options["varargs_type"]))
        self._add_target(function, options)

    def _add(self, name: str, direction: Direction) -> None:
        if direction.is_file or direction.is_deleted or direction.access is not Access.READ:
            self.directions[name] = direction

    def _add_target(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        target = parse_direction("self", options.get("target_direction", INOUT))
        if target not in _TARGETS:
            raise InvalidInputError(f"target_direction={target} is not possible", hint="use IN or INOUT")
        if self.parameters[:1] == ("self",) and "." in function.__qualname__ and "self" not in options:
            self._add("self", target)


def _first(parameters: Mapping[str, inspect.Parameter], kind: Any) -> str:
    return next((name for name, each in parameters.items() if each.kind is kind), "")
