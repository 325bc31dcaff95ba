"""The journal of a run: what happened, when and why, kept in `HOME/runs/RUN_ID` for whoever asks later.

`journal.jsonl` has one record of `model.stories` per line, `run.json` the summary, `graph.dot` and
`graph.svg` the picture. Written by the driver alone; a line that was cut off (the driver was killed) is left
out when reading. A journal that cannot be written any more (a full disk) ends there; the run goes on.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError, UnavailableError
from continuum.model.stories import Record
from continuum.model.tasks import Problem

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
RUNNING, SUCCEEDED, FAILED, CANCELLED, LOST = "running", "succeeded", "failed", "cancelled", "lost"
WAITING, DAMAGED = "waiting", "damaged"
_FLUSH_BYTES = 64 * 1024
_START_FIELD = 19  # of /proc/PID/stat behind the process's name: its start in ticks since boot, see proc(5)
ROOM_HINT = "free some space, or use another home: --home or $CONTINUUM_HOME"
_decode = msgspec.json.Decoder(Record).decode

log = logging.getLogger(__name__)


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
    """A run in short. Instants are seconds since the epoch.

    `driver_pid` is the process of its driver, `driver_start` tells it from later ones with the same number.
    `engine` is said if it has the whole program, which `handed_over` has started; there are no tasks then.
    """

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
    objective: str = "fastest"
    engine: str = ""
    handed_over: tuple[str, ...] = ()
    driver_pid: int = 0
    driver_start: str = ""
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
    """Appends records; `folder` None keeps nothing (tests, measurements).

    Raises `UnavailableError` if the folder cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._file = -1
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(folder / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            except OSError as problem:
                raise _unwritable(folder, problem) from problem

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
            self._buffer.clear()
            try:
                while view:
                    view = view[os.write(self._file, view) :]
            except OSError as problem:
                log.warning("%s; the story of the run ends here", _unwritable(self.folder, problem).message)
                self._end()

    def write_summary(self, summary: RunSummary) -> None:
        """Replace the summary. Raises `UnavailableError`."""
        if self.folder is not None:
            try:
                write_atomically(self.folder / "run.json", msgspec.json.format(msgspec.json.encode(summary)))
            except OSError as problem:
                raise _unwritable(self.folder, problem) from problem

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self._end()

    def _end(self) -> None:
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
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _unwritable(folder: Path | None, problem: OSError) -> UnavailableError:
    reason = problem.strerror or problem
    return UnavailableError(f"the journal of the run cannot be written in {folder}: {reason}", hint=ROOM_HINT)


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
    if summary.state in {RUNNING, WAITING} and not _is_alive(summary.driver_pid, summary.driver_start):
        return msgspec.structs.replace(summary, state=LOST, reason="its driver died")
    return summary


def list_summaries(runs: Path) -> Sequence[RunSummary]:
    """Return the runs of a home, oldest first. One whose summary cannot be read is `damaged`."""
    folders = [path.parent for path in runs.glob("*/run.json")] if runs.is_dir() else []
    return sorted(map(_read_or_damaged, folders), key=lambda summary: (summary.started_at, summary.run_id))


def _read_or_damaged(folder: Path) -> RunSummary:
    try:
        return read_summary(folder)
    except (InvalidInputError, NotFoundError, OSError) as problem:
        return RunSummary(
            run_id=folder.name,
            name="",
            application="",
            arguments=(),
            state=DAMAGED,
            started_at=folder.stat().st_mtime,
            reason=str(problem),
        )


def find_folder(runs: Path, wanted: str) -> Path:
    """Return the folder of the run with this id, else the newest with this name, else the newest whose id
    begins so.

    Raises `NotFoundError`.
    """
    if RUN_ID.fullmatch(wanted) and (runs / wanted / "run.json").is_file():
        return runs / wanted
    summaries = [*reversed(list_summaries(runs))] if wanted else []
    named = [each for each in summaries if wanted in {each.name, "last"}]
    for summary in named or [each for each in summaries if each.run_id.startswith(wanted)]:
        return runs / summary.run_id
    raise NotFoundError(f"there is no run called {wanted!r}", hint="`continuum run list` shows all")


def start_of(pid: int) -> str:
    """Return what tells a living process from later ones with its number; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[_START_FIELD]


def _is_alive(pid: int, start: str) -> bool:
    return bool(found := start_of(pid)) and start in {found, ""}
