"""What PyCOMPSs has and this does not have yet, by name, so that it can be refused by name."""

from collections.abc import Callable
from typing import Any, NoReturn

from continuum.model.errors import InvalidInputError

MODULES: dict[str, tuple[str, ...]] = {
    f"pycompss.api.{module}": names
    for module, names in {
        "compss": ("compss", "COMPSs"),
        "opencl": ("opencl", "OpenCL"),
        "decaf": ("decaf", "Decaf"),
        "julia": ("julia", "Julia"),
    }.items()
}


INSTEAD = {
    "compss": "call the tasks of the other program, or start it with `continuum run`",
    "opencl": "call the kernel in a task with @constraint(processors=[{'ProcessorType': 'GPU'}])",
    "decaf": "use @mpi or @mpmd_mpi",
    "julia": "use @binary(binary='julia', args='script.jl {{parameter}}')",
}


def refuse(name: str, *, hint: str = "") -> Callable[..., NoReturn]:
    """Return something with this name that raises `InvalidInputError` when it is used."""

    def refused(*_: Any, **__: Any) -> NoReturn:
        instead = INSTEAD.get(name.lower(), hint)
        raise InvalidInputError(
            f"{name} of PyCOMPSs is not supported" + ("" if instead else " yet"), hint=instead
        )

    refused.__name__ = refused.__qualname__ = name
    return refused
