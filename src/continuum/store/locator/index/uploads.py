"""Multipart uploads: begun, found, completed by a commit, aborted, aborted when idle."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.objects import Attributes, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.garbage import insert_garbage, is_discarded
from continuum.store.locator.index.sessions import require_session
from continuum.store.locator.messages import AbortUpload, CreateUpload, GetUpload, NoSuchUploadError, Upload
from continuum.store.locator.schema import uploads


class Details(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an upload in one value."""

    headers: dict[str, str]
    metadata: dict[str, str]
    checksum_algorithm: str
    checksum_type: str
    encryption: bytes = b""
    attributes: Attributes = Attributes()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Details).decode

UPLOAD_COLUMNS = (
    uploads.c.upload_id,
    uploads.c.bucket,
    uploads.c.key,
    uploads.c.initiator,
    uploads.c.created_at,
    uploads.c.store,
    uploads.c.physical_bucket,
    uploads.c.physical_key,
    uploads.c.store_upload_id,
    uploads.c.details,
)
FIND_UPLOAD = Statement(
    select(*UPLOAD_COLUMNS, uploads.c.touched_at).where(uploads.c.upload_id == bindparam("upload_id"))
)
INSERT_UPLOAD = Statement(insert(uploads))
DELETE_UPLOAD = Statement(delete(uploads).where(uploads.c.upload_id == bindparam("of_upload_id")))
TOUCH_UPLOAD = Statement(
    update(uploads).where(uploads.c.upload_id == bindparam("of_upload_id")).values(touched_at=bindparam("at"))
)
LIST_IDLE = Statement(
    select(*UPLOAD_COLUMNS)
    .where(uploads.c.touched_at < bindparam("before"))
    .order_by(uploads.c.touched_at)
    .limit(bindparam("limit"))
)


def create_upload(connection: Connection, request: CreateUpload, *, now: float) -> Upload:
    """Note an upload that was begun at its store; the same id again gives the same answer."""
    upload = request.upload
    present = _find(connection, upload.upload_id)
    if present is not None:
        if (present.bucket, present.key) != (upload.bucket, upload.key):
            raise ConflictError("the upload id belongs to another upload")
        return present
    require_session(connection, request.session_id)
    require_bucket(connection, upload.bucket)
    if not upload.physical_key.startswith(f"{request.session_id}/"):
        raise InvalidInputError("the physical key does not begin with the session's id")
    if is_discarded(
        connection, upload.store, upload.physical_bucket, upload.physical_key, upload.store_upload_id
    ):
        raise ConflictError("the upload was discarded before it was noted")
    published = msgspec.structs.replace(upload, created_at=now)
    _insert(connection, published)
    return published


def note_upload(connection: Connection, upload: Upload) -> None:
    """Note an upload that was begun before; one that is noted stays as it is."""
    if _find(connection, upload.upload_id) is None:
        _insert(connection, upload)


def get_upload(connection: Connection, request: GetUpload) -> tuple[Upload, float]:
    """Return an upload and when it was last touched. Raises `NoSuchUploadError`."""
    row = connection.row(FIND_UPLOAD, upload_id=request.upload_id)
    upload = to_upload(row[:-1]) if row else None
    if row is None or upload is None or (upload.bucket, upload.key) != (request.bucket, request.key):
        raise _no_such_upload(request.upload_id)
    return upload, row[-1]


def touch_upload(connection: Connection, upload_id: str, *, now: float) -> None:
    """Note that somebody works on an upload."""
    connection.run(TOUCH_UPLOAD, of_upload_id=upload_id, at=now)


def complete(connection: Connection, upload_id: str, version: Version) -> None:
    """End the upload that `version` completes; part of a commit. Raises `NoSuchUploadError`."""
    upload = _find(connection, upload_id)
    if upload is None or (upload.bucket, upload.key) != (version.bucket, version.key):
        raise _no_such_upload(upload_id)
    replica = version.replicas[0]
    if (replica.store, replica.bucket, replica.key) != (
        upload.store,
        upload.physical_bucket,
        upload.physical_key,
    ):
        raise InvalidInputError("the completed object is not where its upload was")
    connection.run(DELETE_UPLOAD, of_upload_id=upload_id)


def abort_upload(connection: Connection, request: AbortUpload, *, now: float, grace_s: float) -> None:
    """End an upload; what it left becomes garbage. Raises `NoSuchUploadError`."""
    require_session(connection, request.session_id)
    upload = _find(connection, request.upload_id)
    if upload is None or (upload.bucket, upload.key) != (request.bucket, request.key):
        raise _no_such_upload(request.upload_id)
    _abort(connection, upload, now=now, grace_s=grace_s)


def abort_idle_uploads(
    connection: Connection, *, before: float, limit: int, now: float, grace_s: float
) -> tuple[Upload, ...]:
    """Abort uploads that nobody touched since `before`; return them."""
    idle = tuple(map(to_upload, connection.rows(LIST_IDLE, before=before, limit=limit)))
    for upload in idle:
        _abort(connection, upload, now=now, grace_s=grace_s)
    return idle


def end_upload(
    connection: Connection, upload_id: str, is_due: Callable[[Upload], bool], *, now: float, grace_s: float
) -> bool:
    """Abort an upload if it is there and due; tell whether it was."""
    upload = _find(connection, upload_id)
    if upload is None or not is_due(upload):
        return False
    _abort(connection, upload, now=now, grace_s=grace_s)
    return True


def _abort(connection: Connection, upload: Upload, *, now: float, grace_s: float) -> None:
    """Hand both the parts and the object to the collector: the store may have completed it already."""
    connection.run(DELETE_UPLOAD, of_upload_id=upload.upload_id)
    for store_upload_id in (upload.store_upload_id, ""):
        insert_garbage(
            connection,
            store=upload.store,
            bucket=upload.physical_bucket,
            key=upload.physical_key,
            store_upload_id=store_upload_id,
            due_at=now + grace_s,
        )


def to_upload(row: tuple[Any, ...]) -> Upload:
    """Return the upload in a row of `UPLOAD_COLUMNS`."""
    more = _decode(row[9])
    return Upload(
        upload_id=row[0],
        bucket=row[1],
        key=row[2],
        initiator=row[3],
        created_at=row[4],
        store=row[5],
        physical_bucket=row[6],
        physical_key=row[7],
        store_upload_id=row[8],
        headers=more.headers,
        metadata=more.metadata,
        checksum_algorithm=more.checksum_algorithm,
        checksum_type=more.checksum_type,
        encryption=more.encryption,
        attributes=more.attributes,
    )


def _find(connection: Connection, upload_id: str) -> Upload | None:
    row = connection.row(FIND_UPLOAD, upload_id=upload_id)
    return to_upload(row[:-1]) if row else None


def _insert(connection: Connection, upload: Upload) -> None:
    details = Details(
        upload.headers,
        upload.metadata,
        upload.checksum_algorithm,
        upload.checksum_type,
        upload.encryption,
        upload.attributes,
    )
    connection.run(
        INSERT_UPLOAD,
        upload_id=upload.upload_id,
        bucket=upload.bucket,
        key=upload.key,
        initiator=upload.initiator,
        created_at=upload.created_at,
        touched_at=upload.created_at,
        store=upload.store,
        physical_bucket=upload.physical_bucket,
        physical_key=upload.physical_key,
        store_upload_id=upload.store_upload_id,
        details=_encode(details),
    )


def _no_such_upload(upload_id: str) -> NoSuchUploadError:
    return NoSuchUploadError(
        f"there is no multipart upload {upload_id!r}", hint="it was completed or aborted"
    )
