"""`from pycompss.api.binary import binary`."""

from continuum.workflow.kinds.decorators import binary

Binary = binary

__all__ = ["Binary", "binary"]
