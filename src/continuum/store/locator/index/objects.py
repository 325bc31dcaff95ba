"""Publishing, finding and deleting objects.

A commit is one transaction: it decides the preconditions against the current version, writes the new one,
moves the replaced one's replicas to the garbage and ends the upload that it completes. It carries its
version's id: the same id again finds what became of it, be it replaced since, and changes nothing.

Three checks keep the index and the bytes in step whatever is lost or late on the way. A commit is refused
when its session has ended (then the collector may be removing what the session left), when its bytes have
been handed to the collector (`DiscardObject` won the race), and when its physical key is neither the
session's own nor the upload's.
"""

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.objects import Replica, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index import uploads as uploading
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.garbage import is_discarded
from continuum.store.locator.index.sessions import require_session
from continuum.store.locator.index.versions import (
    Row,
    end_version,
    find_by_id,
    find_current,
    insert_replica,
    insert_version,
)
from continuum.store.locator.messages import (
    AddReplica,
    Commit,
    Delete,
    Deleted,
    DeleteItem,
    DeleteResult,
    Locate,
    Located,
    Location,
    LookUp,
    NoSuchKeyError,
    PreconditionFailedError,
)
from continuum.store.locator.schema import objects, replicas, stores, versions

NULL_VERSION = "null"  # S3's name for the only version in a bucket without versioning
STEP_S = 1e-6  # how much later than its predecessor a version is at least

INSERT_OBJECT = Statement(insert(objects))
UPDATE_OBJECT = Statement(
    update(objects)
    .where(objects.c.bucket == bindparam("of_bucket"), objects.c.key == bindparam("of_key"))
    .values(version=bindparam("to_version"))
)
DELETE_OBJECT = Statement(
    delete(objects).where(objects.c.bucket == bindparam("of_bucket"), objects.c.key == bindparam("of_key"))
)
LOCATE = Statement(
    select(versions.c.etag, versions.c.size_bytes, stores.c.site)
    .select_from(
        objects.join(versions, versions.c.number == objects.c.version)
        .outerjoin(replicas, replicas.c.version == versions.c.number)
        .outerjoin(stores, stores.c.name == replicas.c.store)
    )
    .where(objects.c.bucket == bindparam("bucket"), objects.c.key == bindparam("key"))
)


def look_up(connection: Connection, request: LookUp) -> Version:
    """Return the version asked for. Raises `NoSuchBucketError`, `NoSuchKeyError`."""
    row = find_current(connection, request.bucket, request.key)
    if row is None:
        require_bucket(connection, request.bucket)
        raise _no_such_key(request.bucket, request.key)
    if not _is_meant(request.version_id, row):
        raise NoSuchKeyError(f"{request.bucket}/{request.key} has no version {request.version_id!r}")
    return row.version


def locate(connection: Connection, request: Locate) -> Located:
    """Return where objects are, as of one instant each."""
    return Located(locations=tuple(_location(connection, bucket, key) for bucket, key in request.objects))


def _location(connection: Connection, bucket: str, key: str) -> Location:
    rows = connection.rows(LOCATE, bucket=bucket, key=key)
    if not rows:
        return Location(exists=False)
    sites = sorted({site for _, _, site in rows if site is not None})
    return Location(exists=True, etag=rows[0][0], size_bytes=rows[0][1], sites=tuple(sites))


def commit(connection: Connection, request: Commit, *, now: float, grace_s: float) -> Version:
    """Publish a version; see the module. Returns it as published: instants are the locator's."""
    known = find_by_id(connection, request.version.version_id)
    if known is not None:
        return _published_before(known, request)
    require_session(connection, request.session_id)
    require_bucket(connection, request.version.bucket)
    current = find_current(connection, request.version.bucket, request.version.key)
    _check_preconditions(request, current)
    _check_replica(connection, request)
    at = now if current is None else max(now, current.version.modified_at + STEP_S)
    replica = msgspec.structs.replace(request.version.replicas[0], created_at=at)
    version = msgspec.structs.replace(request.version, modified_at=at, replicas=(replica,))
    if request.upload_id:
        uploading.complete(connection, request.upload_id, version)
    _publish(connection, version, current, now=now, grace_s=grace_s)
    return version


def _published_before(known: Row, request: Commit) -> Version:
    """The answer to a repeated commit: the same as before, also when the version was replaced since."""
    same = (known.version.bucket, known.version.key, known.version.etag)
    if same != (request.version.bucket, request.version.key, request.version.etag):
        raise ConflictError(f"the version id {request.version.version_id} belongs to another version")
    if known.is_ended:
        return msgspec.structs.replace(request.version, modified_at=known.version.modified_at)
    return known.version


