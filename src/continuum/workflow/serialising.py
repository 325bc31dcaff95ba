"""Values as bytes: pickle protocol 5 with its large buffers laid out beside it, ready for mmap.

A small value is a plain pickle. A value with large buffers (numpy arrays, bytearrays) is a header, the
pickle, and the buffers, each aligned to a cache line, so that a reader maps the file and gets arrays without
a copy: `load_file` maps it private and copy-on-write, so a task may change what it was given and harms
nobody.

Plain pickle is tried first because it is ten times faster. cloudpickle takes what plain pickle cannot
(lambdas, local classes) and what it must not: things of `__main__`, which in another process is another
module.

Not promised: a format for keeping. Both sides run the same version, and whoever loads trusts whoever dumped:
loading executes what the bytes say. So bytes from another machine are verified before they come here.
"""
# ruff: noqa: S301 - see the last sentence

import io
import mmap
import os
import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

Buffer = bytes | bytearray | memoryview
SlotOf = Callable[[object], int | None]

PROTOCOL = 5
MAGIC = b"\x00CT5"  # a plain pickle begins with 0x80, so the first byte tells the two forms apart
ALIGNMENT = 64
MAX_BUFFERS = 1_000_000
IN_BAND_LIMIT_BYTES = 2048  # smaller buffers cost more as entries of the table than as a copy
MAP_FROM_BYTES = 64 * 1024  # smaller files are read: faster than mapping, touching and unmapping
_HEAD = struct.Struct("<4sIQ")  # magic, number of buffers, bytes of the pickle
_PLACE = struct.Struct("<QQ")  # offset and size of a buffer
_FALLBACK = (pickle.PicklingError, AttributeError, TypeError)


def dump(value: object) -> list[Buffer]:
    """Return the pieces of `value` in order: written one after the other they are what `load` takes.

    Raises `pickle.PicklingError`, `TypeError` or whatever the value's own reduction raises.
    """
    buffers: list[pickle.PickleBuffer] = []
    pickled = _pickle(value, buffers)
    if not buffers:
        return [pickled]
    return _lay_out(pickled, [buffer.raw() for buffer in buffers])


def dumps(value: object) -> bytes:
    """Return `dump(value)` in one piece."""
    pieces = dump(value)
    if len(pieces) == 1 and isinstance(pieces[0], bytes):
        return pieces[0]
    return b"".join(pieces)


def load(data: Buffer | mmap.mmap) -> Any:
    """Return the value in `data`. Large arrays are views of `data` if it is writable, else of one copy."""
    if data[:1] != MAGIC[:1]:
        return pickle.loads(data)
    view = memoryview(data)
    if view.readonly:
        view = memoryview(bytearray(view))
    magic, count, pickled_bytes = _HEAD.unpack_from(view)
    if magic != MAGIC or count > MAX_BUFFERS:
        raise pickle.UnpicklingError("these bytes are not a serialised value")
    start = _HEAD.size + count * _PLACE.size
    places = _PLACE.iter_unpack(view[_HEAD.size : start])
    buffers = [view[offset : offset + size] for offset, size in places]
    return pickle.loads(view[start : start + pickled_bytes], buffers=buffers)


def load_file(path: Path | str) -> Any:
    """Return the value in a file; large arrays are private copy-on-write views, also once it is deleted."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size >= MAP_FROM_BYTES:
            return load(mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY))
        with open(descriptor, "rb", closefd=False) as file:
            return load(bytearray(file.read()))
    finally:
        os.close(descriptor)


def dump_call(args: tuple[Any, ...], kwargs: dict[str, Any], slot_of: SlotOf | None = None) -> bytes:
    """Return the arguments of a call in which every object that `slot_of` gives an index for is that slot.

    Without `slot_of` there are no slots, and it is faster. All is in one piece: what is large belongs in a
    slot.
    """
    call = (args, kwargs)
    if slot_of is None:
        return _pickle(call, None)
    try:
        pickled = _dump_with_slots(_SlotPickler, call, slot_of)
    except _FALLBACK:
        pickled = b"__main__"
    if b"__main__" in pickled:
        pickled = _dump_with_slots(_SlotCloudPickler, call, slot_of)
    return pickled


def load_call(data: bytes, values: Sequence[object] = ()) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that `dump_call` took, with `values[i]` in the place of slot `i`."""
    if not values:
        call: tuple[tuple[Any, ...], dict[str, Any]] = pickle.loads(data)
        return call
    unpickler = _SlotUnpickler(io.BytesIO(data))
    unpickler.values = values
    loaded: tuple[tuple[Any, ...], dict[str, Any]] = unpickler.load()
    return loaded


def _pickle(value: object, buffers: list[pickle.PickleBuffer] | None) -> bytes:
    keep = None if buffers is None else _keeper(buffers)
    try:
        pickled = pickle.dumps(value, PROTOCOL, buffer_callback=keep)
        if b"__main__" not in pickled:
            return pickled
    except _FALLBACK:
        pass  # cloudpickle can do more; what it cannot either it says better
    if buffers:
        buffers.clear()
    by_value: bytes = cloudpickle.dumps(value, PROTOCOL, buffer_callback=keep)
    return by_value


def _keeper(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            is_small = buffer.raw().nbytes < IN_BAND_LIMIT_BYTES
        except BufferError:
            return True  # not contiguous: pickle copies it in its own order
        if not is_small:
            buffers.append(buffer)
        return is_small

    return keep


def _lay_out(pickled: bytes, buffers: list[memoryview]) -> list[Buffer]:
    head = bytearray(_HEAD.pack(MAGIC, len(buffers), len(pickled)))
    position = _HEAD.size + len(buffers) * _PLACE.size + len(pickled)
    pieces: list[Buffer] = [head, pickled]
    for buffer in buffers:
        padding = -position % ALIGNMENT
        head += _PLACE.pack(position + padding, buffer.nbytes)
        pieces += (bytes(padding), buffer) if padding else (buffer,)
        position += padding + buffer.nbytes
    return pieces


class _SlotPickler(pickle.Pickler):
    slot_of: SlotOf

    def persistent_id(self, obj: Any) -> int | None:
        return self.slot_of(obj)


class _SlotCloudPickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    slot_of: SlotOf

    def persistent_id(self, obj: Any) -> int | None:
        return self.slot_of(obj)


class _SlotUnpickler(pickle.Unpickler):
    values: Sequence[object]

    def persistent_load(self, slot: int) -> object:
        return self.values[slot]


def _dump_with_slots(
    kind: type[_SlotPickler] | type[_SlotCloudPickler], call: object, slot_of: SlotOf
) -> bytes:
    file = io.BytesIO()
    pickler = kind(file, PROTOCOL)
    pickler.slot_of = slot_of
    pickler.dump(call)
    return file.getvalue()
