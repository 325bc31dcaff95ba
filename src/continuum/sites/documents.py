"""JSON documents of the home: settings and descriptions, typed, with paths in them."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError

Kind = TypeVar("Kind")


def format_document(value: Any) -> bytes:
    """Return `value` as indented JSON; paths become strings."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=_encode))


def parse_document(data: bytes | str, kind: type[Kind]) -> Kind:
    """Return `data` (JSON) as `kind`. Raises msgspec's errors, which say where it is wrong."""
    return msgspec.json.decode(data, type=kind, dec_hook=_decode)


def read_document(path: Path, kind: type[Kind], *, hint: str = "") -> Kind:
    """Return the document in the file `path` as `kind`.

    Raises `NotFoundError` (with `hint`) if there is no such file and `InvalidInputError` that names the
    field.
    """
    try:
        return parse_document(path.read_bytes(), kind)
    except FileNotFoundError as problem:
        raise NotFoundError(f"there is no {path}", hint=hint) from problem
    except OSError as problem:
        raise InvalidInputError(f"{path} cannot be read: {problem.strerror}") from problem
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{path} is wrong: {problem}") from problem


def _encode(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot stand in a document")


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{kind.__name__} cannot stand in a document")
