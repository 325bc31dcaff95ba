"""Options of decorators as programs write them: old spellings are taken, misspelt ones told by their name.

Python itself would say `binary() got an unexpected keyword argument 'binry'`: true, but of a function that
the program never meant to call, and without the option that was meant.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from continuum.model.errors import InvalidInputError

P = ParamSpec("P")
R = TypeVar("R")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def options_of(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function that makes the decorator `@name` raise `InvalidInputError` for options that it has not.

    camelCase is read as snake_case. A decorator that needs no options may stand without parentheses.
    """

    def decorate(make: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(make)

        @functools.wraps(make)
        def checked(*args: Any, **options: Any) -> Any:
            named = _with_known_names(options, signature)
            is_bare = len(args) == 1 and not options and callable(args[0])
            given = () if is_bare else args
            _check(name, signature, given, named)
            made: Any = make(*given, **named)
            return made(args[0]) if is_bare else made

        return checked

    return decorate


def hint_for(word: str, known: Iterable[str]) -> str:
    """Return what was probably meant by `word`, else all that is known."""
    from difflib import get_close_matches  # noqa: PLC0415 - for programs that are wrong

    names = sorted(known)
    near = get_close_matches(word.casefold(), [each.casefold() for each in names], n=1)
    if near:
        return "did you mean " + next(each for each in names if each.casefold() == near[0]) + "?"
    return "there are: " + ", ".join(names)


def _with_known_names(options: Mapping[str, Any], signature: inspect.Signature) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for given, value in options.items():
        name = _CAMEL.sub("_", given).lower()
        is_old = given not in signature.parameters and name in signature.parameters and name not in options
        named[name if is_old else given] = value
    return named


def _check(name: str, signature: inspect.Signature, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    known = [each.name for each in signature.parameters.values() if each.kind in _NAMED]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    unknown = next((each for each in named if each not in known), None)
    if unknown is not None and not takes_any:
        raise InvalidInputError(f"@{name} has no option {unknown}", hint=hint_for(unknown, known))
    try:
        bound = signature.bind_partial(*args, **named)
    except TypeError as problem:
        raise InvalidInputError(f"@{name}: {problem}", hint="its options: " + ", ".join(known)) from None
    for each in signature.parameters.values():
        if each.default is each.empty and each.kind in _NAMED and each.name not in bound.arguments:
            raise InvalidInputError(f"@{name} needs {each.name}", hint=f"@{name}({each.name}=…)")


def above_task(name: str) -> InvalidInputError:
    """Return the error for `@name` above something that is no task."""
    return InvalidInputError(
        f"@{name} goes above @task, and the function below it has none",
        hint=f"write @task() directly above the function, and @{name} above that",
    )
