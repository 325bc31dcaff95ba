"""`from pycompss.api.epilog import epilog`."""

from continuum.workflow.kinds.decorators import epilog

Epilog = epilog

__all__ = ["Epilog", "epilog"]
