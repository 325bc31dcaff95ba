"""Which buckets have lifecycle rules, and where the last run of each has come to."""

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from continuum.model.objects import Setting
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import find_bucket, list_buckets
from continuum.store.locator.messages import LifecycleCounts
from continuum.store.locator.schema import lifecycle_runs

FIND_RUN = Statement(select(lifecycle_runs).where(lifecycle_runs.c.bucket == bindparam("bucket")))
INSERT_RUN = Statement(insert(lifecycle_runs))
DELETE_RUN = Statement(delete(lifecycle_runs).where(lifecycle_runs.c.bucket == bindparam("of_bucket")))

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LifecycleCounts).decode


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on at `cursor`, or that ended at `finished_at` (0: there was none)."""

    bucket: str
    begun_at: float = 0.0
    finished_at: float = 0.0
    cursor: bytes = b""
    counts: LifecycleCounts = LifecycleCounts()


def list_runs(connection: Connection, *, now: float) -> tuple[Progress, ...]:
    """Return the buckets with lifecycle rules, each with its last run. A run from the future counts as
    none."""
    names = [
        bucket.name for bucket in list_buckets(connection, "").buckets if Setting.LIFECYCLE in bucket.settings
    ]
    found = (_find(connection, name) for name in names)
    return tuple(run if run.begun_at <= now else Progress(bucket=run.bucket) for run in found)


def _find(connection: Connection, bucket: str) -> Progress:
    row = connection.row(FIND_RUN, bucket=bucket)
    if row is None:
        return Progress(bucket=bucket)
    name, begun_at, finished_at, cursor, counts = row
    return Progress(
        bucket=name, begun_at=begun_at, finished_at=finished_at, cursor=cursor, counts=_decode(counts)
    )


def note_run(connection: Connection, run: Progress) -> None:
    """Note where a run has come to; nothing if its bucket is gone."""
    connection.run(DELETE_RUN, of_bucket=run.bucket)
    if find_bucket(connection, run.bucket) is not None:
        connection.run(
            INSERT_RUN,
            bucket=run.bucket,
            begun_at=run.begun_at,
            finished_at=run.finished_at,
            cursor=run.cursor,
            counts=_encode(run.counts),
        )
