"""What an agent writes down of a run whose workers outlive it, so that the next agent goes on with the run.

One file for each run, written to its end only: how the run was opened, each batch of commands before it is
acknowledged to the driver, each item for the driver, and which of them it has acknowledged. Replayed, it
tells which tasks have no answer yet, what the driver has not got, and where both sides are in counting. A
record that was cut off by the end of the process was not acknowledged, so it is left out. Nothing is forced
to the disk: this outlives processes and pods, not machines.
"""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from continuum.workflow.messages import (
    DatumBrought,
    DatumPublished,
    Event,
    RunSpec,
    TaskFailed,
    TaskFinished,
)
from continuum.workflow.posting import Bring, Cancel, Command, Execute, Learn, Publish

LARGE_BYTES = 64 * 1024 * 1024  # is written anew with what still counts
_LENGTH = struct.Struct(">I")


class Began(msgspec.Struct, frozen=True, array_like=True, tag="began"):
    """The run was opened by `owner`."""

    run: RunSpec
    owner: str


class Took(msgspec.Struct, frozen=True, array_like=True, tag="took"):
    """A batch of commands came."""

    number: int
    items: tuple[Command, ...]


class Put(msgspec.Struct, frozen=True, array_like=True, tag="put"):
    """Something is to be told to the driver."""

    items: list[bytes]


class Sent(msgspec.Struct, frozen=True, array_like=True, tag="sent"):
    """The first `count` items that were not acknowledged are batch `number`."""

    number: int
    count: int


class Acknowledged(msgspec.Struct, frozen=True, array_like=True, tag="acknowledged"):
    """The batch that was sent last has arrived."""


Record = Began | Took | Put | Sent | Acknowledged

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode
_decode_event = msgspec.msgpack.Decoder(Event).decode


class Restored(msgspec.Struct, kw_only=True):
    """A run as it was when its agent ended.

    `taken` counts batches of commands, `commands` are those that still matter. `unsent` are encoded items for
    the driver, of which the first `count` (0: none) were sent as batch `sent`, and may have arrived.
    """

    run: RunSpec
    owner: str
    taken: int = 0
    commands: list[Command] = []
    sent: int = 0
    count: int = 0
    unsent: list[bytes] = []


class RunLog:
    """The file of one run. Belongs to one event loop."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = file
        self._file = file.open("ab", buffering=0)
        self._limit_bytes = LARGE_BYTES
        file.chmod(0o600)

    def add(self, record: Record) -> None:
        """Write something down, unless that was the end."""
        if self._file.closed:
            return
        data = _encode(record)
        self._file.write(_LENGTH.pack(len(data)) + data)
        if self._file.tell() > self._limit_bytes:
            self._shrink()

    def keep_items(self, items: Sequence[bytes]) -> None:
        """Something is to be told to the driver."""
        self.add(Put(list(items)))

    def keep_batch(self, number: int, count: int) -> None:
        """A batch is sent to it."""
        self.add(Sent(number, count))

    def keep_arrival(self) -> None:
        """It has arrived."""
        self.add(Acknowledged())

    def close(self) -> None:
        """Stop writing; the file stays."""
        self._file.close()

    def remove(self) -> None:
        """The run is over."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        restored = restore(self._path)
        if restored is None:
            return
        part = self._path.with_suffix(".part")
        with part.open("wb") as file:
            for record in _records_of(restored):
                data = _encode(record)
                file.write(_LENGTH.pack(len(data)) + data)
        part.rename(self._path)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._limit_bytes = max(LARGE_BYTES, 2 * self._path.stat().st_size)


def restore(file: Path) -> Restored | None:
    """Return what a file tells; None if it tells of no run."""
    records = _read(file)
    first = next(records, None)
    if not isinstance(first, Began):
        return None
    restored = Restored(run=first.run, owner=first.owner)
    answered: set[object] = set()
    for record in records:
        match record:
            case Took():
                restored.taken = record.number
                restored.commands += record.items
            case Put():
                restored.unsent += record.items
                answered.update(_answers(record.items))
            case Sent():
                restored.sent, restored.count = record.number, record.count
            case Acknowledged():
                del restored.unsent[: restored.count]
                restored.count = 0
    restored.commands = [each for each in restored.commands if _still_matters(each, answered)]
    return restored


def _read(file: Path) -> Iterator[Record]:
    with contextlib.suppress(OSError), file.open("rb") as opened:
        while len(head := opened.read(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            data = opened.read(length)
            if len(data) < length:
                return
            try:
                yield _decode(data)
            except msgspec.MsgspecError:
                return


def _answers(items: Sequence[bytes]) -> Iterator[object]:
    """Yield what was answered: tasks by number and attempt, data by name."""
    for item in items:
        match _decode_event(item):
            case (
                TaskFinished(task_id=task_id, attempt=attempt) | TaskFailed(task_id=task_id, attempt=attempt)
            ):
                yield task_id, attempt
            case DatumPublished(datum=datum):
                yield "published", datum
            case DatumBrought(datum=datum):
                yield "brought", datum


def _still_matters(command: Command, answered: set[object]) -> bool:
    match command:
        case Execute(task=task):
            return (task.task_id, task.attempt) not in answered
        case Publish(datum=datum):
            return ("published", datum) not in answered
        case Bring(datum=datum):
            return ("brought", datum) not in answered
        case Learn() | Cancel():
            return True
        case _:
            return False


def _records_of(restored: Restored) -> Iterator[Record]:
    yield Began(restored.run, restored.owner)
    yield Took(restored.taken, tuple(restored.commands))
    yield Put(restored.unsent)
    yield Sent(restored.sent, restored.count)
