"""What the index has at physical keys of a store: the other half of a page of the store's list."""

from typing import Any

from sqlalchemy import bindparam, select

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.versions import decode_details
from continuum.store.locator.messages import FindIndexed, Indexed, IndexedReplica
from continuum.store.locator.schema import replicas, versions

MAX_INDEXED = 5000

_AT = (replicas.c.store == bindparam("store"), replicas.c.physical_bucket == bindparam("bucket"))
_INDEXED = select(
    replicas.c.physical_key,
    versions.c.bucket,
    versions.c.key,
    versions.c.version_id,
    versions.c.etag,
    replicas.c.etag,
    versions.c.size_bytes,
    replicas.c.created_at,
    replicas.c.bad_at,
    versions.c.details,
).join_from(replicas, versions, versions.c.number == replicas.c.version)
FIND_INDEXED_AT = Statement(_INDEXED.where(*_AT, replicas.c.physical_key == bindparam("key")))
LIST_INDEXED = Statement(
    _INDEXED.where(
        *_AT,
        replicas.c.physical_key > bindparam("after"),
        replicas.c.physical_key <= bindparam("until"),
    )
    .order_by(replicas.c.physical_key)
    .limit(bindparam("limit"))
)
LIST_INDEXED_TO_END = Statement(
    _INDEXED.where(*_AT, replicas.c.physical_key > bindparam("after"))
    .order_by(replicas.c.physical_key)
    .limit(bindparam("limit"))
)


def find_indexed(connection: Connection, request: FindIndexed) -> Indexed:
    """Return what the index has at some physical keys and in a range of them."""
    place = {"store": request.store, "bucket": request.bucket}
    limits = place | {"after": request.after, "limit": MAX_INDEXED}
    rows: list[tuple[Any, ...]] = []
    if not request.until:
        rows = connection.rows(LIST_INDEXED_TO_END, **limits)
    elif request.after.encode() < request.until.encode():
        rows = connection.rows(LIST_INDEXED, **limits, until=request.until)
    next_after = rows[-1][0] if len(rows) == MAX_INDEXED else ""
    present = {row[0] for row in rows}
    for key in request.keys:
        if key not in present:
            rows += connection.rows(FIND_INDEXED_AT, **place, key=key)
    return Indexed(replicas=tuple(_indexed(row) for row in rows), next_after=next_after)


def _indexed(row: tuple[Any, ...]) -> IndexedReplica:
    values = [*row[:8], row[8] is not None, decode_details(row[9]).encryption != b""]
    return IndexedReplica(**dict(zip(IndexedReplica.__struct_fields__, values, strict=True)))
