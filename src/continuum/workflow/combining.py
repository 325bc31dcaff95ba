"""What CONCURRENT tasks changed, put together: the task that runs when somebody looks at the value.

Tasks that share a value as CONCURRENT run at the same time, each on a copy of the version before. Each copy
is compared with that version: keys of dicts, members of sets, attributes of objects, elements of lists and of
arrays, and bytes of files that one task changed are taken from it; what several appended to a list or file
comes one after the other, in the order of the calls. For tasks that keep out of each other's way that is what
they would have left behind in one memory.

What two of them changed cannot be told apart from a lost update, so it is an error: CONCURRENT says that the
program sees to it that this does not happen, COMMUTATIVE and INOUT are for updates of the same thing.
"""

import copy
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.model.errors import ConflictError
from continuum.workflow.serialising import dumps

if TYPE_CHECKING:
    from continuum.workflow.programming import TaskFunction

_MISSING = object()
_ATOMS = frozenset((int, float, complex, str, bytes, bool, type(None), type(_MISSING)))
_CONTAINERS = frozenset((dict, list, set))
_PICKLERS = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
_HEAP_TYPE = 1 << 9  # of classes that are made by a class statement, see Py_TPFLAGS_HEAPTYPE
_MOST_DEPTH = 50
_BLOCK_BYTES = 4096
_HINT = "tasks that update the same thing share it as COMMUTATIVE (one at a time) or INOUT (in order)"


@cache
def combination(*, of_files: bool) -> "TaskFunction":
    """Return the task that puts updates together."""
    from continuum.workflow.directions import COLLECTION_FILE_IN, FILE_INOUT  # noqa: PLC0415
    from continuum.workflow.programming import TaskFunction  # noqa: PLC0415 - for few programs

    if of_files:
        directions = {"before": FILE_INOUT, "copies": COLLECTION_FILE_IN}
        return TaskFunction(combine_files, {**directions, "returns": 0})
    return TaskFunction(combine, {"returns": 1})


def combine(before: Any, copies: Sequence[Any]) -> Any:
    """Return `before` with what was changed in each of `copies`. Raises `ConflictError`."""
    return _merge(before, copies, "the value", 0)


def combine_files(before: str, copies: Sequence[str]) -> None:
    """Write into the file `before` what was changed in each of `copies`. Raises `ConflictError`."""
    base = Path(before).read_bytes()
    merged = merge_bytes(base, [Path(each).read_bytes() for each in copies])
    if merged != base:
        Path(before).write_bytes(merged)


# ---- values ----


def _merge(before: Any, copies: Sequence[Any], where: str, depth: int) -> Any:
    changed = [each for each in copies if not _is_same(before, each)]
    if not changed:
        return before
    if len(changed) == 1:
        return changed[0]
    kind = type(changed[0])
    if depth < _MOST_DEPTH and all(type(each) is kind for each in changed):
        base = kind() if before is _MISSING and kind in _CONTAINERS else before
        if type(base) is kind and kind not in _ATOMS:
            return _merge_alike(base, changed, where, depth)
    raise _clash(where)


def _merge_alike(before: Any, changed: Sequence[Any], where: str, depth: int) -> Any:
    if isinstance(before, dict | list | set):
        content = _merge_contents(before, changed, where, depth)
        return content if type(before) in _CONTAINERS else _refilled(before, changed, content, where, depth)
    if type(before) is bytearray:
        return bytearray(merge_bytes(bytes(before), [bytes(each) for each in changed]))
    if _is_array(before):
        return _merge_arrays(before, changed, where)
    if _is_plain(before):
        return _with_attributes(before, changed, where, depth)
    raise _clash(where)


def _merge_contents(before: Any, changed: Sequence[Any], where: str, depth: int) -> Any:
    if isinstance(before, dict):
        return _merge_items(before, changed, where, depth)
    if isinstance(before, list):
        return _merge_lists(before, changed, where, depth)
    removed = set().union(*(before - each for each in changed))
    return (set(before) - removed).union(*(each - before for each in changed))


def _refilled(like: Any, changed: Sequence[Any], content: Any, where: str, depth: int) -> Any:
    """Return a container of the kind of `like`, a class of its own, that holds `content`."""
    made = _with_attributes(like, changed, where, depth) if hasattr(like, "__dict__") else copy.copy(like)
    made.clear()
    if isinstance(like, list):
        made.extend(content)
    else:
        made.update(content)
    return made


def _with_attributes(before: Any, changed: Sequence[Any], where: str, depth: int) -> Any:
    merged = copy.copy(before)
    merged.__dict__ = _merge_items(vars(before), [vars(each) for each in changed], where, depth, ".{}")
    return merged


def _is_plain(value: Any) -> bool:
    """Whether its attributes are all that there is to an object: classes in Python, pickled as usual."""
    kind = type(value)
    in_python = all(each.__flags__ & _HEAP_TYPE for each in kind.__mro__[:-1])
    is_usual = all(getattr(kind, name, None) is getattr(object, name, None) for name in _PICKLERS)
    has_slots = any(vars(each).get("__slots__") for each in kind.__mro__[:-1])
    return in_python and is_usual and not has_slots and hasattr(value, "__dict__")


