"""`from pycompss.api.reduction import reduction`."""

from continuum.workflow.kinds.reducing import reduction

Reduction = reduction

__all__ = ["Reduction", "reduction"]
