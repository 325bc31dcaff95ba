"""`from pycompss.api.prolog import prolog`."""

from continuum.workflow.kinds.decorators import prolog

Prolog = prolog

__all__ = ["Prolog", "prolog"]
