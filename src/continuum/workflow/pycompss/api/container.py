"""`from pycompss.api.container import container`."""

from continuum.workflow.kinds.decorators import container

Container = container

__all__ = ["Container", "container"]
