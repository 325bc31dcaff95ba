"""`from pycompss.api.mpi import mpi`."""

from continuum.workflow.kinds.decorators import mpi

Mpi = mpi
MPI = mpi

__all__ = ["MPI", "Mpi", "mpi"]
