"""The journal of a run: what happened, when and why, kept in `HOME/runs/RUN_ID` for whoever asks later.

`journal.jsonl` has one record of `model.stories` per line, `run.json` the summary, `graph.dot` and
`graph.svg` the picture. Written by the driver alone; a line that was cut off (the driver was killed) is left
out when reading.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.stories import Record
from continuum.model.tasks import Problem

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
RUNNING, SUCCEEDED, FAILED, CANCELLED, LOST = "running", "succeeded", "failed", "cancelled", "lost"
WAITING = "waiting"
_FLUSH_BYTES = 64 * 1024
_decode = msgspec.json.Decoder(Record).decode


class FunctionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of one function, by state."""

    name: str
    tasks: dict[str, int]


class SiteSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one site did: tasks that it finished, time they took, bytes that came to it from elsewhere."""

    name: str
    computing_units: int
    tasks: int = 0
    run_s: float = 0.0
    moved_bytes: int = 0
    is_lost: bool = False


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in short. `driver_pid` is the process of its driver; instants are seconds since the epoch."""

    run_id: str
    name: str
    application: str
    arguments: tuple[str, ...]
    state: str
    started_at: float
    ended_at: float = 0.0
    exit_status: int = 0
    home_site: str = ""
    placement: str = "data"
    driver_pid: int = 0
    functions: tuple[FunctionSummary, ...] = ()
    sites: tuple[SiteSummary, ...] = ()
    moved_bytes: int = 0
    reason: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def task_count(self) -> int:
        """How many tasks there were."""
        return sum(sum(function.tasks.values()) for function in self.functions)


class Journal:
    """Appends records; `folder` None keeps nothing (tests, measurements)."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._file = -1
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, records: Iterable[Record]) -> None:
        """Keep records; they reach the file at the next flush at the latest."""
        if self._file < 0:
            return
        for record in records:
            self._encoder.encode_into(record, self._buffer, -1)
            self._buffer += b"\n"
        if len(self._buffer) > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        if self._buffer and self._file >= 0:
            view = memoryview(bytes(self._buffer))
            while view:
                view = view[os.write(self._file, view) :]
            self._buffer.clear()

    def write_summary(self, summary: RunSummary) -> None:
        """Replace the summary."""
        if self.folder is not None:
            write_atomically(self.folder / "run.json", msgspec.json.format(msgspec.json.encode(summary)))

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file such that nobody sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def read_records(folder: Path) -> Iterator[Record]:
    """Yield the records of a run; stops at a line that is not whole."""
    try:
        with (folder / "journal.jsonl").open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield _decode(line)
    except FileNotFoundError:
        return
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"the journal in {folder} is damaged: {problem}") from problem


def read_summary(folder: Path) -> RunSummary:
    """Return the summary of a run. A run whose driver has died without a word is `lost`."""
    try:
        summary = msgspec.json.decode((folder / "run.json").read_bytes(), type=RunSummary)
    except FileNotFoundError:
        raise NotFoundError(f"there is no run in {folder}") from None
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{folder / 'run.json'} is damaged: {problem}") from problem
    if summary.state in {RUNNING, WAITING} and not _is_alive(summary.driver_pid):
        return msgspec.structs.replace(summary, state=LOST, reason="its driver died")
    return summary


def list_summaries(runs: Path) -> Sequence[RunSummary]:
    """Return the runs of a home, oldest first."""
    folders = [path.parent for path in runs.glob("*/run.json")] if runs.is_dir() else []
    return sorted(map(read_summary, folders), key=lambda summary: (summary.started_at, summary.run_id))


def find_folder(runs: Path, wanted: str) -> Path:
    """Return the folder of the run with this id, or the newest with this name or this beginning of its id.

    Raises `NotFoundError`.
    """
    if RUN_ID.fullmatch(wanted) and (runs / wanted / "run.json").is_file():
        return runs / wanted
    for summary in reversed(list_summaries(runs)):
        if wanted in {summary.name, "last"} or (wanted and summary.run_id.startswith(wanted)):
            return runs / summary.run_id
    raise NotFoundError(f"there is no run called {wanted!r}", hint="`continuum run list` shows all")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
