"""The journal of a transfer: what is in place, which uploads are open, which of their parts are there.

One SQLite file in write-ahead mode: a line is written when it is true, so a process that is killed at any
moment loses the pieces that were under way and nothing else. (After a loss of power a few last lines may be
missing; the pieces they speak of are then sent again.) Only one process works with a journal at a time. A
transfer that ends well removes it.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.transfers import Line

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (command TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS done (
    key TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_at REAL NOT NULL, etag TEXT NOT NULL,
    target_etag TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    key TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_at REAL NOT NULL, etag TEXT NOT NULL,
    upload_id TEXT NOT NULL, part_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, md5 TEXT NOT NULL, crc64 TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
"""


class OpenUpload(msgspec.Struct, frozen=True):
    """An upload that was begun. `parts`: number to (MD5 in hex, CRC-64/NVME)."""

    line: Line
    upload_id: str
    part_bytes: int
    parts: dict[int, tuple[str, int]]


def name_transfer(words: Sequence[str]) -> str:
    """Return the name of a transfer: the same for the same words, so that asking again goes on with it."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Journal:
    """The journal in `folder`, made if it is not there. `close()` it; `remove()` it when all is done."""

    def __init__(self, folder: Path, command: str = "") -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (folder / "lock").open("wb")
        except OSError as problem:
            raise InvalidInputError(f"cannot keep a journal in {folder}: {problem.strerror}") from problem
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConflictError(
                "this transfer is being done by another process", hint=f"its journal is {folder}"
            ) from None
        file = folder / "journal.sqlite"
        self.is_resumed = file.exists()
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        if not self.is_resumed:
            self._database.execute("INSERT INTO about VALUES (?)", (command,))

    # ---- whole objects ----

    def find_done(self, line: Line) -> str | None:
        """Return the target's ETag of an object that is in place as `line` describes the source; else
        None."""
        found = self._database.execute(
            "SELECT size_bytes, modified_at, etag, target_etag FROM done WHERE key = ?", (line.key,)
        ).fetchone()
        if found is None or Line(line.key, *found[:3]) != line:
            return None
        etag: str = found[3]
        return etag

    def count_done(self) -> int:
        """Return how many objects are in place."""
        count: int = self._database.execute("SELECT count(*) FROM done").fetchone()[0]
        return count

    def write_done(self, line: Line, target_etag: str) -> None:
        """An object is in place, verified."""
        self._database.execute(
            "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?, ?)",
            (*msgspec.structs.astuple(line), target_etag),
        )

    # ---- uploads ----

    def find_upload(self, key: str) -> OpenUpload | None:
        """Return the upload of a key that was begun and not ended."""
        found = self._database.execute("SELECT * FROM uploads WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        rows = self._database.execute("SELECT number, md5, crc64 FROM parts WHERE upload_id = ?", (found[4],))
        parts = {number: (md5, int(crc64, 16)) for number, md5, crc64 in rows}
        return OpenUpload(Line(*found[:4]), found[4], found[5], parts)

    def write_upload(self, line: Line, upload_id: str, part_bytes: int) -> None:
        """An upload was begun."""
        self._database.execute(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?)",
            (*msgspec.structs.astuple(line), upload_id, part_bytes),
        )

    def write_part(self, upload_id: str, number: int, md5: str, crc64: int) -> None:
        """A part is in place."""
        self._database.execute(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)", (upload_id, number, md5, f"{crc64:016x}")
        )

    def end_upload(self, key: str, upload_id: str) -> None:
        """An upload was completed or given up."""
        self._database.execute("DELETE FROM uploads WHERE key = ?", (key,))
        self._database.execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))

    def open_uploads(self) -> list[tuple[str, str]]:
        """Return key and id of the uploads that were begun and not ended."""
        return self._database.execute("SELECT key, upload_id FROM uploads").fetchall()

    # ---- ends ----

    def close(self) -> None:
        """Close it; it can be opened again."""
        self._database.close()
        self._lock.close()

    def remove(self) -> None:
        """All is done: nothing needs it any more."""
        self._database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def list_journals(folder: Path) -> list[tuple[str, str]]:
    """Return name and command of the transfers that have a journal in `folder`."""
    found = []
    for file in sorted(folder.glob("*/journal.sqlite"), key=os.path.getmtime):
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            row = database.execute("SELECT command FROM about").fetchone()
        database.close()
        found.append((file.parent.name, row[0] if row else ""))
    return found
