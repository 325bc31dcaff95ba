"""What a call was given, frozen at the time of the call.

Small arguments travel inside the call; futures, objects that tasks have changed, files and large values are
slots that name data. Futures are found inside lists, tuples and dicts of any depth. A large value that was
captured before and has not changed since is recognised by its content and not stored twice.
"""

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Datum
from continuum.workflow.futures import Future, UnresolvedFutureError, Variable
from continuum.workflow.serialising import dump, dump_call

ATOMIC = frozenset((int, float, str, bytes, bool, complex, type(None), type(Ellipsis), range))
CONTAINERS = frozenset((list, tuple, dict, set, frozenset))
_REMEMBERED = 64


class Slot:
    """Stands in the arguments where a datum belongs."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class Tracked:
    """Objects that tasks have changed or read, and the variables they are; by identity."""

    def __init__(self, release: Callable[[Variable], None]) -> None:
        self._entries: dict[int, tuple[Any, Variable]] = {}
        self._release = release

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, value: object) -> Variable | None:
        """Return the variable that `value` is, if it is one."""
        entry = self._entries.get(id(value))
        return entry[1] if entry is not None else None

    def add(self, value: object, variable: Variable) -> None:
        """Remember `value`; it is forgotten when the program has forgotten it, if that can be known."""
        key = id(value)
        try:
            self._entries[key] = (weakref.ref(value, lambda _: self._forget(key)), variable)
        except TypeError:
            self._entries[key] = (value, variable)

    def remove(self, value: object) -> bool:
        """Forget `value`; return whether it was known."""
        return self._forget(id(value))

    def _forget(self, key: int) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._release(entry[1])
        return entry is not None


class Constants:
    """Large values by digest: the latest few that the program gave to tasks or got from them."""

    def __init__(self, release: Callable[[Datum], None]) -> None:
        self._data: OrderedDict[bytes, tuple[Datum, bool]] = OrderedDict()
        self._release = release

    def find(self, digest: bytes) -> Datum | None:
        """Return the datum with this content."""
        entry = self._data.get(digest)
        return entry[0] if entry is not None else None

    def add(self, digest: bytes, datum: Datum, *, is_owner: bool) -> None:
        """Remember a datum; an owner holds it until it is forgotten."""
        if digest in self._data:
            return
        self._data[digest] = (datum, is_owner)
        if len(self._data) > _REMEMBERED:
            _, (oldest, was_owner) = self._data.popitem(last=False)
            if was_owner:
                self._release(oldest)

    def remove(self, datum: Datum) -> None:
        """Forget a datum that is not owned (its owner lets it go)."""
        for digest, (known, _) in list(self._data.items()):
            if known is datum:
                del self._data[digest]


class Captured(msgspec.Struct):
    """The frozen call: `call` has slot `i` where the datum `slots[i]` belongs."""

    call: bytes
    slots: list[Datum]


class Capture:
    """Collects the slots of one call."""

    __slots__ = ("_by_datum", "_by_object", "_keep", "_limit", "_store", "_tracked", "slots")

    def __init__(self, tracked: Tracked, store: Callable[[Sequence[Any], int], Datum], limit: int) -> None:
        self._tracked = tracked
        self._store = store
        self._limit = limit
        self._by_object: dict[int, int] = {}
        self._by_datum: dict[str, int] = {}
        self._keep: list[Any] = []
        self.slots: list[Datum] = []

    def slot(self, datum: Datum) -> int:
        """Return the index of the slot for a datum."""
        index = self._by_datum.get(datum.id)
        if index is None:
            index = self._by_datum[datum.id] = len(self.slots)
            self.slots.append(datum)
        return index

    def freeze(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Captured:
        """Return the call as bytes, with the slots that it needs."""
        needs_slots = bool(self.slots)
        for value in args:
            if type(value) not in ATOMIC and self._look(value):
                needs_slots = True
        if kwargs:
            for value in kwargs.values():
                if type(value) not in ATOMIC and self._look(value):
                    needs_slots = True
        call = self._dump(args, kwargs, needs_slots=needs_slots)
        if len(call) > self._limit:
            args, kwargs, found = self._store_large(args, kwargs)
            if found:
                call = self._dump(args, kwargs, needs_slots=True)
        return Captured(call, self.slots)

    def _dump(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, needs_slots: bool) -> bytes:
        if not needs_slots:
            try:
                return dump_call(args, kwargs)
            except UnresolvedFutureError:
                pass  # a future inside some object: look at every object
        return dump_call(args, kwargs, self._slot_of)

    def _look(self, value: Any) -> bool:
        """Find futures, tracked objects and large arrays; return whether there may be any."""
        kind = type(value)
        if kind is Future or kind is Slot:
            return True
        if kind in CONTAINERS:
            return self._look_inside(value, kind)
        if self._tracked:
            return True  # something known may be this, or lie anywhere inside
        if _size_of(value) > self._limit:
            self._store_value(value)
            return True
        return False

    def _look_inside(self, value: Any, kind: type) -> bool:
        items = value.values() if kind is dict else value
        kinds = set(map(type, items))
        found = bool(self._tracked) and self._tracked.find(value) is not None
        if kinds <= ATOMIC:
            return found
        for item in items:
            if type(item) not in ATOMIC and self._look(item):
                found = True
        return found

    def _slot_of(self, value: object) -> int | None:
        kind = type(value)
        if kind in ATOMIC:
            return None
        if kind is Slot:
            return value.index  # type: ignore[attr-defined, no-any-return]
        variable = value._variable if kind is Future else self._tracked.find(value)  # type: ignore[attr-defined]  # noqa: SLF001
        if variable is not None:
            return self.slot(newest(variable))
        index = self._by_object.get(id(value))
        if index is None and _size_of(value) > self._limit:
            index = self._store_value(value)
        return index

    def _store_value(self, value: Any) -> int:
        index = self._by_object.get(id(value))
        if index is None:
            index = self._by_object[id(value)] = self.slot(self._store_pieces(dump(value)))
            self._keep.append(value)
        return index

    def _store_pieces(self, pieces: Sequence[Any]) -> Datum:
        return self._store(pieces, _size_of_pieces(pieces))

    def _store_large(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], bool]:
        """Replace arguments that are large by themselves with slots, unless other slots are inside."""
        new_args = tuple(map(self._replace_large, args))
        new_kwargs = {name: self._replace_large(value) for name, value in kwargs.items()}
        changed = any(new is not old for new, old in zip(new_args, args, strict=True)) or any(
            new_kwargs[name] is not old for name, old in kwargs.items()
        )
        return new_args, new_kwargs, changed

    def _replace_large(self, value: Any) -> Any:
        if type(value) in _NEVER_LARGE or not self._is_free_of_slots(value):
            return value
        pieces = dump(value)
        if _size_of_pieces(pieces) <= self._limit:
            return value
        return Slot(self.slot(self._store_pieces(pieces)))

    def _is_free_of_slots(self, value: Any) -> bool:
        if type(value) in ATOMIC:
            return True
        found = False

        def probe(item: object) -> int | None:
            nonlocal found
            index = self._slot_of(item)
            found = found or index is not None
            return index

        dump_call((value,), {}, probe)
        return not found


_NEVER_LARGE = frozenset((int, float, bool, complex, type(None), Slot, Future))


def newest(variable: Variable) -> Datum:
    """Return the newest version of a variable; raises `InvalidInputError` if the program deleted it."""
    if variable.datum is None:
        raise InvalidInputError("this value was deleted with delete_object and cannot be used any more")
    if variable.sharing is not None:
        variable.sharing.close(variable)
    variable.chain = None  # whoever looks gets all updates so far; further ones may not go before
    return variable.datum


def _size_of(value: Any) -> int:
    size = getattr(value, "nbytes", 0)
    return size if type(size) is int else 0


def _size_of_pieces(pieces: Sequence[Any]) -> int:
    return sum(memoryview(piece).nbytes for piece in pieces)


def digest_of(pieces: Sequence[Any]) -> bytes:
    """Return the digest of a serialised value."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what tells whether a file of the program was changed: its time and size."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
