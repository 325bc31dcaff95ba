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
from sqlalchemy import and_, bindparam, delete, insert, select, update

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.objects import NULL_VERSION, Attributes, Bucket, Replica, Version, Versioning
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index import placements
from continuum.store.locator.index import uploads as uploading
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.garbage import is_discarded
from continuum.store.locator.index.sessions import require_session
from continuum.store.locator.index.telling import note_change, note_commit, note_deletion
from continuum.store.locator.index.versions import (
    Row,
    end_version,
    find_by_id,
    find_current,
    find_newest,
    find_version,
    insert_replica,
    insert_version,
    set_attributes,
)
from continuum.store.locator.index.writebacks import note_write_back
from continuum.store.locator.messages import (
    AddReplica,
    ChangeObject,
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
    ObjectLockedError,
    PreconditionFailedError,
    Retention,
)
from continuum.store.locator.schema import objects, replicas, stores, versions

GOVERNANCE = "GOVERNANCE"
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
        .outerjoin(replicas, and_(replicas.c.version == versions.c.number, replicas.c.bad_at.is_(None)))
        .outerjoin(stores, stores.c.name == replicas.c.store)
    )
    .where(objects.c.bucket == bindparam("bucket"), objects.c.key == bindparam("key"))
)


def look_up(connection: Connection, request: LookUp) -> Version:
    """Return the version asked for. Raises `NoSuchBucketError`, `NoSuchKeyError`."""
    return _require(connection, request.bucket, request.key, request.version_id).version


def _require(connection: Connection, bucket: str, key: str, version_id: str) -> Row:
    row = find_current(connection, bucket, key)
    if row is not None and version_id in {"", row.version.public_id}:
        return row
    if version_id:
        row = find_version(connection, bucket, key, version_id)
    elif row is None:  # the newest may be a delete marker
        row = find_newest(connection, bucket, key)
    if row is not None:
        return row
    require_bucket(connection, bucket)
    if version_id:
        raise NoSuchKeyError(f"{bucket}/{key} has no version {version_id!r}")
    raise _no_such_key(bucket, key)


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
    bucket = require_bucket(connection, request.version.bucket)
    current = find_current(connection, request.version.bucket, request.version.key)
    _check_preconditions(request, current)
    _check_replica(connection, request)
    at = _choose_instant(connection, bucket, request.version.key, current, now)
    replica = msgspec.structs.replace(request.version.replicas[0], created_at=at)
    version = msgspec.structs.replace(
        request.version,
        modified_at=at,
        replicas=(replica,),
        is_null=bucket.versioning is not Versioning.ENABLED,
    )
    version = placements.place_version(connection, bucket, version, now=now)
    if request.upload_id:
        uploading.complete(connection, request.upload_id, version)
    publish_version(connection, bucket, version, current, now=now, grace_s=grace_s)
    note_write_back(connection, bucket, version.key, now=now)
    note_commit(connection, bucket, request, version, now=at)
    return version


def find_published(connection: Connection, request: Commit) -> Version | None:
    """Return the answer to a commit that was done already; None if it was not."""
    known = find_by_id(connection, request.version.version_id)
    return None if known is None else _published_before(known, request)


def _choose_instant(
    connection: Connection, bucket: Bucket, key: str, current: Row | None, now: float
) -> float:
    """Return when a new version is published: later than the newest one, which may be a delete marker."""
    newest = current
    if newest is None and bucket.versioning:
        newest = find_newest(connection, bucket.name, key)
    return now if newest is None else max(now, newest.version.modified_at + STEP_S)


def _published_before(known: Row, request: Commit) -> Version:
    """The answer to a repeated commit: the same as before, also when the version was replaced since."""
    same = (known.version.bucket, known.version.key, known.version.etag)
    if same != (request.version.bucket, request.version.key, request.version.etag):
        raise ConflictError(f"the version id {request.version.version_id} belongs to another version")
    if known.is_ended:
        return msgspec.structs.replace(
            request.version, modified_at=known.version.modified_at, is_null=known.version.is_null
        )
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


