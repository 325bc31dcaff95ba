"""The gateway's own copy of the index: one SQLite file with the locator's tables, the journal beside them.

While the hub is away the gateway answers from it with the locator's own code, so that versions, lists,
conditions and locks are what they are otherwise. It holds the buckets that accept writes then, the current
version of each of their keys as far as they were learned, the stores, and the users who were here. Secrets
are sealed with a key file beside it. Several processes of a gateway share the file.

A file that cannot be read is moved aside, never removed: it may have a journal.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec
from sqlalchemy import bindparam, delete, select

from continuum.model.errors import ConflictError, ContinuumError, UnavailableError
from continuum.model.objects import Bucket, Store, User, Version
from continuum.store.gateway.disconnected import journals
from continuum.store.locator.database import Connection, Database, Statement
from continuum.store.locator.index.buckets import CHANGE_BUCKET, INSERT_BUCKET, find_bucket, list_buckets
from continuum.store.locator.index.documents import (
    drop_document,
    find_document,
    list_documents,
    put_document,
)
from continuum.store.locator.index.objects import DELETE_OBJECT, INSERT_OBJECT
from continuum.store.locator.index.sessions import list_stores, put_store
from continuum.store.locator.index.versions import (
    DELETE_REPLICAS,
    find_by_id,
    find_newest,
    insert_version,
)
from continuum.store.locator.reading import Reader
from continuum.store.locator.schema import (
    buckets,
    copies,
    garbage,
    objects,
    outbox,
    uploads,
    versions,
    write_backs,
)
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.writing import Writer

log = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

FILE = "known.sqlite"
KEY_FILE = "known.key"
CLOCK = "disconnected/clock"
USER = "disconnected/user/"
MAX_WAITING = 10_000
_NEWER = "a newer version"  # of this program made the file; that is for the newer one to read
_DAMAGED = (
    "malformed",
    "not a database",
    "corrupt",
    "no such",
    "could not decode",
    "unsupported file format",
)
_encode = msgspec.msgpack.Encoder().encode

LIST_KEYS = Statement(
    select(objects.c.key).where(
        objects.c.bucket == bindparam("bucket"),
        objects.c.key > bindparam("after"),
        objects.c.key <= bindparam("last"),
    )
)
LIST_ROWS = Statement(
    select(versions.c.number).where(
        versions.c.bucket == bindparam("bucket"),
        versions.c.key == bindparam("key"),
        versions.c.ended_at.is_(None),
    )
)
LIST_ALL_KEYS = Statement(
    select(versions.c.key).where(versions.c.bucket == bindparam("bucket"), versions.c.ended_at.is_(None))
)
DELETE_VERSION = Statement(delete(versions).where(versions.c.number == bindparam("version")))
DELETE_UPLOADS = Statement(delete(uploads).where(uploads.c.bucket == bindparam("of_bucket")))
DELETE_BUCKET = Statement(delete(buckets).where(buckets.c.name == bindparam("of_name")))
# What only the hub acts on; here it would gather.
_UNUSED = tuple(Statement(delete(table)) for table in (outbox, copies, write_backs, garbage))


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """The locator's clock as it was last heard of: how far it is ahead of the own one, and when (by its own)
    that was."""

    offset_s: float = 0.0
    connected_until: float = 0.0

    def now(self) -> float:
        """Return the instant by the locator's clock, as well as it is known."""
        return time.time() + self.offset_s


