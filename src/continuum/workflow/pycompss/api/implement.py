"""`from pycompss.api.implement import implement`."""

from continuum.workflow.kinds.implementing import implement

Implement = implement

__all__ = ["Implement", "implement"]
