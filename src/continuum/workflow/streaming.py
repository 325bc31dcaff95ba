"""Streams between tasks and the main program: publish here, poll there, while both run.

A stream is a folder: a message is a file that appears by a rename, and whoever renames it away has it, so
each message reaches one consumer. That needs no server, works without a run, in a local run and between sites
that share a file system; where the folder is not there, publishing and polling say so instead of waiting for
ever. The folder lies in `$CONTINUUM_STREAMS`, else among the temporary files; its maker removes it.

What this does not promise: order between several publishers, or delivery after a consumer died with a message
in its hands.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.serialising import dumps, load

POLL_S = 0.2  # how long a poll waits for the first message if nobody says
_LOOK_EVERY_S = 0.01
_CLOSED = "closed"
_PREFIX = "continuum-stream-"  # made by mkdtemp: what is read here was written by this user
_numbers = itertools.count()


class Stream:
    """What streams of objects and of files have in common. Give it to tasks as a parameter (`STREAM_IN`,
    `STREAM_OUT`, or plainly): they get the same stream.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=os.environ.get("CONTINUUM_STREAMS") or None))
        self.id = self._folder.name.removeprefix(_PREFIX)
        owner = os.getpid()
        weakref.finalize(self, _remove, self._folder, owner)

    def poll(self, timeout_s: float = POLL_S) -> list[Any]:
        """Return the messages that nobody has taken yet; if there is none, wait for one at most `timeout_s`.

        Raises `UnavailableError` if the stream cannot be reached from here.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._check()
            found = list(self._take())
            if found or time.monotonic() >= deadline or self.is_closed():
                return found or list(self._take())
            time.sleep(_LOOK_EVERY_S)

    def close(self) -> None:
        """Say that nothing more will come. What is there can still be polled."""
        self._check()
        (self._folder / _CLOSED).touch()

    def is_closed(self) -> bool:
        """Whether somebody has closed it."""
        self._check()
        return (self._folder / _CLOSED).exists()

    def _take(self) -> Iterator[Any]:
        raise NotImplementedError

    def _check(self) -> None:
        if not self._folder.is_dir():
            raise UnavailableError(
                f"the stream {self.name or self.id} cannot be reached from here: there is no {self._folder}",
                hint="its maker has ended, or this is another machine: put streams on a file system that "
                "both share with CONTINUUM_STREAMS, or pin tasks with @constraint(is_local=True)",
            )

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)  # a copy of it does not remove the folder


class ObjectStream(Stream):
    """Objects: `publish` one, `publish_list` several."""

    def publish(self, message: Any) -> None:
        """Send one object. Raises `UnavailableError` if the stream cannot be reached from here."""
        self._check()
        if self.is_closed():
            raise InvalidInputError(f"the stream {self.name or self.id} is closed")
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}"
        writing = self._folder / f".{name}"
        writing.write_bytes(dumps(message))
        writing.rename(self._folder / f"m{name}")

    def publish_list(self, messages: Iterable[Any]) -> None:
        """Send several objects."""
        for message in messages:
            self.publish(message)

    def _take(self) -> Iterator[Any]:
        for path in sorted(self._folder.glob("m*")):
            taken = path.with_name(f".taken-{path.name}")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # somebody else has it
            data = taken.read_bytes()
            taken.unlink()
            yield load(data)


class FileStream(Stream):
    """Files that appear in a folder: whoever polls gets their paths, each once.

    Write a file under a name that begins with a dot and rename it, so that nobody gets half of it.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str = "") -> None:
        super().__init__(name)
        self.watched = Path(folder).absolute()

    def _take(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):  # nobody has made it yet
            for path in sorted(self.watched.iterdir()):
                if not path.name.startswith(".") and path.is_file() and self._is_mine(path.name):
                    yield str(path)

    def _is_mine(self, name: str) -> bool:
        mark = self._folder / f"f{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
