"""What a session keeps of its run so that the run can be resumed, where it lies, and when it goes.

In the run's folder: `beginning.json`, `memory.log`, and for a local run `results/` with large results; in the
store, large results below `continuum-runs/checkpoints/RUN/`. A run that has succeeded keeps nothing of it but
its beginning; one that was cancelled keeps no results, but remembers; one that failed or was lost keeps all,
until it is resumed or forgotten.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from continuum.model.errors import ConflictError
from continuum.model.tasks import Datum
from continuum.workflow import journals
from continuum.workflow.beginnings import Beginning, RunOptions, write_beginning
from continuum.workflow.checkpointing import Checkpoints, parse_policy
from continuum.workflow.committing import settle_decided
from continuum.workflow.memories import FILE, Begun, Memory, Recollection, recall
from continuum.workflow.messages import ObjectName, Staged
from continuum.workflow.operations import Found
from continuum.workflow.transferring import SHELF

BUCKET = "continuum-runs"
CHECKPOINTS = "checkpoints"
_LOCK = "lock"

Look = Callable[[Sequence[ObjectName]], Sequence[Found]]
Complete = Callable[[Sequence[Staged]], bool]


class Keeping:
    """The things of one run that outlive its driver. Raises `InvalidInputError` for an unknown policy."""

    def __init__(self, folder: Path, run_id: str, options: RunOptions) -> None:
        self.shelf = folder / "results"
        self._folder = folder
        self._run_id = run_id
        self._is_local = options.is_local
        self._policy = parse_policy(options.checkpoint)
        self._before = Recollection()
        self._checkpoints: Checkpoints | None = None
        self._lock = -1

    def lock(self) -> None:
        """Be the only driver of the run. Raises `ConflictError` if there is another one."""
        if self._lock >= 0:
            return
        self._lock = lock_run(self._folder, self._run_id)

    def begin(self, beginning: Beginning) -> None:
        """Keep how the run was begun."""
        self.lock()
        if self._policy.is_on:
            write_beginning(self._folder, beginning)

    def open(self, incarnation: int, look: Look, complete: Complete) -> Checkpoints | None:
        """Remember from now on, and recall what there was before; `look` asks for objects of the store,
        `complete` completes staged ones (False: they are gone)."""
        if not self._policy.is_on:
            return None
        self._before = recall(self._folder)
        memory = Memory(self._folder)
        memory.add(Begun(incarnation, time.time()))
        memory.flush()
        settle_decided(self._before, memory, complete)
        self._checkpoints = Checkpoints(
            memory,
            self._policy,
            place_of=self._place_of,
            before=self._before,
            changed=_changed_of(self._before, look),
        )
        return self._checkpoints

    @property
    def saves_results(self) -> bool:
        """Whether large results are kept without the program asking for it."""
        return bool(self._policy.count or self._policy.period_s)

    def _place_of(self, datum: Datum) -> ObjectName:
        if self._is_local:
            return ObjectName(SHELF, datum.id)
        return ObjectName(BUCKET, f"{CHECKPOINTS}/{self._run_id}/{datum.id}")

    def has_objects_to_remove(self, state: str) -> bool:
        """Whether results in the store are not needed any more now that the run has ended so."""
        has_saved = self._checkpoints is not None and self._checkpoints.has_saved
        is_over = state in {journals.SUCCEEDED, journals.CANCELLED}
        return is_over and not self._is_local and (has_saved or bool(self._before.saved))

    def close(self, state: str) -> None:
        """The run has ended so: keep what resuming it needs, if it can be. Idempotent."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        if state in {journals.SUCCEEDED, journals.CANCELLED}:
            shutil.rmtree(self.shelf, ignore_errors=True)
        if state == journals.SUCCEEDED:
            (self._folder / FILE).unlink(missing_ok=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def lock_run(folder: Path, run_id: str) -> int:
    """Return the descriptor of a lock that one process has. Raises `ConflictError` if another one has it."""
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(descriptor)
        raise ConflictError(f"another process drives the run {run_id}") from problem
    return descriptor


def put_journal_aside(folder: Path, incarnation: int) -> None:
    """Let the story of the driver before lie beside the new one, as `journal.0.jsonl` and so on."""
    journal = folder / "journal.jsonl"
    if journal.exists():
        journal.replace(folder / f"journal.{incarnation - 1}.jsonl")


def _changed_of(before: Recollection, look: Look) -> dict[ObjectName, str]:
    """Return the objects of the store that are not as the run had seen or left them, with their ETags."""
    names = [name for name in before.looked if name not in before.written]
    if not names:
        return {}
    answers = zip(names, look(names), strict=True)
    return {name: found.etag or "gone" for name, found in answers if found.etag != before.looked[name]}
