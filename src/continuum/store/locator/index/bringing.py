"""Queueing copies that a person asks for at a site; made, tried again and shown like those of policies."""

from continuum.model.errors import NotFoundError
from continuum.store.locator.database import Connection
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.placements import (
    FIND_COPY,
    INSERT_COPY,
    Places,
    find_continuum_policy,
    read_places,
)
from continuum.store.locator.index.versions import Row, find_current
from continuum.store.locator.messages import BringObjects, Brought


def bring_objects(connection: Connection, request: BringObjects, *, now: float) -> Brought:
    """Queue what is not there and does not wait yet. Raises `NoSuchBucketError`, `NotFoundError`."""
    require_bucket(connection, request.bucket)
    store = _find_store(read_places(connection, find_continuum_policy(connection)), request.site)
    queued = queued_bytes = waiting = present = gone = 0
    for key in request.keys:
        row = find_current(connection, request.bucket, key)
        if row is None or row.version.is_delete_marker:
            gone += 1
        elif any(replica.store == store for replica in row.version.replicas):
            present += 1
        elif connection.row(FIND_COPY, version_id=row.version.version_id, store=store):
            waiting += 1
        else:
            queued += 1
            queued_bytes += row.version.size_bytes
            if not request.only_count:
                _queue(connection, row, store, now=now)
    return Brought(
        store=store,
        queued=queued,
        queued_bytes=queued_bytes,
        waiting=waiting,
        present=present,
        gone=gone,
    )


def _find_store(places: Places, site: str) -> str:
    for each in places.stores:
        if each.site == site and each.is_own:
            return each.name
    sites = ", ".join(sorted({each.site for each in places.stores if each.is_own})) or "none"
    raise NotFoundError(f"no store of {site} takes copies", hint=f"sites with a store: {sites}")


def _queue(connection: Connection, row: Row, store: str, *, now: float) -> None:
    connection.run(
        INSERT_COPY,
        version_id=row.version.version_id,
        bucket=row.version.bucket,
        store=store,
        created_at=now,
        due_at=now,
        tries=0,
        problem="",
    )
