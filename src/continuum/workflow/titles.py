"""How a call looks to a person: the function with its arguments, shortened."""

from collections.abc import Mapping, Sequence
from typing import Any

from continuum.workflow.futures import Future

_ARGUMENTS = 6
_TEXT_CHARACTERS = 40


def title_of(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the call as text."""
    shown = [_shown(value) for value in args[:_ARGUMENTS]]
    if kwargs:
        shown += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
    more = ", …" if len(args) > _ARGUMENTS else ""
    return f"{name}({', '.join(shown)}{more})"


def _shown(value: Any) -> str:
    kind = type(value)
    if kind in {int, float, bool}:
        return repr(value)
    if kind is str:
        return repr(value if len(value) <= _TEXT_CHARACTERS else value[:_TEXT_CHARACTERS] + "…")
    if kind is Future:
        datum = value._variable.datum  # noqa: SLF001
        return datum.id if datum else "?"
    return f"<{kind.__name__}>"
