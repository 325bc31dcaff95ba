"""How large a worker must be for a program: the largest numbers in its `@constraint`s, without running it.

Only numbers that stand there count (`computing_units="2"`, `memory_size=4`): what comes from variables is
known when the program runs, and then tasks choose among the workers that there are.
"""

import ast
from pathlib import Path

import msgspec

from continuum.cli.runcompss_k8s.launches import Launch


class Largest(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one task asks for: computing units, and memory in bytes; 0: nothing was found."""

    units: int = 0
    memory_bytes: int = 0


def take_constraints(launch: Launch) -> None:
    """Let workers be as large as the program's `@constraint`s ask for, where nothing else was said."""
    largest = find_largest(Path(launch.app).read_text(errors="replace"))
    launch.units = launch.units or largest.units
    launch.memory_bytes = launch.memory_bytes or largest.memory_bytes


def find_largest(source: str) -> Largest:
    """Return what the decorators `@constraint` and `@Constraint` of a program ask for at most."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return Largest()  # told where the program runs
    found: dict[str, list[float]] = {"computing_units": [], "memory_size": []}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_constraint(node)):
        for keyword in call.keywords:
            name = _NAMES.get(keyword.arg or "")
            number = _number(keyword.value)
            if name and number is not None:
                found[name].append(number)
    return Largest(
        units=int(max(found["computing_units"], default=0)),
        memory_bytes=int(max(found["memory_size"], default=0) * 1e9),
    )


_NAMES = {
    "computing_units": "computing_units",
    "computingUnits": "computing_units",
    "ComputingUnits": "computing_units",
    "memory_size": "memory_size",
    "memorySize": "memory_size",
}


def _is_constraint(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in {"constraint", "Constraint"}


def _number(value: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(value))
    except (ValueError, TypeError, SyntaxError):
        return None
