"""`from pycompss.api.IO import IO`."""  # noqa: N999 - PyCOMPSs' name

from continuum.workflow.kinds.decorators import io_task

IO = io_task

__all__ = ["IO"]
