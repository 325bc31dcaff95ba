"""How a task uses its parameters: directions and types, in the spellings of the PyCOMPSs programming model.

`COMMUTATIVE` and `CONCURRENT` parameters are run in the order of the calls, which both allow: correct, but
less parallel than they could be. What is not supported has a name too, so that it can be refused by that
name.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from continuum.model.errors import InvalidInputError


class Access(StrEnum):
    """What a task does to a parameter."""

    READ = "read"
    WRITE = "write"
    UPDATE = "update"


class Direction(msgspec.Struct, frozen=True):
    """How one parameter is used. `depth` is how deep a collection of files nests."""

    name: str
    access: Access = Access.READ
    is_file: bool = False
    is_collection: bool = False
    depth: int = 1
    is_supported: bool = True

    def __repr__(self) -> str:
        return self.name


IN = Direction("IN")
OUT = Direction("OUT", Access.WRITE)
INOUT = Direction("INOUT", Access.UPDATE)
IN_DELETE = Direction("IN_DELETE")
CONCURRENT = Direction("CONCURRENT", Access.UPDATE)
COMMUTATIVE = Direction("COMMUTATIVE", Access.UPDATE)
FILE = Direction("FILE", is_file=True)
FILE_IN = Direction("FILE_IN", is_file=True)
FILE_OUT = Direction("FILE_OUT", Access.WRITE, is_file=True)
FILE_INOUT = Direction("FILE_INOUT", Access.UPDATE, is_file=True)
FILE_CONCURRENT = Direction("FILE_CONCURRENT", Access.UPDATE, is_file=True)
FILE_COMMUTATIVE = Direction("FILE_COMMUTATIVE", Access.UPDATE, is_file=True)
COLLECTION = Direction("COLLECTION", is_collection=True)
COLLECTION_IN = Direction("COLLECTION_IN", is_collection=True)
COLLECTION_FILE = Direction("COLLECTION_FILE", is_file=True, is_collection=True)
COLLECTION_FILE_IN = Direction("COLLECTION_FILE_IN", is_file=True, is_collection=True)
DICTIONARY = Direction("DICTIONARY", is_collection=True)
DICTIONARY_IN = Direction("DICTIONARY_IN", is_collection=True)

UNSUPPORTED = {
    name: Direction(name, is_supported=False)
    for name in (
        "COLLECTION_INOUT",
        "COLLECTION_OUT",
        "COLLECTION_IN_DELETE",
        "COLLECTION_FILE_INOUT",
        "COLLECTION_FILE_OUT",
        "DICTIONARY_INOUT",
        "DICTIONARY_OUT",
        "DICTIONARY_IN_DELETE",
        "DIRECTORY",
        "DIRECTORY_IN",
        "DIRECTORY_OUT",
        "DIRECTORY_INOUT",
        "STREAM_IN",
        "STREAM_OUT",
        "FILE_STDIN",
        "FILE_STDOUT",
        "FILE_STDERR",
        "FILE_IN_STDIN",
        "FILE_OUT_STDOUT",
        "FILE_OUT_STDERR",
        "FILE_INOUT_STDOUT",
        "FILE_INOUT_STDERR",
        "FILE_CONCURRENT_STDOUT",
        "FILE_CONCURRENT_STDERR",
    )
}

TYPE, DIRECTION, DEPTH = "type", "direction", "depth"
_BY_ACCESS = {Access.READ: "IN", Access.WRITE: "OUT", Access.UPDATE: "INOUT"}
_KNOWN = {
    value.name: value for value in list(globals().values()) if isinstance(value, Direction)
} | UNSUPPORTED
_FALSE_BY_DEFAULT = {"keep_rename", "cache"}


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
    depth = options.pop(DEPTH, 1)
    for name, value in options.items():
        if not (name in _FALSE_BY_DEFAULT and not value):
            raise InvalidInputError(f"{name} = {value!r} (parameter {parameter}) is not supported yet")
    if not isinstance(kind, Direction) or not isinstance(access, Direction | None):
        raise InvalidInputError(f"{given!r} is no direction for the parameter {parameter}")
    if not isinstance(depth, int) or depth < 1:
        raise InvalidInputError(f"Depth of the parameter {parameter} must be a positive number")
    direction = _combine(kind, access)
    return msgspec.structs.replace(direction, depth=depth) if direction.is_supported else direction


def _combine(kind: Direction, access: Direction | None) -> Direction:
    if access is None or not kind.is_supported:
        return kind
    base = kind.name.removesuffix("_INOUT").removesuffix("_IN").removesuffix("_OUT")
    if base in {"IN", "OUT", "INOUT"}:
        return access
    return _KNOWN.get(
        f"{base}_{_BY_ACCESS[access.access]}", Direction(f"{base} {access.name}", is_supported=False)
    )
