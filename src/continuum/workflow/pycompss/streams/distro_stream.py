"""`from pycompss.streams.distro_stream import ObjectDistroStream, FileDistroStream`."""

import os
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.pycompss.refusing import refuse
from continuum.workflow.streaming import POLL_S, FileStream, ObjectStream

OBJECT, FILE = "OBJECT", "FILE"
AT_MOST_ONCE, AT_LEAST_ONCE = "AT_MOST_ONCE", "AT_LEAST_ONCE"


def _check(access_mode: str) -> None:
    if access_mode != AT_MOST_ONCE:
        raise InvalidInputError(
            f"access_mode={access_mode!r} of a stream is not supported", hint=f"use {AT_MOST_ONCE}"
        )


class ObjectDistroStream(ObjectStream):
    """A stream of objects. Time limits are milliseconds, as in PyCOMPSs."""

    def __init__(self, alias: str | None = None, access_mode: str = AT_MOST_ONCE) -> None:
        _check(access_mode)
        super().__init__(alias or "")

    def poll(self, timeout: float | None = None) -> list[Any]:
        """Return the messages that nobody has taken yet, waiting for one at most `timeout` milliseconds."""
        return super().poll(POLL_S if timeout is None else timeout / 1000)

    def get_stream_id(self) -> str:
        """Return its id."""
        return self.id

    def get_stream_alias(self) -> str:
        """Return its name."""
        return self.name

    def get_stream_type(self) -> str:
        """Return what it carries."""
        return OBJECT


class FileDistroStream(FileStream):
    """A stream of the files that appear in a folder."""

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

    def poll(self, timeout: float | None = None) -> list[str]:
        """Return the paths of new files, waiting for one at most `timeout` milliseconds."""
        return super().poll(POLL_S if timeout is None else timeout / 1000)

    def get_stream_id(self) -> str:
        """Return its id."""
        return self.id

    def get_stream_alias(self) -> str:
        """Return its name."""
        return self.name

    def get_stream_type(self) -> str:
        """Return what it carries."""
        return FILE


PscoDistroStream = refuse("PscoDistroStream")

__all__ = ["AT_LEAST_ONCE", "AT_MOST_ONCE", "FileDistroStream", "ObjectDistroStream", "PscoDistroStream"]
