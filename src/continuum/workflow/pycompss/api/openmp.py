"""`from pycompss.api.openmp import openmp`."""

from continuum.workflow.kinds.decorators import openmp

OpenMP = openmp

__all__ = ["OpenMP", "openmp"]
