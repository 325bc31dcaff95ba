"""`from pycompss.util.serialization.serializer import serialize_to_file, deserialize_from_file`."""

from pathlib import Path
from typing import Any

from continuum.workflow.serialising import dumps, load


def serialize_to_file(obj: Any, file_name: str, *_: Any) -> None:
    """Write an object to a file."""
    Path(file_name).write_bytes(dumps(obj))


def deserialize_from_file(file_name: str, *_: Any) -> Any:
    """Return the object in a file that `serialize_to_file` wrote. The file may execute code: trust it."""
    return load(Path(file_name).read_bytes())


__all__ = ["deserialize_from_file", "serialize_to_file"]
