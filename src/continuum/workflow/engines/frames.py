"""What a pool's master and its workers write to each other: MessagePack behind a length.

Tasks go down in frames of many, outcomes come up in frames of many, so that the cost of a system call and of
waking somebody is shared. Large values are never in a frame: they lie in the run's data folder.
"""

import struct
from typing import Generic, TypeVar

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.workflow.messages import FunctionCode, TaskFailed, TaskFinished, TaskSpec

Message = TypeVar("Message")

LENGTH = struct.Struct("<I")
MAX_FRAME_BYTES = 1 << 30


class Assignment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tasks for one worker; the first is its `first_number`-th ever. `functions` it has not seen yet."""

    first_number: int
    functions: tuple[FunctionCode, ...]
    tasks: list[TaskSpec]


class TaskSkipped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker did not begin this task, because its master took it back."""

    number: int


Outcome = TaskFinished | TaskFailed | TaskSkipped


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers of a pool are told when their fork server starts. Paths as text.

    The data of the run lie in `places`; workers have files of their own below `work`; `owned` is removed when
    the fork server ends. `station` comes before the workers' names in what they report.
    """

    places: tuple[str, ...]
    owned: tuple[str, ...]
    work: str
    station: str
    pages_file: str
    log_file: str
    code: str
    directory: str
    application: str
    arguments: tuple[str, ...]
    inline_limit_bytes: int
    owner_pid: int


class StartWorker(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """To the fork server, with the worker's socket: start worker `name` on `page` for tasks of `units`.

    With an `environment` (what is added to it) it leads a session of its own, all of which ends with it, and
    has a moment to tidy up when it is ended softly.
    """

    name: int
    page: int
    computing_units: int
    environment: dict[str, str] | None = None


class KillWorker(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """To the fork server: end this worker and all that it started; softly: let it do so itself."""

    name: int
    is_soft: bool = False


class WorkerEnded(msgspec.Struct, frozen=True, array_like=True):
    """From the fork server. `status` as from `os.waitpid`; below 0: the worker could not be started."""

    name: int
    status: int


_encode_into = msgspec.msgpack.Encoder().encode_into


def frame(message: object) -> bytearray:
    """Return `message` as a frame."""
    buffer = bytearray(512)
    _encode_into(message, buffer, LENGTH.size)
    LENGTH.pack_into(buffer, 0, len(buffer) - LENGTH.size)
    return buffer


class FrameReader(Generic[Message]):
    """Cuts what arrives into messages."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[Message]") -> None:
        self._decode = decoder.decode
        self._pending = bytearray()
        self._needed = LENGTH.size

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete with `data`."""
        if self._pending:
            self._pending += data
            if len(self._pending) < self._needed:
                return []
            data = bytes(self._pending)
        messages, position = self._cut(memoryview(data))
        self._pending = bytearray(data[position:])
        return messages

    def _cut(self, view: memoryview) -> tuple[list[Message], int]:
        messages: list[Message] = []
        position = 0
        self._needed = LENGTH.size
        while len(view) - position >= LENGTH.size:
            (size,) = LENGTH.unpack_from(view, position)
            if size > MAX_FRAME_BYTES:
                raise InvalidInputError(f"a frame of {size} bytes is too large")
            end = position + LENGTH.size + size
            if end > len(view):
                self._needed = LENGTH.size + size
                break
            messages.append(self._decode(view[position + LENGTH.size : end]))
            position = end
        return messages, position
