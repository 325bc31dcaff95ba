"""`from pycompss.api.mpmd_mpi import mpmd_mpi`."""

from continuum.workflow.kinds.decorators import mpmd_mpi

MPMDMPI = mpmd_mpi

__all__ = ["MPMDMPI", "mpmd_mpi"]