def publish_version(
    connection: Connection,
    bucket: Bucket,
    version: Version,
    current: Row | None,
    *,
    now: float,
    grace_s: float,
) -> None:
    """Write a version or a delete marker as the newest of its key; end the null version that it replaces."""
    replaced = _find_replaced(connection, bucket, version, current)
    number = insert_version(connection, version)
    if version.is_delete_marker:
        connection.run(DELETE_OBJECT, of_bucket=version.bucket, of_key=version.key)
    elif current is None:
        connection.run(INSERT_OBJECT, bucket=version.bucket, key=version.key, version=number)
    else:
        connection.run(UPDATE_OBJECT, of_bucket=version.bucket, of_key=version.key, to_version=number)
    if replaced is not None:
        end_version(connection, replaced.number, now=now, grace_s=grace_s)


def _find_replaced(
    connection: Connection, bucket: Bucket, version: Version, current: Row | None
) -> Row | None:
    if not version.is_null:
        return None
    if current is not None and current.version.is_null:
        return current
    if not bucket.versioning:
        return None
    return find_version(connection, version.bucket, version.key, NULL_VERSION)


def delete_objects(connection: Connection, request: Delete, *, now: float, grace_s: float) -> Deleted:
    """Delete objects of one bucket. Raises `NoSuchBucketError`; what concerns one item is in its result."""
    require_session(connection, request.session_id)
    bucket = require_bucket(connection, request.bucket)
    return Deleted(
        results=tuple(
            delete_item(connection, bucket, item, request, now=now, grace_s=grace_s)
            for item in request.objects
        )
    )


def delete_item(
    connection: Connection, bucket: Bucket, item: DeleteItem, request: Delete, *, now: float, grace_s: float
) -> DeleteResult:
    """Delete one object, or one version of it; what is refused is in the result. Of the request it takes who
    asks."""
    result = _delete(connection, bucket, item, request, now=now, grace_s=grace_s)
    if not result.error_code:
        note_write_back(connection, bucket, result.key, now=now)
    return result


def _delete(
    connection: Connection, bucket: Bucket, item: DeleteItem, request: Delete, *, now: float, grace_s: float
) -> DeleteResult:
    try:
        if item.version_id:
            return _remove(connection, bucket, item, request, now=now, grace_s=grace_s)
        current = find_current(connection, bucket.name, item.key)
        if item.if_match and current is not None:
            _check_etag(item.if_match, current, f"{bucket.name}/{item.key}")
        if bucket.versioning:
            return _mark_deleted(connection, bucket, item, request, current, now=now, grace_s=grace_s)
    except (PreconditionFailedError, ObjectLockedError) as problem:
        return DeleteResult(
            key=item.key, version_id=item.version_id, error_code=problem.code, message=problem.message
        )
    if current is not None:
        connection.run(DELETE_OBJECT, of_bucket=bucket.name, of_key=item.key)
        end_version(connection, current.number, now=now, grace_s=grace_s)
        note_deletion(connection, bucket, (item.key, ""), request, now=now)
    return DeleteResult(key=item.key)


def _mark_deleted(
    connection: Connection,
    bucket: Bucket,
    item: DeleteItem,
    request: Delete,
    current: Row | None,
    *,
    now: float,
    grace_s: float,
) -> DeleteResult:
    """Publish a delete marker as the newest version; asked for again, only say so."""
    known = find_by_id(connection, item.marker_id)
    if known is None:
        if not item.marker_id:
            raise InvalidInputError("a deletion where versions are kept needs an id for its delete marker")
        marker = Version(
            bucket=bucket.name,
            key=item.key,
            version_id=item.marker_id,
            etag="",
            size_bytes=0,
            modified_at=_choose_instant(connection, bucket, item.key, current, now),
            owner=request.owner,
            is_null=bucket.versioning is not Versioning.ENABLED,
            is_delete_marker=True,
        )
        publish_version(connection, bucket, marker, current, now=now, grace_s=grace_s)
        place = (item.key, marker.public_id)
        note_deletion(connection, bucket, place, request, now=marker.modified_at, by_marker=True)
    else:
        marker = known.version
    return DeleteResult(key=item.key, marker_id=marker.public_id, is_delete_marker=True)


