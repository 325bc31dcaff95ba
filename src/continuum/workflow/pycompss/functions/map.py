"""`from pycompss.functions.map import map`."""

from collections.abc import Callable, Iterable
from typing import Any


def map(function: Callable[..., Any], *iterables: Iterable[Any], **kwargs: Any) -> list[Any]:  # noqa: A001
    """Return the function called with every element (or the elements of several iterables side by side)."""
    return [function(*arguments, **kwargs) for arguments in zip(*iterables, strict=False)]


__all__ = ["map"]
