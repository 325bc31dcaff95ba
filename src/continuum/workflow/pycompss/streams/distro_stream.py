"""`from pycompss.streams.distro_stream import ObjectDistroStream, FileDistroStream`."""

import os
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.pycompss.refusing import refuse
from continuum.workflow.streaming import POLL_S, FileStream, ObjectStream, Stream

OBJECT, FILE = "OBJECT", "FILE"
AT_MOST_ONCE, AT_LEAST_ONCE = "AT_MOST_ONCE", "AT_LEAST_ONCE"


def _check(access_mode: str) -> None:
    if access_mode != AT_MOST_ONCE:
        raise InvalidInputError(
            f"access_mode={access_mode!r} of a stream is not supported", hint=f"use {AT_MOST_ONCE}"
        )


class _DistroStream(Stream):
    """What PyCOMPSs calls things of any stream. Time limits are milliseconds there."""

    kind = ""

    def poll(self, timeout: float | None = None) -> list[Any]:
        """Return what nobody has taken yet, waiting for something at most `timeout` milliseconds."""
        return super().poll(POLL_S if timeout is None else timeout / 1000)

    def get_stream_id(self) -> str:
        """Return its id."""
        return self.id

    def get_stream_alias(self) -> str:
        """Return its name."""
        return self.name

    def get_stream_type(self) -> str:
        """Return what it carries."""
        return self.kind


class ObjectDistroStream(_DistroStream, ObjectStream):
    """A stream of objects."""

    kind = OBJECT

    def __init__(self, alias: str | None = None, access_mode: str = AT_MOST_ONCE) -> None:
        _check(access_mode)
        super().__init__(alias or "")


class FileDistroStream(_DistroStream, FileStream):
    """A stream of the files that appear in a folder."""

    kind = FILE

    def __init__(
        self,
        alias: str | None = None,
        access_mode: str = AT_MOST_ONCE,
        base_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        _check(access_mode)
        if base_dir is None:
            raise InvalidInputError("a FileDistroStream needs base_dir, the folder of its files")
        super().__init__(base_dir, alias or "")

    def publish(self, message: Any) -> None:
        """Nothing: a file is published by being written into the folder."""

    def publish_list(self, messages: Any) -> None:
        """Nothing, as `publish`."""


PscoDistroStream = refuse("PscoDistroStream")

__all__ = ["AT_LEAST_ONCE", "AT_MOST_ONCE", "FileDistroStream", "ObjectDistroStream", "PscoDistroStream"]
