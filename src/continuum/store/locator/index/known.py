"""Pages of the current versions of a bucket with all that is known of them, for gateways that keep a copy."""

from sqlalchemy import bindparam, select

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.versions import find_current
from continuum.store.locator.messages import KnownPage, ListKnown
from continuum.store.locator.schema import objects

LIST_KEYS = Statement(
    select(objects.c.key)
    .where(objects.c.bucket == bindparam("bucket"), objects.c.key > bindparam("after"))
    .order_by(objects.c.key)
    .limit(bindparam("limit"))
)


def list_known(connection: Connection, request: ListKnown) -> KnownPage:
    """Return a page, as of one instant. Raises `NoSuchBucketError`."""
    with connection.reading():
        require_bucket(connection, request.bucket)
        keys = [
            row[0]
            for row in connection.rows(
                LIST_KEYS, bucket=request.bucket, after=request.after, limit=request.limit
            )
        ]
        found = [find_current(connection, request.bucket, key) for key in keys]
    return KnownPage(
        versions=tuple(row.version for row in found if row is not None),
        next_after=keys[-1] if len(keys) == request.limit else "",
    )
