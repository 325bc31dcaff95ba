"""Backups of the index while hubs use it, and the way back.

A backup is one SQLite file, whatever database the index is in: the tables of one instant, as after the last
migration of the version that made it, and a table `backup` that says when. So it can be looked into, and an
index moves from SQLite to PostgreSQL (or back) as a backup and a restore.

From SQLite pages are copied by its own backup interface under one read transaction: writers go on, and what
they write is not in the copy. From PostgreSQL rows are read in one `REPEATABLE READ` transaction. The file
gets its name when it is whole, on the disk, and SQLite's integrity check found nothing.

A restore is refused while a hub uses the database, and over one that is not empty unless it is to be
replaced. Every session of the backup is ended, without searching its store: what was written after the backup
lies there, and nobody may take it for garbage. What the index and the stores do not agree on afterwards is
`continuum store verify`'s to say: objects written since are in no list, and those replaced since are listed
without their bytes, if the stores kept replaced bytes for a shorter time (`grace_s`).

The secrets in it are sealed; the hub's key file is not part of a backup.
"""

# ruff: noqa: S608 -- the names of tables and columns in SQL are the schema's

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from sqlalchemy import Table

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.store.locator.database import Connection, Database, IndexUnavailableError
from continuum.store.locator.schema import metadata

PAGES = 2048  # copied at once: 8 MiB
ROWS = 10_000
FORMAT = 1
_KEPT_OUT = frozenset({"hubs"})  # who serves the database now
_SAYS = "CREATE TABLE backup (format INTEGER NOT NULL, created_at REAL NOT NULL)"
_NO_LIMITS = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
_COUNTED = "SELECT (SELECT count(*) FROM buckets), (SELECT coalesce(sum(objects), 0) FROM counts)"

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


class IndexBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds, and when it was taken."""

    created_at: float
    buckets: int
    objects: int
    size_bytes: int


def back_up_index(url: str, target: Path, report: Report) -> IndexBackup:
    """Write a backup of the database at `url`. Raises `ConflictError` if there is such a file already."""
    if target.exists():
        raise ConflictError(f"{target} exists", hint="choose another name; backups are never overwritten")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    database = Database(url)
    created_at = time.time()
    try:
        with _translated(f"{part} cannot be written"):
            part.touch(mode=0o600)
            if database.is_sqlite:
                _copy_pages(database.path, part, report)
            else:
                _dump_rows(database, part, report)
            _sign(part, created_at)
            _check(part, report)
            _flush(part)
            part.rename(target)
            _flush(target.parent)
    finally:
        part.unlink(missing_ok=True)
        database.close()
    return read_backup(target)


def read_backup(path: Path) -> IndexBackup:
    """Return what a backup holds. Raises `InvalidInputError` if the file is none."""
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    try:
        with _opened(path, "mode=ro") as connection:
            form, created_at = connection.execute("SELECT format, created_at FROM backup").fetchone()
            buckets, objects = connection.execute(_COUNTED).fetchone()
    except (sqlite3.Error, TypeError) as problem:
        raise InvalidInputError(f"{path} is no backup: {problem}") from problem
    if form != FORMAT:
        raise InvalidInputError(f"{path} is of another format", hint="it was made by a newer version")
    return IndexBackup(
        created_at=created_at, buckets=buckets, objects=objects, size_bytes=path.stat().st_size
    )


def restore_index(path: Path, url: str, report: Report, *, is_replacing: bool = False) -> IndexBackup:
    """Make the database at `url` what the backup holds.

    Raises `ConflictError` if a hub uses it, or if there is something in it and it is not to be replaced.
    """
    found = read_backup(path)
    _check(path, report)
    database = Database(url)
    try:
        if database.is_sqlite:
            _restore_file(path, database, report, is_replacing=is_replacing)
        else:
            _restore_rows(path, database, report, is_replacing=is_replacing)
    finally:
        database.close()
    return found


# ---- from and to SQLite ----


def _copy_pages(source: Path, target: Path, report: Report) -> None:
    with _opened(source, "mode=rw") as origin, _opened(target, "mode=rw") as copy:
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on one instant
        origin.backup(
            copy, pages=PAGES, progress=lambda _, left, total: report("copying pages", total - left, total)
        )
        origin.execute("COMMIT")
        copy.execute("PRAGMA journal_mode = DELETE")


def _restore_file(path: Path, database: Database, report: Report, *, is_replacing: bool) -> None:
    target = database.path
    with database.locked():
        if target.exists() and not is_replacing:
            raise _not_empty(str(target))
        part = target.with_name(target.name + ".part")
        with _translated(f"{target} cannot be written"):
            report("copying the file", 0, 1)
            part.unlink(missing_ok=True)
            shutil.copyfile(path, part)
            part.chmod(0o600)
            with _opened(part, "mode=rw") as connection:
                _settle(connection)
            _flush(part)
            _move_aside(target)
            part.rename(target)
            _flush(target.parent)
            report("copying the file", 1, 1)


def _settle(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE backup")
    connection.execute("UPDATE sessions SET ended_at = ? WHERE ended_at IS NULL", (time.time(),))
    connection.execute("DELETE FROM starts")  # no lease is out


def _move_aside(target: Path) -> None:
    """Keep what was there, beside: a restore that was a mistake can be undone."""
    mark = f".before-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    for path in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        if path.exists():
            path.rename(path.with_name(path.name.replace(target.name, target.name + mark, 1)))


def _sign(path: Path, created_at: float) -> None:
    with _opened(path, "mode=rw") as connection:
        connection.execute("DROP TABLE IF EXISTS backup")
        connection.execute(_SAYS)
        connection.execute("INSERT INTO backup VALUES (?, ?)", (FORMAT, created_at))
        connection.execute("DELETE FROM hubs")


def _check(path: Path, report: Report) -> None:
    report("checking", 0, 1)
    with _opened(path, "mode=ro") as connection:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise ConflictError(f"{path} is damaged: {said}")
    report("checking", 1, 1)


@contextlib.contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


# ---- from and to PostgreSQL ----


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in _KEPT_OUT]


def _quoted(table: Table) -> tuple[str, str]:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'"{table.name}"', columns


def _dump_rows(database: Database, target: Path, report: Report) -> None:
    copy = Database(f"sqlite:///{target}")
    copy.open()
    copy.close()
    target.with_name(f"{target.name}.lock").unlink(missing_ok=True)
    connection = database.connect()
    try:
        with _opened(target, "mode=rw") as output, connection.reading():
            connection.say(_NO_LIMITS)
            _check_version(connection, output)
            output.execute("PRAGMA journal_mode = OFF")
            output.execute("PRAGMA synchronous = OFF")
            output.execute("BEGIN")
            with _without_triggers(output):
                for number, table in enumerate(_tables()):
                    report(f"reading {table.name}", number, len(_tables()))
                    _dump_table(connection, output, table)
            _note_numbers(connection, output)
            output.execute("COMMIT")
            output.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()


def _dump_table(connection: Connection, output: sqlite3.Connection, table: Table) -> None:
    name, columns = _quoted(table)
    marks = ", ".join("?" for _ in table.columns)
    output.execute(f"DELETE FROM {name}")
    with connection.streaming(f"SELECT {columns} FROM {name}", ROWS) as pages:
        for page in pages:
            output.executemany(f"INSERT INTO {name} ({columns}) VALUES ({marks})", page)


@contextlib.contextmanager
def _without_triggers(output: sqlite3.Connection) -> Iterator[None]:
    found = output.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        output.execute(f'DROP TRIGGER "{name}"')
    yield
    for _, sql in found:
        output.execute(sql)


def _note_numbers(connection: Connection, output: sqlite3.Connection) -> None:
    """Numbers are never used twice, so how far they came is part of the index."""
    for table, sequence in _sequences(connection):
        used = connection.ask(f"SELECT last_value FROM {sequence} WHERE is_called")
        output.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        if used and metadata.tables[table].dialect_options["sqlite"]["autoincrement"]:
            output.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, used[0][0]))


def _sequences(connection: Connection) -> list[tuple[str, str]]:
    return [
        (table.name, sequence)
        for table in _tables()
        for column in table.primary_key.columns
        if column.name == "number"
        for ((sequence,),) in [connection.ask(f"SELECT pg_get_serial_sequence('{table.name}', 'number')")]
        if sequence
    ]


def _check_version(connection: Connection, other: sqlite3.Connection) -> None:
    ours = connection.ask("SELECT version_num FROM alembic_version")[0][0]
    theirs = other.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    if ours != theirs:
        raise ConflictError(
            f"the database is at step {ours}, this version at {theirs}",
            hint="start a hub of this version once, or use the version that the database is of",
        )


def _restore_rows(path: Path, database: Database, report: Report, *, is_replacing: bool) -> None:
    database.open()
    connection = database.connect()
    try:
        with _current(path) as newest, _opened(newest, "mode=ro") as origin, connection.writing():
            connection.say(_NO_LIMITS)
            if connection.ask("SELECT 1 FROM hubs WHERE expires_at > extract(epoch FROM now()) LIMIT 1"):
                raise ConflictError("a hub uses the database", hint="stop all hubs first")
            _make_room(connection, is_replacing=is_replacing)
            for number, table in enumerate(_tables()):
                report(f"writing {table.name}", number, len(_tables()))
                _load_table(connection, origin, table)
            _set_numbers(connection, origin)
            connection.say(
                "UPDATE sessions SET ended_at = extract(epoch FROM now()) WHERE ended_at IS NULL; "
                "DELETE FROM starts"
            )
        report("analyzing", 0, 1)
        connection.say("SET statement_timeout = 0")
        connection.say("ANALYZE")
    finally:
        connection.close()


@contextlib.contextmanager
def _current(path: Path) -> Iterator[Path]:
    """The backup with the tables of this version: itself, or a copy that was migrated."""
    working = path.with_name(f"{path.name}.migrated")
    try:
        shutil.copyfile(path, working)
        database = Database(f"sqlite:///{working}")
        database.open()
        database.close()
        yield working
    finally:
        for end in ("", "-wal", "-shm", ".lock"):
            working.with_name(working.name + end).unlink(missing_ok=True)


def _make_room(connection: Connection, *, is_replacing: bool) -> None:
    names = ", ".join(_quoted(table)[0] for table in metadata.sorted_tables)
    is_empty = not any(
        connection.ask(f"SELECT 1 FROM {name} LIMIT 1") for name in ("versions", "buckets", "users")
    )
    if not is_empty and not is_replacing:
        raise _not_empty("the database")
    connection.say(f"TRUNCATE {names} RESTART IDENTITY")


def _load_table(connection: Connection, origin: sqlite3.Connection, table: Table) -> None:
    name, columns = _quoted(table)
    connection.say(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    rows = origin.execute(f"SELECT {columns} FROM {name}")
    connection.load(f"COPY {name} ({columns}) FROM STDIN", rows)
    connection.say(f"ALTER TABLE {name} ENABLE TRIGGER USER")


def _set_numbers(connection: Connection, origin: sqlite3.Connection) -> None:
    noted = dict(origin.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table, sequence in _sequences(connection):
        greatest = connection.ask(f'SELECT coalesce(max(number), 0) FROM "{table}"')[0][0]
        last = max(int(greatest), int(noted.get(table, 0)))
        connection.ask(f"SELECT setval('{sequence}', {max(last, 1)}, {last > 0})")


# ---- files ----


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_empty(what: str) -> ConflictError:
    return ConflictError(f"{what} holds an index already", hint="--replace puts the backup in its place")


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as problem:
        raise IndexUnavailableError(f"{what}: {problem}") from problem
