"""Lists of objects and of uploads, page by page; the method is in `paging`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, exists, or_, select, tuple_

from continuum.model.objects import NULL_VERSION
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
from continuum.store.locator.index.versions import find_by_id, find_version
from continuum.store.locator.messages import (
    ListObjects,
    ListUploads,
    ListVersions,
    ObjectEntry,
    ObjectPage,
    UploadPage,
    VersionEntry,
    VersionPage,
)
from continuum.store.locator.schema import objects, uploads, versions

NEWEST = 2**62  # greater than the number of every version

LIST_OBJECTS = Statement(
    select(
        objects.c.key,
        versions.c.etag,
        versions.c.size_bytes,
        versions.c.modified_at,
        versions.c.version_id,
        versions.c.checksum_algorithm,
        versions.c.checksum_type,
        versions.c.owner,
    )
    .select_from(objects.join(versions, versions.c.number == objects.c.version))
    .where(
        objects.c.bucket == bindparam("bucket"),
        objects.c.key >= bindparam("start"),
        objects.c.key < bindparam("end"),
    )
    .order_by(objects.c.key)
    .limit(bindparam("count", type_=BigInteger))
)
_NEWER = versions.alias("newer")
_BELOW = versions.c.number < bindparam("below", type_=BigInteger)


def select_page(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a query for a page of versions that did not end, by key and the newest first."""
    return (
        select(*columns)
        .where(
            versions.c.bucket == bindparam("bucket"),
            versions.c.ended_at.is_(None),
            versions.c.key >= bindparam("start"),
            versions.c.key < bindparam("end"),
            or_(versions.c.key > bindparam("start"), _BELOW),
        )
        .order_by(versions.c.key, versions.c.number.desc())
        .limit(bindparam("count", type_=BigInteger))
    )


LIST_VERSIONS = Statement(
    select_page(
        versions.c.key,
        versions.c.version_id,
        versions.c.number,
        versions.c.is_null,
        ~exists().where(
            _NEWER.c.bucket == versions.c.bucket,
            _NEWER.c.key == versions.c.key,
            _NEWER.c.number > versions.c.number,
            _NEWER.c.ended_at.is_(None),
        ),
        versions.c.is_delete_marker,
        versions.c.etag,
        versions.c.size_bytes,
        versions.c.modified_at,
        versions.c.owner,
        versions.c.checksum_algorithm,
        versions.c.checksum_type,
    )
)
LIST_UPLOADS = Statement(
    select(uploads.c.key, *UPLOAD_COLUMNS)
    .where(
        uploads.c.bucket == bindparam("bucket"),
        tuple_(uploads.c.key, uploads.c.upload_id) >= tuple_(bindparam("start"), bindparam("start_id")),
        uploads.c.key < bindparam("end"),
    )
    .order_by(uploads.c.key, uploads.c.upload_id)
    .limit(bindparam("count", type_=BigInteger))
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


def list_versions(connection: Connection, request: ListVersions) -> VersionPage:
    """Return a page of a bucket's versions by (key, newest first). Raises `NoSuchBucketError`."""
    end = end_of_prefix(request.prefix)

    def fetch(position: Position, count: int) -> Sequence[Row]:
        start, below = position
        return connection.rows(
            LIST_VERSIONS,
            bucket=request.bucket,
            start=start,
            below=int(below or NEWEST),
            end=end,
            count=count,
        )

    with connection.reading():
        require_bucket(connection, request.bucket)
        page = collect(
            fetch,
            lambda row: (row[0], str(row[2])),
            prefix=request.prefix,
            delimiter=request.delimiter,
            start=_start_of_versions(connection, request),
            limit=max(0, min(request.max_keys, MAX_PAGE)),
        )
    entries = tuple(_version_entry(row) for row in page.rows)
    is_inside = page.is_truncated and bool(entries) and page.last[0] == entries[-1].key
    return VersionPage(
        entries=entries,
        common_prefixes=page.common_prefixes,
        is_truncated=page.is_truncated,
        next_key_marker=page.last[0] if page.is_truncated else "",
        next_version_id_marker=entries[-1].version_id if is_inside else "",
    )


def _version_entry(row: Row) -> VersionEntry:
    key, version_id, _, is_null, is_latest, is_delete_marker, *rest = row
    return VersionEntry(
        key, NULL_VERSION if is_null else version_id, bool(is_latest), bool(is_delete_marker), *rest
    )


def _start_of_versions(connection: Connection, request: ListVersions) -> Position:
    if not request.version_id_marker or request.key_marker < request.prefix:
        return choose_start(request.prefix, request.delimiter, request.key_marker), ""
    if request.version_id_marker == NULL_VERSION:
        row = find_version(connection, request.bucket, request.key_marker, NULL_VERSION)
    else:
        row = find_by_id(connection, request.version_id_marker)  # it may have been removed since
    return request.key_marker, str(row.number) if row is not None else ""


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
