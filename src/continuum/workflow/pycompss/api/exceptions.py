"""`from pycompss.api.exceptions import COMPSsException`."""

from continuum.workflow.groups import TaskGroupError


class COMPSsException(TaskGroupError):  # noqa: N818 - PyCOMPSs' name
    """Raised by a task: it cancels the task group of the call and is raised again where the group ends."""

    def __init__(self, message: str = "", target_direction: object = None) -> None:
        super().__init__(message)
        self.target_direction = target_direction


__all__ = ["COMPSsException"]
