"""By which names the events of commits, deletions and changes are told."""

from continuum.model import notifications as events
from continuum.model.objects import Bucket, Version
from continuum.store.locator.database import Connection
from continuum.store.locator.index.outbox import note_removal, note_version
from continuum.store.locator.messages import ChangeObject, Commit, Delete

LIFECYCLE = "Lifecycle"  # the operation of what lifecycle rules delete
_CREATIONS = {"CopyObject": events.CREATED_COPY, "PostObject": events.CREATED_POST}


def note_commit(
    connection: Connection, bucket: Bucket, request: Commit, version: Version, *, now: float
) -> None:
    """Tell that a version was published."""
    note_version(connection, bucket, _name_creation(request), version, request.origin, now=now)


def _name_creation(request: Commit) -> str:
    if request.upload_id:
        return events.CREATED_UPLOAD
    return _CREATIONS.get(request.origin.operation, events.CREATED_PUT)


def note_deletion(
    connection: Connection,
    bucket: Bucket,
    place: tuple[str, str],
    request: Delete,
    *,
    now: float,
    by_marker: bool = False,
) -> None:
    """Tell that an object or a version of it (`place`: key and version id) was deleted, or hidden by a delete
    marker."""
    if request.origin.operation == LIFECYCLE:
        name = events.EXPIRED_BY_MARKER if by_marker else events.EXPIRED
    else:
        name = events.REMOVED_BY_MARKER if by_marker else events.REMOVED
    note_removal(connection, bucket, name, place, request.origin, now=now)


def note_change(
    connection: Connection, bucket: Bucket, request: ChangeObject, version: Version, *, now: float
) -> None:
    """Tell that tags or the ACL of a version were changed."""
    if request.tags is not None:
        name = events.TAGGED if request.tags else events.UNTAGGED
        note_version(connection, bucket, name, version, request.origin, now=now)
    if request.acl is not None:
        note_version(connection, bucket, events.ACL_PUT, version, request.origin, now=now)
