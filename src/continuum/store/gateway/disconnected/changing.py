"""Changes while the hub is away: made in the local index by the locator's own code, and noted in the
journal in the same transaction. What the gateway took for the newest version is noted with each, so that
the locator can tell later what it did not know of."""

from typing import Any

import msgspec

from continuum.model.objects import Bucket, Version
from continuum.store.gateway.disconnected import journals
from continuum.store.gateway.disconnected.indexes import Clock, clean
from continuum.store.locator.database import Connection
from continuum.store.locator.index import objects, uploads
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.versions import find_newest, find_version
from continuum.store.locator.messages import (
    AbortUpload,
    ChangeObject,
    Commit,
    CreateUpload,
    Delete,
    Deleted,
    JournalRecord,
    Upload,
)


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """Under which journal changes are made, and what is known of time."""

    journal_id: str
    clock: Clock
    max_records: int

    def note(
        self, connection: Connection, bucket: Bucket, base: str = "", at: float = 0.0, **change: Any
    ) -> None:
        """Note a change: the field of `JournalRecord` that says what changed."""
        record = JournalRecord(
            number=0,
            at=at or self.clock.now(),
            connected_until=self.clock.connected_until,
            bucket_owner=bucket.owner,
            bucket_created_at=bucket.created_at,
            base=base,
            **change,
        )
        journals.append(connection, self.journal_id, record, max_records=self.max_records)


def commit(connection: Connection, writing: Writing, request: Commit, upload: Upload | None) -> Version:
    """Publish a version here. `upload` is the one that it completes, if that was begun before."""
    place = request.version.bucket, request.version.key
    bucket = require_bucket(connection, request.version.bucket)
    if upload is not None:
        uploads.note_upload(connection, upload)
    base = _find_base(connection, *place)
    published = objects.commit(connection, request, now=writing.clock.now(), grace_s=0.0)
    writing.note(connection, bucket, base, published.modified_at, commit=request)
    clean(connection)
    return published


def delete(connection: Connection, writing: Writing, request: Delete) -> Deleted:
    """Delete here; each item that was not refused is noted."""
    bucket = require_bucket(connection, request.bucket)
    results = []
    for item in request.objects:
        base = _find_base(connection, request.bucket, item.key, item.version_id)
        one = msgspec.structs.replace(request, objects=(item,))
        result = objects.delete_objects(connection, one, now=writing.clock.now(), grace_s=0.0).results[0]
        results.append(result)
        if not result.error_code:
            writing.note(connection, bucket, base, deletion=one)
    clean(connection)
    return Deleted(results=tuple(results))


def change(connection: Connection, writing: Writing, request: ChangeObject) -> Version:
    """Change a version's attributes here."""
    bucket = require_bucket(connection, request.bucket)
    changed = objects.change_object(connection, request, now=writing.clock.now())
    writing.note(connection, bucket, changed.version_id, change=request)
    clean(connection)
    return changed


def create_upload(connection: Connection, writing: Writing, request: CreateUpload) -> Upload:
    """Note an upload here."""
    bucket = require_bucket(connection, request.upload.bucket)
    noted = uploads.create_upload(connection, request, now=writing.clock.now())
    writing.note(connection, bucket, upload=msgspec.structs.replace(request, upload=noted))
    return noted


def abort_upload(
    connection: Connection, writing: Writing, request: AbortUpload, upload: Upload | None
) -> None:
    """End an upload here."""
    bucket = require_bucket(connection, request.bucket)
    if upload is not None:
        uploads.note_upload(connection, upload)
    uploads.abort_upload(connection, request, now=writing.clock.now(), grace_s=0.0)
    writing.note(connection, bucket, abort=request)
    clean(connection)


def _find_base(connection: Connection, bucket: str, key: str, version_id: str = "") -> str:
    row = (
        find_version(connection, bucket, key, version_id)
        if version_id
        else find_newest(connection, bucket, key)
    )
    return row.version.version_id if row is not None else ""
