"""Directories as inputs and outputs of a task: a datum is the packed directory, a task gets it unpacked.

Every task has a copy of its own, which it may change. `packing` is only imported when a task needs it.
"""

from pathlib import Path

from continuum.model.errors import InvalidInputError
from continuum.workflow.engines.functions import Refusal
from continuum.workflow.folders import DataFolder
from continuum.workflow.messages import FailureKind, Input, Output


def unpack_input(data: DataFolder, given: Input, path: Path) -> None:
    """Make the directory `path` from an input. Raises `Refusal`."""
    from continuum.workflow.packing import unpack  # noqa: PLC0415 - see above

    source: bytes | Path | None = given.inline
    if source is None and (found := data.find(given.datum)) is not None:
        source = Path(found)
    if source is None:
        raise _lost(given)
    try:
        unpack(source, path)
    except FileNotFoundError as problem:
        raise _lost(given) from problem
    except (InvalidInputError, OSError) as problem:
        raise Refusal(
            FailureKind.RAISED, f"the directory {given.file_name} cannot be had: {problem}"
        ) from problem


def _lost(given: Input) -> Refusal:
    return Refusal(FailureKind.INPUT_LOST, f"input {given.datum} is not at this site", lost_datum=given.datum)


def pack_output(output: Output, folder: Path, archive: Path) -> None:
    """Pack what the task made into the file `archive`. Raises `Refusal`."""
    from continuum.workflow.packing import pack  # noqa: PLC0415 - see above

    try:
        pack(folder, archive)
    except (InvalidInputError, OSError) as problem:
        raise Refusal(
            FailureKind.OUTPUT_LOST, f"the directory {output.file_name} cannot be kept: {problem}"
        ) from problem
