"""How a task uses its parameters: directions and types, in the spellings of the PyCOMPSs programming model.

Every direction is one frozen value. `{Type: FILE, Direction: INOUT, Prefix: "--in="}`, the long form, gives
the same values. What is not supported has a name too, so that it can be refused by that name.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from continuum.model.errors import InvalidInputError

MAX_DEPTH = 100


class Access(StrEnum):
    """What a task does to a parameter."""

    READ = "read"
    WRITE = "write"
    UPDATE = "update"


class Direction(msgspec.Struct, frozen=True):
    """How one parameter is used.

    `is_file` holds for directories too. `depth` is how deep a collection or dictionary nests: what lies there
    are its elements. `is_deleted`: the task is the last that uses it. `is_commutative`: tasks that update it
    exclude each other, in any order; `is_concurrent`: they need not even do that (each changes a copy).
    `stream` ("", "stdin", "stdout", "stderr"), `prefix` and `keep_rename` concern tasks that are programs;
    `weight` and `cache` are hints.
    """

    name: str
    access: Access = Access.READ
    is_file: bool = False
    is_collection: bool = False
    depth: int = 1
    is_supported: bool = True
    is_directory: bool = False
    is_deleted: bool = False
    is_commutative: bool = False
    is_concurrent: bool = False
    stream: str = ""
    prefix: str = ""
    weight: float = 0.0
    keep_rename: bool = False
    cache: bool = False

    def __repr__(self) -> str:
        return self.name


READ, WRITE, UPDATE = Access.READ, Access.WRITE, Access.UPDATE

IN = Direction("IN")
OUT = Direction("OUT", WRITE)
INOUT = Direction("INOUT", UPDATE)
IN_DELETE = Direction("IN_DELETE", is_deleted=True)
CONCURRENT = Direction("CONCURRENT", UPDATE, is_concurrent=True)
COMMUTATIVE = Direction("COMMUTATIVE", UPDATE, is_commutative=True)

FILE = Direction("FILE", is_file=True)
FILE_IN = Direction("FILE_IN", is_file=True)
FILE_IN_DELETE = Direction("FILE_IN_DELETE", is_file=True, is_deleted=True)
FILE_OUT = Direction("FILE_OUT", WRITE, is_file=True)
FILE_INOUT = Direction("FILE_INOUT", UPDATE, is_file=True)
FILE_CONCURRENT = Direction("FILE_CONCURRENT", UPDATE, is_file=True, is_concurrent=True)
FILE_COMMUTATIVE = Direction("FILE_COMMUTATIVE", UPDATE, is_file=True, is_commutative=True)

DIRECTORY = Direction("DIRECTORY", is_file=True, is_directory=True)
DIRECTORY_IN = Direction("DIRECTORY_IN", is_file=True, is_directory=True)
DIRECTORY_IN_DELETE = Direction("DIRECTORY_IN_DELETE", is_file=True, is_directory=True, is_deleted=True)
DIRECTORY_OUT = Direction("DIRECTORY_OUT", WRITE, is_file=True, is_directory=True)
DIRECTORY_INOUT = Direction("DIRECTORY_INOUT", UPDATE, is_file=True, is_directory=True)

COLLECTION = Direction("COLLECTION", is_collection=True)
COLLECTION_IN = Direction("COLLECTION_IN", is_collection=True)
COLLECTION_IN_DELETE = Direction("COLLECTION_IN_DELETE", is_collection=True, is_deleted=True)
COLLECTION_OUT = Direction("COLLECTION_OUT", WRITE, is_collection=True)
COLLECTION_INOUT = Direction("COLLECTION_INOUT", UPDATE, is_collection=True)
COLLECTION_FILE = Direction("COLLECTION_FILE", is_file=True, is_collection=True)
COLLECTION_FILE_IN = Direction("COLLECTION_FILE_IN", is_file=True, is_collection=True)
COLLECTION_FILE_OUT = Direction("COLLECTION_FILE_OUT", WRITE, is_file=True, is_collection=True)
COLLECTION_FILE_INOUT = Direction("COLLECTION_FILE_INOUT", UPDATE, is_file=True, is_collection=True)

DICTIONARY = Direction("DICTIONARY", is_collection=True)
DICTIONARY_IN = Direction("DICTIONARY_IN", is_collection=True)
DICTIONARY_IN_DELETE = Direction("DICTIONARY_IN_DELETE", is_collection=True, is_deleted=True)
DICTIONARY_OUT = Direction("DICTIONARY_OUT", WRITE, is_collection=True)
DICTIONARY_INOUT = Direction("DICTIONARY_INOUT", UPDATE, is_collection=True)

STREAM_NAMES = {"STDIN": "stdin", "STDOUT": "stdout", "STDERR": "stderr"}
_STREAMED = {
    "FILE": {"STDIN": READ, "STDOUT": WRITE, "STDERR": WRITE},
    "FILE_IN": dict.fromkeys(STREAM_NAMES, READ),
    "FILE_OUT": dict.fromkeys(STREAM_NAMES, WRITE),
    "FILE_INOUT": dict.fromkeys(STREAM_NAMES, UPDATE),
    "FILE_CONCURRENT": dict.fromkeys(STREAM_NAMES, UPDATE),
    "FILE_COMMUTATIVE": dict.fromkeys(STREAM_NAMES, UPDATE),
}
STREAMED = {
    f"{base}_{stream}": Direction(
        f"{base}_{stream}",
        access,
        is_file=True,
        is_concurrent=base == "FILE_CONCURRENT",
        is_commutative=base == "FILE_COMMUTATIVE",
        stream=STREAM_NAMES[stream],
    )
    for base, streams in _STREAMED.items()
    for stream, access in streams.items()
}
"""A file that is a standard stream of a task that is a program, by name: `FILE_OUT_STDERR`, …"""

# A stream is given as it is: those at its other end run at the same time, so nobody waits for anybody.
STREAM_IN = Direction("STREAM_IN")
STREAM_OUT = Direction("STREAM_OUT")

TYPE, DIRECTION, DEPTH, STREAM, PREFIX = "type", "direction", "depth", "stdiostream", "prefix"
WEIGHT, KEEP_RENAME, CACHE = "weight", "keep_rename", "cache"

_BY_ACCESS = {READ: "IN", WRITE: "OUT", UPDATE: "INOUT"}
_KNOWN = {value.name: value for value in list(globals().values()) if isinstance(value, Direction)} | STREAMED


def parse_direction(parameter: str, given: object) -> Direction:
    """Return the direction that a program gives for a parameter: one of the constants, or a dict such as
    `{Type: COLLECTION_IN, Depth: 2}` or `{Type: FILE, Direction: OUT}`.

    Raises `InvalidInputError` naming what is unknown or not supported.
    """
    if isinstance(given, Mapping):
        direction = _from_mapping(parameter, given)
    elif isinstance(given, Direction):
        direction = given
    else:
        raise InvalidInputError(
            f"{given!r} is no direction for the parameter {parameter}",
            hint="use IN, OUT, INOUT, FILE_IN, FILE_OUT, FILE_INOUT or COLLECTION_IN",
        )
    if not direction.is_supported:
        raise InvalidInputError(f"{direction.name} (parameter {parameter}) is not supported yet")
    return direction


def _from_mapping(parameter: str, given: Mapping[object, object]) -> Direction:
    options = {str(key).lower(): value for key, value in given.items()}
    kind, access = options.pop(TYPE, IN), options.pop(DIRECTION, None)
    if not isinstance(kind, Direction) or not isinstance(access, Direction | None):
        raise InvalidInputError(f"{given!r} is no direction for the parameter {parameter}")
    direction = _combine(kind, access)
    if not direction.is_supported:
        return direction
    changes = {
        "depth": _depth(parameter, options.pop(DEPTH, direction.depth)),
        "stream": _stream(parameter, options.pop(STREAM, direction.stream)),
        "prefix": str(options.pop(PREFIX, direction.prefix)),
        "weight": _weight(parameter, options.pop(WEIGHT, 0.0)),
        "keep_rename": bool(options.pop(KEEP_RENAME, False)),
        "cache": bool(options.pop(CACHE, False)),
    }
    for name, value in options.items():
        raise InvalidInputError(f"{name} = {value!r} (parameter {parameter}) is not known")
    return msgspec.structs.replace(direction, **changes)


def _depth(parameter: str, value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_DEPTH:
        raise InvalidInputError(f"Depth of the parameter {parameter} must be a number from 1 to {MAX_DEPTH}")
    return value


def _weight(parameter: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # whatever else it is, is told
    except (TypeError, ValueError):
        raise InvalidInputError(f"Weight of the parameter {parameter} must be a number") from None


def _stream(parameter: str, value: object) -> str:
    name = str(getattr(value, "name", value)).lower()
    if name not in {"", *STREAM_NAMES.values()}:
        raise InvalidInputError(
            f"StdIOStream = {value!r} (parameter {parameter}) is not known",
            hint="use STDIN, STDOUT or STDERR",
        )
    return name


def _combine(kind: Direction, access: Direction | None) -> Direction:
    if access is None or not kind.is_supported:
        return kind
    base = kind.name
    for suffix in ("_INOUT", "_IN_DELETE", "_IN", "_OUT", "_CONCURRENT", "_COMMUTATIVE"):
        base = base.removesuffix(suffix)
    if base in {"IN", "OUT", "INOUT", "IN_DELETE", "CONCURRENT", "COMMUTATIVE"}:
        return access
    exact = _KNOWN.get(f"{base}_{access.name}") or _KNOWN.get(f"{base}_{_BY_ACCESS[access.access]}")
    return exact or Direction(f"{base} {access.name}", is_supported=False)
