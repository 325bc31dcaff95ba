"""`from pycompss.api.multinode import multinode`."""

from continuum.workflow.kinds.decorators import multinode

MultiNode = multinode
Multinode = multinode

__all__ = ["MultiNode", "Multinode", "multinode"]
