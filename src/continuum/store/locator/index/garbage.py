"""What lies in a store and nothing points at any more: handed to the gateway of that store's site.

An item is due at an instant (after the grace, so that reads under way finish). A claim moves that instant a
minute on, so what a gateway that died had claimed is offered again. Numbers are never used twice, so a late
report cannot end another item.
"""

from sqlalchemy import bindparam, delete, insert, literal, select, update

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.sessions import find_store_of, has_ended
from continuum.store.locator.messages import (
    DiscardObject,
    FilterOrphans,
    Garbage,
    GarbageItem,
    Orphans,
)
from continuum.store.locator.schema import garbage, replicas, uploads

_ONE = literal(1)

_AT_THIS_KEY = (
    garbage.c.store == bindparam("store"),
    garbage.c.physical_bucket == bindparam("bucket"),
    garbage.c.physical_key == bindparam("key"),
)
FIND_DISCARDED = Statement(
    select(_ONE).where(
        *_AT_THIS_KEY, garbage.c.store_upload_id == bindparam("store_upload_id"), garbage.c.is_prefix == 0
    )
)
INSERT_GARBAGE = Statement(
    insert(garbage).values(
        {column.name: bindparam(column.name) for column in garbage.c if column.name != "number"}
    )
)
LIST_DUE = Statement(
    select(
        garbage.c.number,
        garbage.c.physical_bucket,
        garbage.c.physical_key,
        garbage.c.store_upload_id,
        garbage.c.is_prefix,
    )
    .where(garbage.c.store == bindparam("store"), garbage.c.due_at <= bindparam("now"))
    .order_by(garbage.c.due_at)
    .limit(bindparam("limit"))
)
HAS_DUE = Statement(
    select(_ONE)
    .where(garbage.c.store == bindparam("store"), garbage.c.due_at <= bindparam("now"))
    .limit(_ONE)
)
CLAIM = Statement(
    update(garbage).where(garbage.c.number == bindparam("of_number")).values(due_at=bindparam("until"))
)
DELETE_ITEM = Statement(
    delete(garbage).where(
        garbage.c.number == bindparam("of_number"), garbage.c.store == bindparam("of_store")
    )
)
_REPLICA_AT = Statement(
    select(_ONE).where(
        replicas.c.store == bindparam("store"),
        replicas.c.physical_bucket == bindparam("bucket"),
        replicas.c.physical_key == bindparam("key"),
    )
)
_UPLOAD_AT = Statement(
    select(_ONE).where(
        uploads.c.store == bindparam("store"),
        uploads.c.physical_bucket == bindparam("bucket"),
        uploads.c.physical_key == bindparam("key"),
    )
)


def is_discarded(
    connection: Connection, store: str, bucket: str, key: str, store_upload_id: str = ""
) -> bool:
    """Whether the collector has been told to remove what is at this physical key."""
    row = connection.row(FIND_DISCARDED, store=store, bucket=bucket, key=key, store_upload_id=store_upload_id)
    return row is not None


def is_pointed_at(connection: Connection, store: str, bucket: str, key: str) -> bool:
    """Whether a replica or an upload has this physical key."""
    place = {"store": store, "bucket": bucket, "key": key}
    return bool(connection.row(_REPLICA_AT, **place) or connection.row(_UPLOAD_AT, **place))


def insert_garbage(
    connection: Connection,
    *,
    store: str,
    bucket: str,
    key: str,
    due_at: float,
    store_upload_id: str = "",
    is_prefix: bool = False,
) -> None:
    """Hand something to the collector of `store`."""
    connection.run(
        INSERT_GARBAGE,
        store=store,
        physical_bucket=bucket,
        physical_key=key,
        store_upload_id=store_upload_id,
        is_prefix=int(is_prefix),
        due_at=due_at,
    )


def discard_object(connection: Connection, request: DiscardObject, *, now: float, grace_s: float) -> None:
    """Take over bytes that a gateway could not remove, unless they were published after all."""
    place = (request.store, request.bucket, request.key)
    if is_pointed_at(connection, *place) or is_discarded(connection, *place, request.store_upload_id):
        return
    insert_garbage(
        connection,
        store=request.store,
        bucket=request.bucket,
        key=request.key,
        store_upload_id=request.store_upload_id,
        due_at=now + grace_s,
    )


def has_due(connection: Connection, store: str, *, now: float) -> bool:
    """Whether there is anything to claim; a read, so that asking in vain does not write."""
    return connection.row(HAS_DUE, store=store, now=now) is not None


def claim_garbage(connection: Connection, store: str, limit: int, *, now: float, claim_s: float) -> Garbage:
    """Give out what is due in a store."""
    rows = connection.rows(LIST_DUE, store=store, now=now, limit=limit)
    for row in rows:
        connection.run(CLAIM, of_number=row[0], until=now + claim_s)
    return Garbage(
        items=tuple(
            GarbageItem(
                item_id=number, bucket=bucket, key=key, store_upload_id=upload, is_prefix=bool(is_prefix)
            )
            for number, bucket, key, upload, is_prefix in rows
        )
    )


def report_garbage(connection: Connection, session_id: str, item_ids: tuple[int, ...]) -> None:
    """Forget items that are gone from the session's store."""
    store = find_store_of(connection, session_id)
    for item_id in item_ids:
        connection.run(DELETE_ITEM, of_number=item_id, of_store=store)


def filter_orphans(connection: Connection, request: FilterOrphans) -> Orphans:
    """Return which keys nothing points at and, their sessions having ended, nothing ever will.

    One snapshot: an upload that becomes a replica meanwhile is seen as one or the other. A key that no
    session of ours has made (an attached bucket's) is never an orphan, nor is one that waits for its own due
    instant.
    """
    with connection.reading():
        ended: dict[str, bool] = {}
        orphans = []
        for key in request.keys:
            session_id = key.partition("/")[0]
            if session_id not in ended:
                ended[session_id] = has_ended(connection, session_id)
            place = (request.store, request.bucket, key)
            if (
                ended[session_id]
                and not is_pointed_at(connection, *place)
                and not is_discarded(connection, *place)
            ):
                orphans.append(key)
    return Orphans(keys=tuple(orphans))