class LocalIndex:
    """`await open()`, then `read`, `write`; `await close()`."""

    def __init__(self, folder: Path, store: Store, gateway: str) -> None:
        self._folder = folder
        self._store = store
        self._gateway = gateway
        self._database: Database
        self._reader: Reader
        self._writer: Writer
        self.sealer: Sealer
        self.is_open = False

    @property
    def exists(self) -> bool:
        """Whether something was kept before."""
        return (self._folder / FILE).exists()

    async def open(self) -> None:
        """Open the file, made if it is not there. Raises `UnavailableError`, `ConflictError`."""
        await asyncio.to_thread(self._open)
        self._reader = Reader(self._database.connect, are_points_inline=True)
        self._writer = Writer(self._database.connect, max_waiting=MAX_WAITING)
        self._reader.start()
        self._writer.start()
        self.is_open = True

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self._folder / "opening.lock"):
            is_new = not self.exists
            try:
                self._open_database()
                self.sealer = Sealer.open(self._folder / KEY_FILE, is_new=is_new)
                self._check()
            except (ContinuumError, msgspec.MsgspecError, ValueError) as problem:
                self._database.close()
                if is_new or not _is_damaged(problem):
                    raise
                self._move_aside(problem)
                self.sealer = Sealer.open(self._folder / KEY_FILE, is_new=True)
                self._open_database()

    def _open_database(self) -> None:
        path = self._folder / FILE
        self._database = Database(f"sqlite:///{path}")
        try:
            self._database.open()
        except ConflictError as problem:
            if _NEWER in problem.message:
                raise
            # Another process of this gateway has the file open, and has made the tables.
        connection = self._database.connect()
        try:
            path.chmod(0o600)
            journals.make_tables(connection)
        finally:
            connection.close()

    def _check(self) -> None:
        """Read what must be whole: the journal, the buckets, the stores with their secrets."""
        connection = self._database.connect()
        try:
            journals.measure(connection)
            list_buckets(connection, "")
            list_stores(connection, self.sealer)
        finally:
            connection.close()

    def _move_aside(self, problem: Exception) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S")
        log.error(
            "%s is damaged (%s); it is kept as %s.damaged-%s and a new one is made",
            self._folder / FILE,
            problem,
            FILE,
            stamp,
        )
        for suffix in ("", "-wal", "-shm"):
            found = self._folder / f"{FILE}{suffix}"
            if found.exists():
                found.rename(self._folder / f"{FILE}.damaged-{stamp}{suffix}")

    async def point(
        self,
        read: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Read a few rows."""
        return await self._reader.point(read, *args, **settings)

    async def scan(
        self,
        read: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Read many rows."""
        return await self._reader.scan(read, *args, **settings)

    async def write(
        self,
        change: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Change something; it is on the disk when this returns."""
        return await self._writer.write(change, *args, **settings)

    async def open_journal(self, now: float) -> str:
        """Return the id of the open journal, a new one if there is none."""
        found = await self.point(journals.find_current)
        if found:
            return found
        return await self.write(journals.open_current, self.sealer, self._store, self._gateway, now=now)

    async def close(self) -> None:
        """Finish what waits and close the file."""
        if self.is_open:
            self.is_open = False
            await self._writer.stop()
            await self._reader.stop()
            self._database.close()


def _is_damaged(problem: Exception) -> bool:
    """Whether a file that cannot be read never will be; a full or busy disk is another matter."""
    if isinstance(problem, UnavailableError):
        return any(word in str(problem) for word in _DAMAGED)
    return _NEWER not in str(problem)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# ---- what is kept ----


def put_bucket(connection: Connection, bucket: Bucket) -> None:
    """Keep a bucket as it is now; one of the same name that was there before is forgotten first."""
    present = find_bucket(connection, bucket.name)
    if present == bucket:
        return
    if present is not None and (present.owner, present.created_at) != (bucket.owner, bucket.created_at):
        drop_bucket(connection, bucket.name)
        present = None
    if present is not None:
        # Its rows point at it, so it is changed, not replaced.
        connection.run(
            CHANGE_BUCKET,
            of_name=bucket.name,
            to_versioning=bucket.versioning.value,
            to_settings=_encode(bucket.settings),
        )
        return
    connection.run(
        INSERT_BUCKET,
        name=bucket.name,
        owner=bucket.owner,
        home=bucket.home,
        created_at=bucket.created_at,
        versioning=bucket.versioning.value,
        settings=_encode(bucket.settings),
    )


def drop_bucket(connection: Connection, name: str) -> None:
    """Forget a bucket and all in it."""
    for row in connection.rows(LIST_ALL_KEYS, bucket=name):
        drop_key(connection, name, row[0])
    connection.run(DELETE_UPLOADS, of_bucket=name)
    connection.run(DELETE_BUCKET, of_name=name)


def drop_key(connection: Connection, bucket: str, key: str) -> None:
    """Forget a key with all its versions."""
    connection.run(DELETE_OBJECT, of_bucket=bucket, of_key=key)
    for row in connection.rows(LIST_ROWS, bucket=bucket, key=key):
        connection.run(DELETE_REPLICAS, version=row[0])
        connection.run(DELETE_VERSION, version=row[0])


def put_version(connection: Connection, version: Version, stores: frozenset[str]) -> None:
    """Keep the current version of a key; replicas in stores that are not known are left out."""
    if find_bucket(connection, version.bucket) is None:
        return
    replicas = tuple(each for each in version.replicas if each.store in stores)
    version = msgspec.structs.replace(version, replicas=replicas)
    present = find_newest(connection, version.bucket, version.key)
    if present is not None and present.version == version:
        return
    elsewhere = find_by_id(connection, version.version_id)
    if elsewhere is not None:  # it was renamed, or ended here
        drop_key(connection, elsewhere.version.bucket, elsewhere.version.key)
        connection.run(DELETE_REPLICAS, version=elsewhere.number)
        connection.run(DELETE_VERSION, version=elsewhere.number)
    drop_key(connection, version.bucket, version.key)
    if not version.is_delete_marker:
        number = insert_version(connection, version)
        connection.run(INSERT_OBJECT, bucket=version.bucket, key=version.key, version=number)


def put_page(
    connection: Connection,
    bucket: str,
    versions_of_page: tuple[Version, ...],
    stores: frozenset[str],
    *,
    after: str,
    last: str,
    skipped: frozenset[str],
) -> None:
    """Keep a page of a bucket, all keys after `after` and up to `last`: what is not in it is not there.
    Keys in `skipped` changed since the page was made."""
    for version in versions_of_page:
        if version.key not in skipped:
            put_version(connection, version, stores)
    there = {version.key for version in versions_of_page} | skipped
    for row in connection.rows(LIST_KEYS, bucket=bucket, after=after, last=last):
        if row[0] not in there:
            drop_key(connection, bucket, row[0])


def put_stores(connection: Connection, sealer: Sealer, stores: tuple[Store, ...]) -> None:
    """Keep the stores as they are now."""
    for store in stores:
        put_store(connection, sealer, store)


def put_user(connection: Connection, sealer: Sealer, user: User) -> None:
    """Keep a user by one of their keys, sealed."""
    name = USER + user.access_key
    put_document(connection, name, sealer.seal(msgspec.json.encode(user).decode(), name))


def drop_user(connection: Connection, access_key: str) -> None:
    """Forget a user's key."""
    drop_document(connection, USER + access_key)


def list_users(connection: Connection, sealer: Sealer) -> dict[str, User]:
    """Return the users who are kept, by access key."""
    sealed_users = list_documents(connection, USER)
    users = [msgspec.json.decode(sealer.unseal(sealed, name), type=User) for name, sealed in sealed_users]
    return {user.access_key: user for user in users}


def put_clock(connection: Connection, clock: Clock) -> None:
    """Keep what is known of the locator's clock."""
    put_document(connection, CLOCK, _encode(clock))


def find_clock(connection: Connection) -> Clock:
    """Return what is known of the locator's clock."""
    document = find_document(connection, CLOCK)
    return msgspec.msgpack.decode(document, type=Clock) if document is not None else Clock()


def clean(connection: Connection) -> None:
    """Forget what changes leave for the hub to act on; it will, when they are replayed."""
    for statement in _UNUSED:
        connection.run(statement)
