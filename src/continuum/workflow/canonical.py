"""Pickles that are the same in every process: sets in them by the digests of their items, in order.

The order in which a set gives its strings differs between processes (unless PYTHONHASHSEED is set), so their
pickles differ too. Where a pickle has a set, its value is made again and pickled with every set in it
replaced. Others, nearly all, cost a search for four bytes.

What it does not promise: that equal values have equal pickles. A list or a dict that was filled in the order
of a set differs, and a set that holds itself is taken as it is pickled.
"""

import hashlib
import io
import pickle
from typing import Any

import cloudpickle

from continuum.workflow.serialising import MAGIC, PROTOCOL, load

# how pickles begin a set, and end a frozenset: with these and an entry in their memo
_SET, _FROZENSET = b"\x8f\x94", b"\x91\x94"
_DIGEST_BYTES = 16
_SETS = (set, frozenset)


class _Slot:
    """Stands for a datum of a call."""

    def __init__(self, index: Any) -> None:
        self.index = index


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, index: Any) -> _Slot:
        return _Slot(index)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def persistent_id(self, value: Any) -> Any:
        kind = type(value)
        if kind is _Slot:
            return "slot", value.index
        return (kind.__name__, sorted(map(_digest, value))) if kind in _SETS else None


def canonical(data: bytes) -> bytes:
    """Return what stands for a serialised value or call, for digests."""
    if _SET not in data and _FROZENSET not in data:
        return data
    try:
        value = load(data) if data[:1] == MAGIC[:1] else _Unpickler(io.BytesIO(data)).load()
        return _dump(value)
    except Exception:  # noqa: BLE001 - whatever a class of the program does when it is made again
        return data


def _digest(item: Any) -> bytes:
    # plain strings are what sets mostly hold, and a pickler for each of them takes ten times as long
    data = item.encode("utf-8", "surrogatepass") if type(item) is str else _dump(item)
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _dump(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file, PROTOCOL).dump(value)
    return file.getvalue()
