"""`from pycompss.util.mpi.helper import rank_distributor`: which elements of a list an MPI process has.

Without mpi4py: the runner tells every process its number and how many there are.
"""

from continuum.workflow.kinds.calling import blocks_of, find_rank, find_size


def rank_distributor(collection_layout: tuple[int, int, int]) -> list[int]:
    """Return the positions of this process's elements, for a layout of block count, block length and stride.

    -1 leaves one of them open: a block for each process, of one element, one after the other.
    """
    count, length, stride = collection_layout
    blocks = blocks_of(
        find_rank(),
        find_size(),
        0 if count == -1 else count,
        1 if length == -1 else length,
        1 if stride == -1 else stride,
    )
    return [position for block in blocks for position in block]


__all__ = ["rank_distributor"]
