"""`from pycompss.api.exceptions import COMPSsException`."""


class COMPSsException(Exception):  # noqa: N818 - PyCOMPSs' name
    """Raised by a task to say that it failed. The task groups that it cancels are not supported."""

    def __init__(self, message: str = "", target_direction: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.target_direction = target_direction


__all__ = ["COMPSsException"]
