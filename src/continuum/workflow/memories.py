"""What a run remembers for a driver that resumes it: `memory.log` in the run's folder.

Only ever appended to. A frame is its length, its checksum and one record; a frame that was cut off or spoilt
ends the file for who reads it, and is cut away before more is written. Records are written before what they
promise happens (`Brought`, before a file of the program is replaced; `Decided`, before objects are written)
or after what they tell has happened (`Done`). `flush` gives them to the operating system, which is enough for
a driver that is killed; `sync` to the disk, for a machine that is.

Apart from the journal: that one tells people what happened and is never read by a driver.
"""

import logging
import os
import struct
import threading
import zlib
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.messages import ObjectName, Staged

FILE = "memory.log"
MAX_RECORD_BYTES = 64 * 1024 * 1024
_MAGIC = b"continuum-memory-1\n"
_HEAD = struct.Struct("<II")  # length and CRC-32 of the record
_BUFFERED_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What there was of an output when its task finished."""

    datum: str
    size_bytes: int
    inline: bytes | None = None
    sites: tuple[str, ...] = ()
    published: ObjectName | None = None


class Begun(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A driver has begun: for the first time (0), or again."""

    incarnation: int
    at: float


class Done(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A call has finished."""

    key: bytes
    outputs: tuple[Kept, ...]


class Saved(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A datum has a copy that outlives driver and sites."""

    datum: str
    name: ObjectName


class Took(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The program's own version of a file was given to a task, for the `number`-th time."""

    path: str
    number: int
    identity: bytes


class Brought(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A file of the program is about to be replaced by what tasks wrote."""

    path: str
    identity: bytes


class Looked(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """An object of the store was used as it was then."""

    name: ObjectName
    etag: str


class Decided(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """This try of a call counts: what it staged is about to become objects, and then the call is done."""

    key: bytes
    outputs: tuple[Kept, ...]
    staged: tuple[Staged, ...]


Record = Begun | Done | Saved | Took | Brought | Looked | Decided

_decode = msgspec.msgpack.Decoder(Record).decode


class Recollection:
    """All that a memory says."""

    def __init__(self) -> None:
        self.incarnation = -1
        self.done: dict[bytes, tuple[Kept, ...]] = {}
        self.saved: dict[str, ObjectName] = {}
        self.took: dict[tuple[str, int], bytes] = {}
        self.brought: dict[str, set[bytes]] = {}
        self.looked: dict[ObjectName, str] = {}
        self.written: set[ObjectName] = set()
        self.decided: dict[bytes, Decided] = {}

    def learn(self, record: Record) -> None:
        """Take in the next record."""
        match record:
            case Done():
                self.decided.pop(record.key, None)
                self.done[record.key] = record.outputs
                self.written.update(kept.published for kept in record.outputs if kept.published is not None)
            case Begun():
                self.incarnation = record.incarnation
            case Saved():
                self.saved[record.datum] = record.name
            case Took():
                self.took.setdefault((record.path, record.number), record.identity)
            case Brought():
                self.brought.setdefault(record.path, set()).add(record.identity)
            case Decided():
                self.decided[record.key] = record
            case Looked():
                self.looked.setdefault(record.name, record.etag)


class Memory:
    """Appends records. May be used from any thread.

    A memory that cannot be written any more (a full disk) says so once and stops: the run goes on, and could
    be resumed from what was written before.
    """

    def __init__(self, folder: Path) -> None:
        """Open the memory of a run, new or to go on with. Raises `UnavailableError`."""
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._is_dirty = False
        path = folder / FILE
        try:
            whole_bytes = _whole_bytes(path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._file, whole_bytes)
        except OSError as problem:
            raise UnavailableError(
                f"the memory of the run cannot be written in {folder}: {problem.strerror}",
                hint="free some space, or run with --checkpoint off",
            ) from problem
        if not whole_bytes:
            self._buffer += _MAGIC

    def add(self, record: Record) -> None:
        """Keep a record; it is written at the next `flush` at the latest."""
        encoded = self._encoder.encode(record)
        with self._lock:
            if self._file < 0 or len(encoded) > MAX_RECORD_BYTES:
                return
            self._buffer += _HEAD.pack(len(encoded), zlib.crc32(encoded))
            self._buffer += encoded
            if len(self._buffer) > _BUFFERED_BYTES:
                self._write()

    def flush(self) -> None:
        """Give all records to the operating system."""
        if self._buffer:
            with self._lock:
                self._write()

    def sync(self) -> None:
        """Give all records to the disk."""
        with self._lock:
            self._write()
            if self._file >= 0 and self._is_dirty:
                self._is_dirty = False
                try:
                    os.fsync(self._file)
                except OSError as problem:
                    self._give_up(problem)

    def close(self) -> None:
        """Write what is left and close. Idempotent."""
        self.sync()
        with self._lock:
            self._end()

    def _write(self) -> None:
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        if self._file < 0 or not view:
            return
        self._is_dirty = True
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as problem:
            self._give_up(problem)

    def _give_up(self, problem: OSError) -> None:
        log.warning("the memory of the run cannot be written any more: %s", problem.strerror)
        self._end()

    def _end(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def recall(folder: Path) -> Recollection:
    """Return what the memory in a run's folder says. Raises `InvalidInputError` if it is not one."""
    found = Recollection()
    try:
        data = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return found
    _scan(data, found)
    return found


def _whole_bytes(path: Path) -> int:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0
    return _scan(data, None)


def _scan(data: bytes, found: Recollection | None) -> int:
    """Take in every whole frame; return where the first one that is not whole begins."""
    if not data.startswith(_MAGIC):
        if _MAGIC.startswith(data):
            return 0  # cut off within its first write
        raise InvalidInputError("the memory of the run is damaged from its beginning", hint=f"see {FILE}")
    position = len(_MAGIC)
    view = memoryview(data)
    while position + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, position)
        body = view[position + _HEAD.size : position + _HEAD.size + length]
        if length > MAX_RECORD_BYTES or len(body) < length or zlib.crc32(body) != checksum:
            break
        if found is not None:
            try:
                found.learn(_decode(body))
            except msgspec.MsgspecError as problem:
                raise InvalidInputError(f"the memory of the run is damaged: {problem}") from problem
        position += _HEAD.size + length
    return position
