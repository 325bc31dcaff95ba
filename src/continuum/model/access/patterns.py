"""Wildcards of policies: `*` stands for any text, `?` for one character, `${name}` for what is known of the
request.

A pattern is cut at its stars; the pieces are searched one after the other, the leftmost first, which is right
for this kind of pattern and takes time that grows with pattern times text, whatever is in them. (One regular
expression with many stars would not end.) What a variable stands for is taken literally: a user named `*` is
not everybody.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_LITERALS = frozenset({"*", "?", "$"})


class _Piece(msgspec.Struct, frozen=True):
    expression: re.Pattern[str]
    width: int


def find_variables(pattern: str) -> tuple[str, ...]:
    """Return the names of the variables in a pattern, lower-case; `${*}`, `${?}` and `${$}` are none."""
    return tuple(name.lower() for name in _VARIABLE.findall(pattern) if name not in _LITERALS)


def matches(pattern: str, text: str, variables: Mapping[str, str] | None = None) -> bool:
    """Whether `pattern` describes all of `text`. Without `variables` they are no variables; one that has no
    value makes the pattern describe nothing."""
    if variables is None or "${" not in pattern:
        return _describes(_compile(pattern, None), text)
    values = [variables.get(name) for name in find_variables(pattern)]
    if None in values:
        return False
    return _describes(_compile(pattern, tuple(value or "" for value in values)), text)


def resolve(text: str, variables: Mapping[str, str] | None) -> str | None:
    """Return `text` with its variables replaced, once; None if one has no value."""
    if variables is None or "${" not in text:
        return text
    if any(name not in variables for name in find_variables(text)):
        return None
    return _VARIABLE.sub(
        lambda found: found[1] if found[1] in _LITERALS else variables[found[1].lower()], text
    )


def _describes(pieces: tuple[_Piece, ...], text: str) -> bool:
    first = pieces[0].expression.match(text)
    if first is None:
        return False
    position = first.end()
    if len(pieces) == 1:
        return position == len(text)
    for piece in pieces[1:-1]:
        found = piece.expression.search(text, position)
        if found is None:
            return False
        position = found.end()
    start = len(text) - pieces[-1].width
    return start >= position and pieces[-1].expression.match(text, start) is not None


@lru_cache(maxsize=4096)
def _compile(pattern: str, values: tuple[str, ...] | None) -> tuple[_Piece, ...]:
    expressions, widths = [""], [0]
    left = list(values or ())
    for number, part in enumerate(_VARIABLE.split(pattern) if values is not None else [pattern]):
        if number % 2:  # the name of a variable
            value = part if part in _LITERALS else left.pop(0)
            expressions[-1] += re.escape(value)
            widths[-1] += len(value)
            continue
        for position, literal in enumerate(part.split("*")):
            if position:
                expressions.append("")
                widths.append(0)
            expressions[-1] += re.escape(literal).replace(r"\?", ".")
            widths[-1] += len(literal)
    return tuple(
        _Piece(re.compile(expression, re.DOTALL), width)
        for expression, width in zip(expressions, widths, strict=True)
    )
