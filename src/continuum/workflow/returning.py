"""How many values a task returns: `returns` in all spellings, and what the function's own code says."""

import dis
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from continuum.model.errors import InvalidInputError

MAX_RETURNS = 10_000


class Returns:
    """`count` futures come back from a call: none, one (`is_single`) or a list. `kinds` are their classes."""

    __slots__ = ("count", "is_single", "kinds")

    def __init__(self, count: int, kinds: Sequence[type | None] = (), *, is_single: bool = False) -> None:
        self.count = count
        self.kinds = tuple(kinds) or (None,) * count
        self.is_single = is_single or count == 1


def parse_returns(given: Any, function: Callable[..., Any]) -> Returns:
    """Return what `returns=given` means: a number (also as text), a type, a tuple or list of types, or the
    name of a global variable of the program that holds a number.

    `None`: decided by the function's annotation, else by its return statements.
    """
    if given is None:
        return _from_function(function)
    if isinstance(given, str):
        return _counted(_number(given, function))
    if isinstance(given, bool):
        raise InvalidInputError(f"returns={given!r} of {function.__qualname__} says nothing")
    if isinstance(given, int):
        return _counted(given)
    if isinstance(given, tuple | list):
        return Returns(len(given), [kind if isinstance(kind, type) else None for kind in given])
    return Returns(1, [given if isinstance(given, type) else None])


def _counted(count: int) -> Returns:
    if not 0 <= count <= MAX_RETURNS:
        raise InvalidInputError(f"a task cannot return {count} values", hint=f"0 to {MAX_RETURNS}")
    return Returns(count)


def _number(text: str, function: Callable[..., Any]) -> int:
    if text.strip().isdigit():
        return int(text)
    value = getattr(function, "__globals__", {}).get(text)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InvalidInputError(
        f"returns={text!r} of {function.__qualname__} is no number and no global variable that holds one"
    )


def _from_function(function: Callable[..., Any]) -> Returns:
    annotation = inspect.get_annotations(function).get("return", inspect.Signature.empty)
    if annotation is None or annotation == "None":
        return Returns(0)
    if annotation is not inspect.Signature.empty and not isinstance(annotation, str):
        return _from_annotation(annotation)
    return _counted(_count_in_code(function.__code__))


def _from_annotation(annotation: Any) -> Returns:
    if typing.get_origin(annotation) is tuple:
        kinds = typing.get_args(annotation)
        if kinds and kinds[-1] is not Ellipsis:
            return Returns(len(kinds), [kind if isinstance(kind, type) else None for kind in kinds])
    return Returns(1, [annotation if isinstance(annotation, type) else None])


def _count_in_code(code: types.CodeType) -> int:
    """Return 0 if every return gives None, n if every other one gives a tuple of n written out, else 1."""
    counts = set()
    before: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.opname in {"RETURN_VALUE", "RETURN_CONST"}:
            counts.add(_count_of_return(step, before))
        before.append(step)
    counts.discard(0)
    return counts.pop() if len(counts) == 1 else min(len(counts), 1)


def _count_of_return(step: dis.Instruction, before: Sequence[dis.Instruction]) -> int:
    source = step if step.opname == "RETURN_CONST" else before[-1] if before else step
    if source.opname in {"LOAD_CONST", "RETURN_CONST"}:
        if source.argval is None:
            return 0
        return len(source.argval) if isinstance(source.argval, tuple) and len(source.argval) > 1 else 1
    if source.opname == "BUILD_TUPLE" and source.arg is not None and source.arg > 1:
        return source.arg
    return 1