def _remove(
    connection: Connection, bucket: Bucket, item: DeleteItem, request: Delete, *, now: float, grace_s: float
) -> DeleteResult:
    """End one version for good; the newest of those that are left is the current one."""
    row = find_version(connection, bucket.name, item.key, item.version_id)
    if row is None:
        return DeleteResult(key=item.key, version_id=item.version_id)
    if item.if_match:
        _check_etag(item.if_match, row, f"{bucket.name}/{item.key}")
    _check_unlocked(row.version.attributes, now, bypass=item.bypass_governance)
    connection.run(DELETE_OBJECT, of_bucket=bucket.name, of_key=item.key)
    end_version(connection, row.number, now=now, grace_s=grace_s)
    note_deletion(connection, bucket, (item.key, item.version_id), request, now=now)
    newest = find_newest(connection, bucket.name, item.key)
    if newest is not None and not newest.version.is_delete_marker:
        connection.run(INSERT_OBJECT, bucket=bucket.name, key=item.key, version=newest.number)
    return DeleteResult(
        key=item.key, version_id=item.version_id, is_delete_marker=row.version.is_delete_marker
    )


def _check_unlocked(attributes: Attributes, now: float, *, bypass: bool) -> None:
    """Raise `ObjectLockedError` if a version may not be removed now."""
    if attributes.legal_hold:
        raise ObjectLockedError("the version is under legal hold", hint="release the legal hold first")
    if attributes.retain_until > now and not (bypass and attributes.retention_mode == GOVERNANCE):
        raise ObjectLockedError(f"the version is retained in {attributes.retention_mode} mode")


def change_object(connection: Connection, request: ChangeObject, *, now: float) -> Version:
    """Change a version's attributes. Raises `NoSuchBucketError`, `NoSuchKeyError`, `ObjectLockedError`."""
    row = _require(connection, request.bucket, request.key, request.version_id)
    if row.version.is_delete_marker:
        return row.version
    attributes = row.version.attributes
    if request.tags is not None:
        attributes = msgspec.structs.replace(attributes, tags=request.tags)
    if request.acl is not None:
        attributes = msgspec.structs.replace(attributes, acl=request.acl)
    if request.legal_hold is not None:
        attributes = msgspec.structs.replace(attributes, legal_hold=request.legal_hold)
    if request.retention is not None:
        _check_retention(attributes, request.retention, now, bypass=request.bypass_governance)
        attributes = msgspec.structs.replace(
            attributes, retention_mode=request.retention.mode, retain_until=request.retention.until
        )
    set_attributes(connection, row.number, attributes)
    changed = msgspec.structs.replace(row.version, attributes=attributes)
    note_change(connection, require_bucket(connection, request.bucket), request, changed, now=now)
    return changed


def _check_retention(present: Attributes, wanted: Retention, now: float, *, bypass: bool) -> None:
    """A retention that holds may grow in its mode; governance gives way to who may bypass it, compliance to
    nobody."""
    if present.retain_until <= now or (bypass and present.retention_mode == GOVERNANCE):
        return
    if wanted.mode != present.retention_mode or wanted.until < present.retain_until:
        raise ObjectLockedError(f"the version is retained in {present.retention_mode} mode")


def add_replica(connection: Connection, request: AddReplica, *, now: float) -> None:
    """Note a further copy.

    Raises `NoSuchKeyError` if the version is gone, `ConflictError` if the store has a copy already.
    """
    require_session(connection, request.session_id)
    current = _find_copied(connection, request)
    if current is None:
        raise NoSuchKeyError(f"{request.bucket}/{request.key} changed while it was copied")
    present = {replica.store: replica for replica in current.version.replicas}.get(request.replica.store)
    if present is not None:
        if (present.bucket, present.key) == (request.replica.bucket, request.replica.key):
            return  # said again
        raise ConflictError(f"{request.replica.store} has a copy of {request.bucket}/{request.key} already")
    _check_own(request.session_id, request.replica)
    _check_kept(connection, request.replica)
    at = max(now, current.version.replicas[-1].created_at + STEP_S) if current.version.replicas else now
    is_needed = placements.end_item(connection, request.version_id, request.replica.store)
    expires_at = 0.0 if is_needed else request.replica.expires_at
    replica = msgspec.structs.replace(request.replica, created_at=at, expires_at=expires_at)
    insert_replica(connection, current.number, replica)


def _find_copied(connection: Connection, request: AddReplica) -> Row | None:
    """Return the version that was copied, if it lives: the current one or an older one."""
    row = find_by_id(connection, request.version_id)
    if row is None or row.is_ended or row.version.is_delete_marker:
        return None
    same = (row.version.bucket, row.version.key, row.version.etag)
    return row if same == (request.bucket, request.key, request.etag) else None


def _no_such_key(bucket: str, key: str) -> NoSuchKeyError:
    return NoSuchKeyError(f"there is no object {bucket}/{key}")
