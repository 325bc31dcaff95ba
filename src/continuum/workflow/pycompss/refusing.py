"""What PyCOMPSs has and this does not have yet, by name, so that it can be refused by name."""

from collections.abc import Callable
from typing import Any, NoReturn

from continuum.model.errors import InvalidInputError

MODULES: dict[str, tuple[str, ...]] = {
    f"pycompss.api.{module}": names
    for module, names in {
        "binary": ("binary", "Binary"),
        "mpi": ("mpi", "MPI", "Mpi"),
        "mpmd_mpi": ("mpmd_mpi", "MPMDMPI"),
        "multinode": ("multinode", "MultiNode"),
        "compss": ("compss", "COMPSs"),
        "ompss": ("ompss", "OmpSs"),
        "opencl": ("opencl", "OpenCL"),
        "decaf": ("decaf", "Decaf"),
        "julia": ("julia", "Julia"),
        "implement": ("implement", "Implement"),
        "reduction": ("reduction", "Reduction"),
        "container": ("container", "Container"),
        "software": ("software", "Software"),
        "http": ("http", "Http", "HTTP"),
        "prolog": ("prolog", "Prolog"),
        "epilog": ("epilog", "Epilog"),
        "data_transformation": ("dt", "data_transformation", "DataTransformation"),
        "IO": ("IO",),
        "local": ("local",),
    }.items()
}


def refuse(name: str) -> Callable[..., NoReturn]:
    """Return something with this name that raises `InvalidInputError` when it is used."""

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise InvalidInputError(f"{name} of PyCOMPSs is not supported yet")

    refused.__name__ = refused.__qualname__ = name
    return refused
