"""`from pycompss.api.ompss import ompss`."""

from continuum.workflow.kinds.decorators import openmp

ompss = openmp
OmpSs = openmp

__all__ = ["OmpSs", "ompss"]
