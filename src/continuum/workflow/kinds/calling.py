"""Calling a function that came in a file, in a process that may have nothing but Python and cloudpickle.

`python calling.py FILE`: reads the function and its arguments from FILE, calls it, writes what came of it
beside it, one file per MPI rank. Used by MPI ranks and in containers, where this very file is mounted; so
it imports nothing of the project.
"""

import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")

SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_NTASKS")


class Answer(NamedTuple):
    """What a process gave: the value, and the arguments as they are after the call."""

    value: Any
    arguments: Any


def answer_path(call: Path, rank: int) -> Path:
    """Return where the answer of a rank is."""
    return call.with_name(f"{call.name}-{rank}")


def find_rank() -> int:
    """Return the number of this process among those that were started together."""
    return next((int(os.environ[name]) for name in RANK_VARIABLES if os.environ.get(name)), 0)


def find_size() -> int:
    """Return how many processes were started together."""
    return next((int(os.environ[name]) for name in SIZE_VARIABLES if os.environ.get(name)), 1)


def blocks_of(rank: int, size: int, count: int, length: int, stride: int) -> list[range]:
    """Return the positions of a rank's blocks in a list: those of `count` blocks (0: one for each process),
    dealt out in turn, that begin every `stride` elements and are `length` long.
    """
    return [range(block * stride, block * stride + length) for block in range(rank, count or size, size)]


def main() -> int:
    """Call what the file named on the command line holds."""
    import cloudpickle  # noqa: PLC0415 - a container without it says so below

    call = Path(sys.argv[1])
    rank = find_rank()
    try:
        function, args, kwargs, layouts = pickle.loads(call.read_bytes())  # noqa: S301 - written by the task
        given, named = _take_part(function, args, kwargs, layouts, rank)
        answer: Any = (False, function(*given, **named), (args, kwargs))
        status = 0
    except Exception as problem:  # noqa: BLE001 - whatever it is, the task fails with it
        traceback.print_exc()
        answer, status = (True, problem, None), 1
    try:
        data = cloudpickle.dumps(answer)
    except Exception as problem:  # noqa: BLE001 - any value, any exception
        what = RuntimeError(f"the result cannot be sent: {problem}")
        data, status = cloudpickle.dumps((True, what, None)), 1
    target = answer_path(call, rank)
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.rename(target)
    return status


def _take_part(function: Any, args: Any, kwargs: Any, layouts: Any, rank: int) -> tuple[Any, Any]:
    """Return the arguments with every one that has a layout cut to this rank's blocks."""
    if not layouts:
        return args, kwargs
    import inspect  # noqa: PLC0415

    bound = inspect.signature(function).bind(*args, **kwargs)
    for name, layout in layouts.items():
        if name in bound.arguments:
            items = bound.arguments[name]
            blocks = [items[each.start : each.stop] for each in blocks_of(rank, find_size(), *layout)]
            first = blocks[0] if blocks else items[:0]
            bound.arguments[name] = [each for block in blocks for each in block] if blocks[1:] else first
    return bound.args, bound.kwargs


if __name__ == "__main__":
    sys.exit(main())
