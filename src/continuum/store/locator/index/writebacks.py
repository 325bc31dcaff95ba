"""Writes to attached buckets that are still to be brought to their objects' own names.

A write goes under a physical key like any other; in the same transaction it is noted here. A gateway of the
store's site then copies the current version to its own name (or removes that, after a deletion) and settles
the item. Settled items stay for a while, so that a scan whose page was listed before does not take what the
page says for a change from outside.
"""

from sqlalchemy import bindparam, delete, func, insert, literal, select, update

from continuum.model.attachments import read_attachment
from continuum.model.errors import ConflictError
from continuum.model.objects import Bucket, Replica, Setting
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import find_bucket
from continuum.store.locator.index.versions import find_current, insert_replica
from continuum.store.locator.messages import SettleWriteBack, WriteBack
from continuum.store.locator.schema import replicas, write_backs

REMEMBER_S = 900.0
RETRY_S = 5.0
NEVER = 1e18
_ONE = literal(1)

INSERT_WRITE_BACK = Statement(
    insert(write_backs).values(
        store=bindparam("store"),
        bucket=bindparam("bucket"),
        key=bindparam("key"),
        due_at=bindparam("due_at"),
        problem=literal(""),
    )
)
DELETE_WRITE_BACK = Statement(
    delete(write_backs).where(
        write_backs.c.bucket == bindparam("of_bucket"), write_backs.c.key == bindparam("of_key")
    )
)
HAS_DUE = Statement(
    select(_ONE)
    .where(write_backs.c.store == bindparam("store"), write_backs.c.due_at <= bindparam("now"))
    .limit(_ONE)
)
LIST_DUE = Statement(
    select(write_backs.c.number, write_backs.c.bucket, write_backs.c.key)
    .where(write_backs.c.store == bindparam("store"), write_backs.c.due_at <= bindparam("now"))
    .order_by(write_backs.c.due_at)
    .limit(bindparam("limit"))
)
SET_DUE = Statement(
    update(write_backs)
    .where(write_backs.c.number == bindparam("of_number"))
    .values(due_at=bindparam("to_due_at"), done_at=bindparam("to_done_at"), problem=bindparam("to_problem"))
)
FIND_ITEM = Statement(
    select(write_backs.c.bucket, write_backs.c.key).where(write_backs.c.number == bindparam("number"))
)
FIND_BY_KEY = Statement(
    select(write_backs.c.done_at).where(
        write_backs.c.bucket == bindparam("bucket"), write_backs.c.key == bindparam("key")
    )
)
COUNT_WAITING = Statement(
    select(func.count(), func.max(write_backs.c.problem)).where(
        write_backs.c.bucket == bindparam("bucket"), write_backs.c.done_at.is_(None)
    )
)
PURGE_DONE = Statement(delete(write_backs).where(write_backs.c.done_at < bindparam("before")))
DELETE_REPLICA_AT = Statement(
    delete(replicas).where(
        replicas.c.store == bindparam("of_store"),
        replicas.c.physical_bucket == bindparam("of_bucket"),
        replicas.c.physical_key == bindparam("of_key"),
    )
)


def note_write_back(connection: Connection, bucket: Bucket, key: str, *, now: float) -> None:
    """Note that an object of an attached bucket changed. Raises `ConflictError` while it is detached."""
    attachment = read_attachment(bucket.settings.get(Setting.ATTACHMENT))
    if attachment is None:
        return
    if attachment.is_detaching:
        raise ConflictError(f"the bucket {bucket.name!r} is being detached", hint="write elsewhere")
    connection.run(DELETE_WRITE_BACK, of_bucket=bucket.name, of_key=key)
    connection.run(INSERT_WRITE_BACK, store=attachment.store, bucket=bucket.name, key=key, due_at=now)


def has_due_write_back(connection: Connection, store: str, *, now: float) -> bool:
    """Whether there is anything to claim."""
    return connection.row(HAS_DUE, store=store, now=now) is not None


def claim_write_backs(
    connection: Connection, store: str, limit: int, *, now: float, claim_s: float
) -> list[WriteBack]:
    """Give out what is due in a store."""
    connection.run(PURGE_DONE, before=now - REMEMBER_S)
    claimed = []
    for number, name, key in connection.rows(LIST_DUE, store=store, now=now, limit=limit):
        connection.run(SET_DUE, of_number=number, to_due_at=now + claim_s, to_done_at=None, to_problem="")
        bucket = find_bucket(connection, name)
        attachment = read_attachment(bucket.settings.get(Setting.ATTACHMENT)) if bucket else None
        if attachment is not None:
            claimed.append(
                WriteBack(
                    item_id=number,
                    bucket=name,
                    key=key,
                    store=attachment.store,
                    physical_bucket=attachment.bucket,
                    physical_key=attachment.own_name(key),
                )
            )
    return claimed


def settle_write_back(connection: Connection, request: SettleWriteBack, *, now: float) -> None:
    """Note what was done. If the object changed meanwhile the item is another one, and nothing is noted."""
    item = connection.row(FIND_ITEM, number=request.item_id)
    if item is None:
        return
    if request.problem:
        _put_off(connection, request, now=now)
        return
    name, key = item
    bucket = find_bucket(connection, name)
    attachment = read_attachment(bucket.settings.get(Setting.ATTACHMENT)) if bucket else None
    if attachment is not None:
        place = Replica(
            store=attachment.store,
            bucket=attachment.bucket,
            key=attachment.own_name(key),
            created_at=now,
            etag=request.etag,
        )
        connection.run(DELETE_REPLICA_AT, of_store=place.store, of_bucket=place.bucket, of_key=place.key)
        current = find_current(connection, name, key)
        if request.version_id and current is not None and current.version.version_id == request.version_id:
            insert_replica(connection, current.number, place)
    connection.run(SET_DUE, of_number=request.item_id, to_due_at=NEVER, to_done_at=now, to_problem="")


def _put_off(connection: Connection, request: SettleWriteBack, *, now: float) -> None:
    connection.run(
        SET_DUE,
        of_number=request.item_id,
        to_due_at=now + RETRY_S,
        to_done_at=None,
        to_problem=request.problem[:500],
    )


def is_being_written(connection: Connection, bucket: str, key: str, *, since: float) -> bool:
    """Whether a write through a gateway waits for its own name, or came there at or after `since`."""
    row = connection.row(FIND_BY_KEY, bucket=bucket, key=key)
    return row is not None and (row[0] is None or row[0] >= since)


def count_waiting(connection: Connection, bucket: str) -> tuple[int, str]:
    """Return how many writes wait for their own names, and why one of them does."""
    row = connection.row(COUNT_WAITING, bucket=bucket)
    return (row[0], row[1] or "") if row else (0, "")
