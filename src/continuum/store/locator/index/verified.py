"""Copies that were found bad: marked, so that nobody reads them, and replaced.

A bad copy keeps its row: its physical key stays known, so that nothing collects what might yet be salvaged
of the last copy of something.
"""

import msgspec
from sqlalchemy import bindparam, delete, select, update

from continuum.model.errors import ConflictError
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.garbage import insert_garbage
from continuum.store.locator.index.sessions import require_session
from continuum.store.locator.index.versions import find_by_id, insert_replica
from continuum.store.locator.messages import Marked, MarkReplicas, NoSuchKeyError, ReplaceReplica
from continuum.store.locator.schema import replicas, versions

_AT = (
    replicas.c.store == bindparam("of_store"),
    replicas.c.physical_bucket == bindparam("of_bucket"),
    replicas.c.physical_key == bindparam("of_key"),
)
SET_BAD = Statement(update(replicas).where(*_AT).values(bad_at=bindparam("to_bad_at")))
FIND_BAD = Statement(
    select(replicas.c.physical_bucket, replicas.c.physical_key, replicas.c.bad_at).where(
        replicas.c.version == bindparam("version"), replicas.c.store == bindparam("store")
    )
)
DELETE_REPLICA = Statement(
    delete(replicas).where(
        replicas.c.version == bindparam("of_version"), replicas.c.store == bindparam("of_store")
    )
)
FIND_OBJECT_AT = Statement(
    select(versions.c.bucket, versions.c.key)
    .join_from(replicas, versions, versions.c.number == replicas.c.version)
    .where(
        replicas.c.store == bindparam("store"),
        replicas.c.physical_bucket == bindparam("bucket"),
        replicas.c.physical_key == bindparam("key"),
    )
)


def mark_replicas(
    connection: Connection, request: MarkReplicas, *, now: float
) -> tuple[Marked, list[tuple[str, str]]]:
    """Mark copies; return those that the index speaks of, and which objects they are copies of."""
    require_session(connection, request.session_id)
    place = {"of_store": request.store, "of_bucket": request.bucket}
    for key in request.good:
        connection.run(SET_BAD, **place, of_key=key, to_bad_at=None)
    marked = tuple(key for key in request.bad if connection.run(SET_BAD, **place, of_key=key, to_bad_at=now))
    objects = [
        connection.row(FIND_OBJECT_AT, store=request.store, bucket=request.bucket, key=key)
        for key in (*marked, *request.good)
    ]
    return Marked(keys=marked), [(row[0], row[1]) for row in objects if row is not None]


def replace_replica(connection: Connection, request: ReplaceReplica, *, now: float, grace_s: float) -> None:
    """Put a new copy in the place of a bad one. Raises `NoSuchKeyError`, `ConflictError`."""
    require_session(connection, request.session_id)
    row = find_by_id(connection, request.version_id)
    if row is None or row.is_ended:
        raise NoSuchKeyError(f"{request.bucket}/{request.key} was replaced while it was repaired")
    replica = request.replica
    bad = connection.row(FIND_BAD, version=row.number, store=replica.store)
    if bad is not None:
        if bad[2] is None:
            raise ConflictError(f"{replica.store} has a good copy of {request.bucket}/{request.key} already")
        connection.run(DELETE_REPLICA, of_version=row.number, of_store=replica.store)
        insert_garbage(connection, store=replica.store, bucket=bad[0], key=bad[1], due_at=now + grace_s)
    insert_replica(connection, row.number, msgspec.structs.replace(replica, created_at=now))
