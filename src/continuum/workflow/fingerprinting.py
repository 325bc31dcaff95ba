"""Names for calls that hold across drivers of the same run: what is called, with what, for which time.

The name of a call is a digest of its function, its frozen arguments, and the identities of the data that it
reads; the identity of what a task writes is the task's name, that of what the program brings is its content.
So equal names mean: the same function of the same values, all the way back. Calls with equal names are told
apart by their number, in the order of the program (a function that draws lots may be called twice).

What it does not promise: that equal calls have equal names. Pickles of equal values can differ between two
processes (where the order of a set went into a list): then a task runs again that need not have.
"""

import hashlib
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle.cloudpickle

from continuum.model.tasks import Datum, Task
from continuum.workflow.canonical import canonical
from continuum.workflow.messages import DatumKind, FunctionCode, ObjectName, Output

DIGEST_BYTES = 16
_MAX_DEPTH = 20
_TRACKER = re.compile(rb"[0-9a-f]{32}")
_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis))


class Names:
    """Names the calls of one run. For one thread."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}

    def name(self, task: Task) -> None:
        """Give a task its key, and what it writes their identities."""
        payload = task.payload
        code: FunctionCode = payload.code
        call = canonical(payload.call)
        if b"__main__" in call:
            call = _without_trackers(call)
        digest = hashlib.blake2b(call, digest_size=DIGEST_BYTES)
        digest.update(f"|{code.name}|{code.content}|".encode())
        for datum in task.reads:
            digest.update(identity_of(datum))
        for output in payload.outputs:
            if output.parameter or output.publish_as is not None:
                digest.update(_say(output))
        time = self._count(digest.digest())
        if time:
            digest.update(b"|%d" % time)
        task.key = key = digest.digest()
        for index, datum in enumerate(task.writes):
            datum.identity = key + index.to_bytes(2, "big") if index else key

    def _count(self, digest: bytes) -> int:
        short = int.from_bytes(digest[:8], "big")
        time = self._times.get(short, 0)
        self._times[short] = time + 1
        return time


def identity_of(datum: Datum) -> bytes:
    """Return what a datum is: by whom it was made, or by its content."""
    if not datum.identity:
        source = datum.source
        if source.inline is not None:
            datum.identity = digest_of_bytes(source.inline if source.is_file else canonical(source.inline))
        elif isinstance(source.published, ObjectName):
            datum.identity = digest_of_name(source.published)
        else:
            datum.identity = source.id.encode()
    return datum.identity


def digest_of_bytes(data: Any) -> bytes:
    """Return the identity of content."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES, person=b"content").digest()


def digest_of_file(path: Path) -> bytes:
    """Return the identity of a file's content: the same as that of its bytes."""
    with path.open("rb") as file:
        made: Callable[[], Any] = lambda: hashlib.blake2b(digest_size=DIGEST_BYTES, person=b"content")  # noqa: E731
        return hashlib.file_digest(file, made).digest()


def digest_of_name(name: ObjectName, mark: str = "") -> bytes:
    """Return the identity of an object of the store; `mark` tells a changed one from what it was."""
    text = f"{name.bucket}/{name.key}|{mark}"
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES, person=b"object").digest()


def digest_of_function(function: Callable[..., Any]) -> str:
    """Return what tells a function from others, and from itself once its program was changed.

    Looks at its code, its defaults, and at functions and plain values of the same module that it uses.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    _add_function(digest, function, set(), 0)
    return digest.hexdigest()


def _add_function(digest: Any, function: Any, seen: set[int], depth: int) -> None:
    function = getattr(function, "function", function)  # looking through `@task`
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen or depth > _MAX_DEPTH:
        return
    seen.add(id(code))
    digest.update(f"{function.__module__}.{function.__qualname__}".encode())
    digest.update(repr([each for each in function.__defaults__ or () if isinstance(each, _PLAIN)]).encode())
    for name in _add_code(digest, code):
        used = function.__globals__.get(name)
        if isinstance(used, _PLAIN):
            digest.update(f"{name}={used!r}".encode())
        elif getattr(used, "__module__", None) == function.__module__ and callable(used):
            _add_function(digest, used, seen, depth + 1)
    for cell in function.__closure__ or ():
        _add_cell(digest, cell, seen, depth)


def _add_cell(digest: Any, cell: types.CellType, seen: set[int], depth: int) -> None:
    try:
        held = cell.cell_contents
    except ValueError:
        return  # not filled yet
    if isinstance(held, _PLAIN):
        digest.update(repr(held).encode())
    elif callable(held):
        _add_function(digest, held, seen, depth + 1)


def _add_code(digest: Any, code: types.CodeType) -> list[str]:
    """Add a code object; return the names that it and what it defines look up."""
    digest.update(code.co_code)
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _add_code(digest, constant)
        elif isinstance(constant, frozenset):
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())
    digest.update("|".join(names).encode())
    return names


def _say(output: Output) -> bytes:
    published = output.publish_as
    where = f"{published.bucket}/{published.key}" if published is not None else ""
    element = ".".join(map(str, output.element))
    return f"|{output.parameter}|{DatumKind(output.kind)}|{output.file_name}|{where}|{element}".encode()


def _without_trackers(call: bytes) -> bytes:
    """Replace the random ids that cloudpickle gives to classes of the main program by their names."""
    known = cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID  # noqa: SLF001 - there is no other way to know

    def replace(found: re.Match[bytes]) -> bytes:
        kind = known.get(found[0].decode())
        return found[0] if kind is None else f"{kind.__module__}.{kind.__qualname__}".encode()

    return _TRACKER.sub(replace, call)
