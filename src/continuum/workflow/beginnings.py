"""How a run was begun, kept in its folder so that it can be begun again: `continuum run resume`."""

import hashlib
import os
from pathlib import Path

import msgspec

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from continuum.model.patience import PATIENCE_S
from continuum.model.placement import FASTEST
from continuum.model.pools import PoolRequest
from continuum.workflow import journals
from continuum.workflow.journals import ROOM_HINT, RunSummary, read_summary

FILE = "beginning.json"
HOLD_S = 300.0  # a person who sees that a run is lost needs minutes to resume it


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a program is to be run. Empty `name`: the program's; empty `site`: the first of the continuum.

    `computing_units` (local runs only; 0: all) is how many tasks run at once, `gpus` (None: those found) how
    many GPUs they share, `engine` what executes the tasks, `workers` the limits of its own Dask.
    `checkpoint`: see `checkpointing.parse_policy`. `retries`: how often a task that failed is tried again.
    `hold_s`: for how long sites go on with the run, and hold its results, if its driver dies.
    `patience_s`: for how long, at most, a silent site is waited for before what it has is done again.
    `keeps_crate`: write an RO-Crate at the end. `run_id`: as whoever starts it in a cluster has called it;
    empty: made from the name. `pool`: what is asked of workers that sites make for the run.
    """

    name: str = ""
    site: str = ""
    is_local: bool = False
    placement: str = "data"
    objective: str = FASTEST
    after: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    draws_graph: bool = True
    computing_units: int = 0
    gpus: int | None = None
    engine: str = "pool"
    workers: str = ""
    checkpoint: str = "results"
    keeps_crate: bool = False
    retries: int = 2
    hold_s: float = HOLD_S
    patience_s: float = PATIENCE_S
    pool: PoolRequest | None = None
    run_id: str = ""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What was run, where and how. `program` is as it was typed, seen from `directory`: pickles of what it
    defines hold its name. `incarnation` counts how often it was resumed."""

    run_id: str
    program: str
    arguments: tuple[str, ...]
    directory: str
    options: RunOptions
    program_sha256: str
    modules_sha256: str
    incarnation: int = 0


def begin(
    run_id: str, program: Path, arguments: tuple[str, ...], options: RunOptions, code: bytes
) -> Beginning:
    """Return the beginning of a new run; `code` is the archive of the modules beside the program."""
    return Beginning(
        run_id=run_id,
        program=str(program),
        arguments=arguments,
        directory=str(Path.cwd()),
        options=options,
        program_sha256=_digest_of(program),
        modules_sha256=hashlib.sha256(code).hexdigest(),
    )


def write_beginning(folder: Path, beginning: Beginning) -> None:
    """Keep how a run was begun, for its owner alone: variables may be secrets.

    Raises `UnavailableError`.
    """
    path = folder / FILE
    try:
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(beginning)))
    except OSError as problem:
        raise UnavailableError(
            f"how the run begins cannot be written in {folder}: {problem.strerror}", hint=ROOM_HINT
        ) from problem


def read_beginning(folder: Path) -> Beginning:
    """Return how a run was begun. Raises `NotFoundError` and `InvalidInputError`."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Beginning)
    except FileNotFoundError:
        raise NotFoundError(
            f"how the run {folder.name} was begun is not known",
            hint="runs of this home can be resumed unless they were started with --checkpoint off",
        ) from None
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{folder / FILE} is damaged: {problem}") from problem


def choose_to_resume(folder: Path) -> Beginning:
    """Return how a run was begun that can go on.

    Raises `ConflictError` if it goes on already, or has succeeded, and `InvalidInputError` if another
    runtime had it.
    """
    summary = read_summary(folder)
    if summary.handed_over:
        raise InvalidInputError(
            f"the run {summary.run_id} was handed to {summary.engine}: what its tasks did is not known here",
            hint="start it anew; COMPSs has checkpoints of its own: --compss-option=--checkpoint=CLASS",
        )
    beginning = read_beginning(folder)
    if summary.state in {journals.RUNNING, journals.WAITING}:
        raise ConflictError(
            f"the run {summary.run_id} is still {summary.state}: process {summary.driver_pid} drives it",
            hint=f"`continuum run show {summary.run_id}` tells more; `continuum run cancel` ends it",
        )
    if summary.state == journals.SUCCEEDED:
        raise ConflictError(f"the run {summary.run_id} has succeeded: there is nothing to resume")
    _check_places(summary, beginning)
    return beginning


def _check_places(summary: RunSummary, beginning: Beginning) -> None:
    if not Path(beginning.directory, beginning.program).is_file():
        raise NotFoundError(f"the program of the run {summary.run_id} is gone: {beginning.program}")
    if not os.access(beginning.directory, os.X_OK):
        raise NotFoundError(f"the folder in which the run was started is gone: {beginning.directory}")


def check_unchanged(beginning: Beginning, code: bytes) -> None:
    """Raise `ConflictError` if the program, or a module beside it, was changed since the run began."""
    changed = []
    if _digest_of(Path(beginning.directory, beginning.program)) != beginning.program_sha256:
        changed.append(beginning.program)
    if hashlib.sha256(code).hexdigest() != beginning.modules_sha256:
        changed.append("modules beside it")
    if changed:
        raise ConflictError(
            f"the program was changed since the run began: {' and '.join(changed)}",
            hint="--changed-ok resumes it all the same: tasks whose functions and arguments are as they were"
            " are not run again",
        )


def _digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
