"""`from pycompss.api.on_failure import on_failure`."""

from continuum.workflow.programming import on_failure

OnFailure = on_failure

__all__ = ["OnFailure", "on_failure"]
