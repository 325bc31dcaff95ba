"""`from pycompss.api.task import task`."""

from continuum.workflow.programming import task

Task = task

__all__ = ["Task", "task"]