def _is_array(value: Any) -> bool:
    """Whether it is an array of numpy, of numbers or texts; its subclasses have properties of their own."""
    kind = type(value)
    return (kind.__module__, kind.__name__) == ("numpy", "ndarray") and value.dtype.kind not in "OV"


def _merge_items(
    before: dict[Any, Any], changed: Sequence[dict[Any, Any]], where: str, depth: int, form: str = "[{!r}]"
) -> dict[Any, Any]:
    merged = {}
    for key in dict.fromkeys(key for each in (before, *changed) for key in each):
        values = [each.get(key, _MISSING) for each in changed]
        value = _merge(before.get(key, _MISSING), values, where + form.format(key), depth + 1)
        if value is not _MISSING:
            merged[key] = value
    return merged


def _merge_lists(before: list[Any], changed: Sequence[list[Any]], where: str, depth: int) -> list[Any]:
    length = len(before)
    if any(len(each) < length for each in changed):
        raise _clash(f"{where}, from which elements were removed,")
    merged = [
        _merge(value, [each[position] for each in changed], f"{where}[{position}]", depth + 1)
        for position, value in enumerate(before)
    ]
    return merged + [value for each in changed for value in each[length:]]


def _merge_arrays(before: Any, changed: Sequence[Any], where: str) -> Any:
    if any(each.shape != before.shape or each.dtype != before.dtype for each in changed):
        raise _clash(f"the form of {where}")
    merged, seen = before.copy(), None
    for each in changed:
        differs = _differing(before, each)
        if seen is not None and (seen & differs).any():
            raise _clash(f"the same elements of {where}")
        merged[differs] = each[differs]
        seen = differs if seen is None else seen | differs
    return merged


def _differing(before: Any, after: Any) -> Any:
    return (after != before) & ((after == after) | (before == before))  # noqa: PLR0124 - NaN is not itself


def _is_same(one: Any, other: Any, depth: int = 0) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) in _ATOMS:
        return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - NaN
    if isinstance(one, list | tuple | dict | set | frozenset) and len(one) != len(other):
        return False
    return dumps(one) == dumps(other) or (depth < _MOST_DEPTH and _is_same_inside(one, other, depth + 1))


def _is_same_inside(one: Any, other: Any, depth: int) -> bool:
    """Look closer: equal things may be pickled in several ways."""
    kind = type(one)
    if kind in {list, tuple}:
        return all(_is_same(mine, its, depth) for mine, its in zip(one, other, strict=True))
    if kind is dict:
        return one.keys() == other.keys() and all(_is_same(one[key], other[key], depth) for key in one)
    if kind in {set, frozenset}:
        return bool(one == other)
    if _is_array(one):
        return one.shape == other.shape and one.dtype == other.dtype and not _differing(one, other).any()
    return _is_plain(one) and _is_same(vars(one), vars(other), depth)


# ---- bytes ----


def merge_bytes(before: bytes, copies: Sequence[bytes]) -> bytes:
    """Return `before` with the bytes that each of `copies` changed, and what each has appended.

    A copy that goes on behind the end of `before` with a gap of zeros was written at a place, not appended
    to; then so were all. Raises `ConflictError` if two changed the same.
    """
    changed = [each for each in copies if each != before]
    if len(changed) == 1:
        return changed[0]
    length = len(before)
    if any(len(each) < length for each in changed):
        raise _clash("the file, which one made shorter or wrote anew,")
    if any(each[length : length + 1] == b"\0" for each in changed):
        length = max(map(len, changed), default=length)
        changed = [each.ljust(length, b"\0") for each in changed]
        before = before.ljust(length, b"\0")
    merged = bytearray(before)
    taken: list[tuple[int, int]] = []
    for each in changed:
        regions = _regions(before, each)
        taken += regions
        for start, end in regions:
            merged[start:end] = each[start:end]
    if any(first[1] > second[0] for first, second in pairwise(sorted(taken))):
        raise _clash("the same bytes of the file")
    return bytes(merged) + b"".join(each[length:] for each in changed)


def _regions(before: bytes, after: bytes) -> list[tuple[int, int]]:
    """Return from where to where bytes differ."""
    regions: list[tuple[int, int]] = []
    for block in range(0, len(before), _BLOCK_BYTES):
        end = min(block + _BLOCK_BYTES, len(before))
        if before[block:end] == after[block:end]:
            continue
        for position in range(block, end):
            if before[position] == after[position]:
                continue
            if regions and regions[-1][1] == position:
                regions[-1] = (regions[-1][0], position + 1)
            else:
                regions.append((position, position + 1))
    return regions


def _clash(what: str) -> ConflictError:
    return ConflictError(f"several tasks that share it as CONCURRENT changed {what}", hint=_HINT)
