"""`from pycompss.api.constraint import constraint`."""

from continuum.workflow.constraints import constraint

Constraint = constraint

__all__ = ["Constraint", "constraint"]
