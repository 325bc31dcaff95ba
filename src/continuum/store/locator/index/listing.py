"""Lists of objects and of uploads, page by page; the method is in `paging`."""

from collections.abc import Sequence

from sqlalchemy import Integer, bindparam, select, tuple_

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.paging import (
    MAX_PAGE,
    Position,
    Row,
    choose_start,
    collect,
    end_of_prefix,
    first_after,
)
from continuum.store.locator.index.uploads import UPLOAD_COLUMNS, to_upload
from continuum.store.locator.messages import ListObjects, ListUploads, ObjectEntry, ObjectPage, UploadPage
from continuum.store.locator.schema import objects, uploads, versions

LIST_OBJECTS = Statement(
    select(
        objects.c.key,
        versions.c.etag,
        versions.c.size_bytes,
        versions.c.modified_at,
        versions.c.version_id,
        versions.c.checksum_algorithm,
        versions.c.checksum_type,
    )
    .select_from(objects.join(versions, versions.c.number == objects.c.version))
    .where(
        objects.c.bucket == bindparam("bucket"),
        objects.c.key >= bindparam("start"),
        objects.c.key < bindparam("end"),
    )
    .order_by(objects.c.key)
    .limit(bindparam("count", type_=Integer))
)
LIST_UPLOADS = Statement(
    select(uploads.c.key, *UPLOAD_COLUMNS)
    .where(
        uploads.c.bucket == bindparam("bucket"),
        tuple_(uploads.c.key, uploads.c.upload_id) >= tuple_(bindparam("start"), bindparam("start_id")),
        uploads.c.key < bindparam("end"),
    )
    .order_by(uploads.c.key, uploads.c.upload_id)
    .limit(bindparam("count", type_=Integer))
)


def list_objects(connection: Connection, request: ListObjects) -> ObjectPage:
    """Return a page of a bucket's objects. Raises `NoSuchBucketError`."""
    end = end_of_prefix(request.prefix)

    def fetch(position: Position, count: int) -> Sequence[Row]:
        return connection.rows(LIST_OBJECTS, bucket=request.bucket, start=position[0], end=end, count=count)

    with connection.reading():
        require_bucket(connection, request.bucket)
        page = collect(
            fetch,
            lambda row: (first_after(row[0]), ""),
            prefix=request.prefix,
            delimiter=request.delimiter,
            start=(choose_start(request.prefix, request.delimiter, request.after), ""),
            limit=max(0, min(request.max_keys, MAX_PAGE)),
        )
    return ObjectPage(
        entries=tuple(ObjectEntry(*row) for row in page.rows),
        common_prefixes=page.common_prefixes,
        next_after=page.last[0] if page.is_truncated else "",
    )


def list_uploads(connection: Connection, request: ListUploads) -> UploadPage:
    """Return a page of a bucket's uploads by (key, upload id). Raises `NoSuchBucketError`."""
    end = end_of_prefix(request.prefix)

    def fetch(position: Position, count: int) -> Sequence[Row]:
        start, start_id = position
        return connection.rows(
            LIST_UPLOADS, bucket=request.bucket, start=start, start_id=start_id, end=end, count=count
        )

    with connection.reading():
        require_bucket(connection, request.bucket)
        page = collect(
            fetch,
            lambda row: (row[0], first_after(row[1])),
            prefix=request.prefix,
            delimiter=request.delimiter,
            start=_start_of_uploads(request),
            limit=max(0, min(request.max_uploads, MAX_PAGE)),
        )
    return UploadPage(
        uploads=tuple(to_upload(tuple(row[1:])) for row in page.rows),
        common_prefixes=page.common_prefixes,
        is_truncated=page.is_truncated,
        next_key_marker=page.last[0] if page.is_truncated else "",
        next_upload_id_marker=page.last[1] if page.is_truncated else "",
    )


def _start_of_uploads(request: ListUploads) -> Position:
    if request.upload_id_marker and request.key_marker >= request.prefix:
        return request.key_marker, first_after(request.upload_id_marker)
    return choose_start(request.prefix, request.delimiter, request.key_marker), ""
