"""What of a kind is known before there is a call: numbers from the environment and the program."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Needs
from continuum.workflow.constraints import Scope
from continuum.workflow.kinds.descriptions import Kind, Number, Part, Ranks


def settle(kind: Kind, function: Callable[..., Any]) -> Kind:
    """Return `kind` with every number that is no parameter's put in, as the program has it now."""

    def known(number: Number) -> Number:
        return _known(number, function)

    ranks = kind.ranks
    if ranks is not None:
        ranks = msgspec.structs.replace(
            ranks,
            processes=known(ranks.processes),
            processes_per_node=known(ranks.processes_per_node),
            layouts={
                name: (known(layout[0]), known(layout[1]), known(layout[2]))
                for name, layout in ranks.layouts.items()
            },
        )
    return msgspec.structs.replace(
        kind,
        ranks=ranks,
        parts=tuple(msgspec.structs.replace(part, processes=known(part.processes)) for part in kind.parts),
        threads=known(kind.threads),
        nodes=known(kind.nodes),
    )


def needs_of_kind(
    needs: Needs, kind: Kind, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> Needs:
    """Return what a call needs at its site: `needs` are those of one process of it."""

    def number(given: Number) -> int:
        found = _known(given, function)
        value = arguments.get(found, found) if isinstance(found, str) else found
        try:
            return int(value)
        except (TypeError, ValueError):
            raise InvalidInputError(f"{given!r} of {function.__qualname__} is no number") from None

    units = max(needs.computing_units, number(kind.threads))
    units *= max(1, processes_of(kind.ranks, kind.parts, number))
    if kind.is_io:
        units = 0
    return msgspec.structs.replace(
        needs,
        computing_units=units,
        nodes=max(needs.nodes, number(kind.nodes)),
        is_apart=kind.needs_process,
    )


def processes_of(ranks: Ranks | None, parts: tuple[Part, ...], number: Callable[[Number], int]) -> int:
    """Return how many MPI processes a task asks for; 0: it is none of MPI."""
    if ranks is None:
        return 0
    if parts:
        return sum(number(part.processes) for part in parts)
    return number(ranks.processes)


def _known(given: Number, function: Callable[..., Any]) -> Number:
    if not isinstance(given, str) or given in inspect.signature(function).parameters:
        return given
    value = Scope(getattr(function, "__globals__", {}), {}, set()).look_up(given)
    if isinstance(value, str) and value in inspect.signature(function).parameters:
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{given!r} of {function.__qualname__} is no number") from None
