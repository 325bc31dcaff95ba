"""Reading the journal of a run while it is being written.

The driver appends whole lines, at least every half second; a line that is not whole yet is read later.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.stories import Record

MOST_BYTES = 4 * 1024 * 1024  # at once: who watches wants to show something in between
_decode = msgspec.json.Decoder(Record).decode


class JournalTail:
    """What was added to a journal since the last look. A journal that is not there yet is empty."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self._offset = 0
        self._rest = b""

    def read_lines(self) -> list[bytes]:
        """Return the whole lines, without their ends, that were added; at most about `MOST_BYTES` of them."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                added = file.read(MOST_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return lines

    def read(self) -> list[Record]:
        """Return the records that were added. Raises `InvalidInputError` if the journal is damaged."""
        return self.decode(self.read_lines())

    def decode(self, lines: Iterable[bytes]) -> list[Record]:
        """Return the records of lines. Raises `InvalidInputError` if one is none."""
        try:
            return [_decode(line) for line in lines]
        except msgspec.MsgspecError as problem:
            raise InvalidInputError(f"the journal {self._path} is damaged: {problem}") from problem


def all_lines(folder: Path, *contains: bytes) -> Iterator[Record]:
    """Yield the records of a journal whose lines contain one of these."""
    tail = JournalTail(folder)
    while lines := tail.read_lines():
        yield from tail.decode(line for line in lines if any(each in line for each in contains))


def last_lines(folder: Path, contains: bytes, most: int, *, within_bytes: int = 256 * 1024) -> list[Record]:
    """Return the last records of a journal whose lines contain some bytes, looking at its end alone."""
    try:
        with (folder / "journal.jsonl").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - within_bytes))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    whole = lines[1:-1] if size > within_bytes else lines[:-1]
    found = [line for line in whole if contains in line]
    return [_decode(line) for line in found[-most:]]
