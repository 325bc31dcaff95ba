"""How much is in buckets: read, never counted when asked; the database's triggers keep it (step 0011)."""

from sqlalchemy import bindparam, select

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import BucketCount, CountObjects, Counts
from continuum.store.locator.schema import buckets, counts

_COUNTS = select(
    buckets.c.name, counts.c.objects, counts.c.object_bytes, counts.c.versions, counts.c.version_bytes
).select_from(buckets.outerjoin(counts, counts.c.bucket == buckets.c.name))
LIST_ALL = Statement(_COUNTS.order_by(buckets.c.name))
FIND = Statement(_COUNTS.where(buckets.c.name == bindparam("bucket")))


def count_objects(connection: Connection, request: CountObjects) -> Counts:
    """Return what a bucket holds, or what all hold."""
    rows = connection.rows(FIND, bucket=request.bucket) if request.bucket else connection.rows(LIST_ALL)
    return Counts(
        counts=tuple(BucketCount(row[0], *(int(number or 0) for number in row[1:])) for row in rows)
    )