def _check_preconditions(request: Commit, current: Row | None) -> None:
    where = f"{request.version.bucket}/{request.version.key}"
    if request.if_none_match and current is not None:
        raise PreconditionFailedError(f"{where} exists", hint="If-None-Match: * writes new objects only")
    if request.if_match:
        if current is None:
            raise _no_such_key(request.version.bucket, request.version.key)
        _check_etag(request.if_match, current, where)


def _check_etag(wanted: str, current: Row, where: str) -> None:
    if wanted not in {"*", current.version.etag}:
        raise PreconditionFailedError(f"{where} has another ETag", hint="it was written since; read it again")


def _check_replica(connection: Connection, request: Commit) -> None:
    if len(request.version.replicas) != 1:
        raise InvalidInputError("a version is committed with exactly one replica")
    replica = request.version.replicas[0]
    if not request.upload_id:
        _check_own(request.session_id, replica)
    _check_kept(connection, replica)


def _check_own(session_id: str, replica: Replica) -> None:
    if not replica.key.startswith(f"{session_id}/"):
        raise InvalidInputError("the physical key does not begin with the session's id")


def _check_kept(connection: Connection, replica: Replica) -> None:
    if is_discarded(connection, replica.store, replica.bucket, replica.key):
        raise ConflictError("the bytes of this version were discarded before it was committed")


def _publish(
    connection: Connection, version: Version, current: Row | None, *, now: float, grace_s: float
) -> None:
    number = insert_version(connection, version)
    if current is None:
        connection.run(INSERT_OBJECT, bucket=version.bucket, key=version.key, version=number)
        return
    connection.run(UPDATE_OBJECT, of_bucket=version.bucket, of_key=version.key, to_version=number)
    end_version(connection, current.number, now=now, grace_s=grace_s)


def delete_objects(connection: Connection, request: Delete, *, now: float, grace_s: float) -> Deleted:
    """Delete objects of one bucket. Raises `NoSuchBucketError`; what concerns one item is in its result."""
    require_session(connection, request.session_id)
    require_bucket(connection, request.bucket)
    return Deleted(
        results=tuple(
            _delete(connection, request.bucket, item, now=now, grace_s=grace_s) for item in request.objects
        )
    )


def _delete(
    connection: Connection, bucket: str, item: DeleteItem, *, now: float, grace_s: float
) -> DeleteResult:
    current = find_current(connection, bucket, item.key)
    if current is None or not _is_meant(item.version_id, current):
        return DeleteResult(key=item.key)
    try:
        if item.if_match:
            _check_etag(item.if_match, current, f"{bucket}/{item.key}")
    except PreconditionFailedError as problem:
        return DeleteResult(key=item.key, error_code=problem.code, message=problem.message)
    connection.run(DELETE_OBJECT, of_bucket=bucket, of_key=item.key)
    end_version(connection, current.number, now=now, grace_s=grace_s)
    return DeleteResult(key=item.key)


def add_replica(connection: Connection, request: AddReplica, *, now: float) -> None:
    """Note a further copy.

    Raises `NoSuchKeyError` if the version is gone, `ConflictError` if the store has a copy already.
    """
    require_session(connection, request.session_id)
    current = find_current(connection, request.bucket, request.key)
    if current is None or not _is_copied(request, current):
        raise NoSuchKeyError(f"{request.bucket}/{request.key} changed while it was copied")
    present = {replica.store: replica for replica in current.version.replicas}.get(request.replica.store)
    if present is not None:
        if (present.bucket, present.key) == (request.replica.bucket, request.replica.key):
            return  # said again
        raise ConflictError(f"{request.replica.store} has a copy of {request.bucket}/{request.key} already")
    _check_own(request.session_id, request.replica)
    _check_kept(connection, request.replica)
    at = max(now, current.version.replicas[-1].created_at + STEP_S) if current.version.replicas else now
    insert_replica(connection, current.number, msgspec.structs.replace(request.replica, created_at=at))


def _is_copied(request: AddReplica, current: Row) -> bool:
    same_version = request.version_id in {NULL_VERSION, current.version.version_id}
    return same_version and request.etag == current.version.etag


def _is_meant(version_id: str, row: Row) -> bool:
    return version_id in {"", NULL_VERSION, row.version.version_id}


def _no_such_key(bucket: str, key: str) -> NoSuchKeyError:
    return NoSuchKeyError(f"there is no object {bucket}/{key}")
