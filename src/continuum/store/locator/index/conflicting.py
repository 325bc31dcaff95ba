"""Keeping both of two versions that met: one beneath the other, or under a key of its own.

The history of a key is ordered by the numbers of rows, which only grow. To publish a version beneath others,
those are raised: their rows are written anew, with everything that belongs to them, and keep their ids.
"""

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from continuum.model.conflicts import name_conflict
from continuum.model.errors import ConflictError
from continuum.model.notifications import CREATED_COPY
from continuum.model.objects import Bucket, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.objects import DELETE_OBJECT, INSERT_OBJECT
from continuum.store.locator.index.outbox import note_version
from continuum.store.locator.index.versions import END_VERSION, Row, find_newest, insert_version
from continuum.store.locator.messages import Origin
from continuum.store.locator.schema import objects, replicas, versions

MAX_RAISED = 1000
MAX_NAMES = 1000

LIST_LATER = Statement(
    select(versions.c.number, versions.c.version_id)
    .where(
        versions.c.bucket == bindparam("bucket"),
        versions.c.key == bindparam("key"),
        versions.c.ended_at.is_(None),
        versions.c.modified_at > bindparam("at"),
        versions.c.number < bindparam("below"),
    )
    .order_by(versions.c.number)
    .limit(bindparam("count"))
)
_KEPT = [column for column in versions.c if column.name not in {"number", "version_id"}]
COPY_ROW = Statement(
    insert(versions)
    .from_select(
        ["version_id", *(column.name for column in _KEPT)],
        select(bindparam("to_version_id"), *_KEPT).where(versions.c.number == bindparam("of_number")),
    )
    .returning(versions.c.number)
)
MOVE_REPLICAS = Statement(
    update(replicas)
    .where(replicas.c.version == bindparam("of_number"))
    .values(version=bindparam("to_number"))
)
MOVE_OBJECT = Statement(
    update(objects).where(objects.c.version == bindparam("of_number")).values(version=bindparam("to_number"))
)
DELETE_ROW = Statement(delete(versions).where(versions.c.number == bindparam("of_number")))
NAME_ROW = Statement(
    update(versions)
    .where(versions.c.number == bindparam("of_number"))
    .values(version_id=bindparam("to_version_id"))
)
RENAME = Statement(
    update(versions).where(versions.c.number == bindparam("of_number")).values(key=bindparam("to_key"))
)


def insert_beneath(connection: Connection, version: Version, newest: Row) -> None:
    """Publish a version beneath all that are later than it, at least beneath the newest."""
    number = insert_version(connection, version)
    at = min(version.modified_at, newest.version.modified_at - 1e-9)
    later = connection.rows(
        LIST_LATER, bucket=version.bucket, key=version.key, at=at, below=number, count=MAX_RAISED + 1
    )
    if len(later) > MAX_RAISED:
        raise ConflictError(f"more than {MAX_RAISED} versions are later than this one")
    for row in later:
        _raise(connection, *row)


def _raise(connection: Connection, number: int, version_id: str) -> None:
    """Give a version a new row, above all others."""
    copied = connection.rows(COPY_ROW, of_number=number, to_version_id=f"{version_id}^")[0][0]
    connection.run(MOVE_REPLICAS, of_number=number, to_number=copied)
    connection.run(MOVE_OBJECT, of_number=number, to_number=copied)
    connection.run(END_VERSION, version=number, at=0.0)  # what ends is counted, what goes is not
    connection.run(DELETE_ROW, of_number=number)
    connection.run(NAME_ROW, of_number=copied, to_version_id=version_id)


def choose_name(connection: Connection, bucket: str, key: str, site: str, at: float) -> str:
    """Return a free key for one of two writes of `key`."""
    for number in range(1, MAX_NAMES):
        name = name_conflict(key, site, at, number)
        if find_newest(connection, bucket, name) is None:
            return name
    raise ConflictError(f"{key} has {MAX_NAMES} conflicts of one second")


def move_aside(connection: Connection, bucket: Bucket, row: Row, name: str, *, now: float) -> None:
    """Give the current version of a key another key; its bytes stay where they are."""
    connection.run(DELETE_OBJECT, of_bucket=bucket.name, of_key=row.version.key)
    connection.run(RENAME, of_number=row.number, to_key=name)
    connection.run(INSERT_OBJECT, bucket=bucket.name, key=name, version=row.number)
    moved = msgspec.structs.replace(row.version, key=name)
    note_version(connection, bucket, CREATED_COPY, moved, Origin(), now=now)
