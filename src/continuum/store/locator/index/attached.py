"""Buckets that are attached where they are: indexed page by page, followed, let go.

The store is the truth about what others change there, the index about what is written through gateways. A
page of a scan is compared with the index in one transaction: what is new or has another ETag or size becomes
a version whose replica lies at the object's own name, what is gone is deleted. Left alone is what a write
through a gateway is about to replace, or has replaced since the page was listed (`write_backs`).
"""

import secrets

import msgspec
from sqlalchemy import bindparam, delete, literal, select

from continuum.model.attachments import Attachment, read_attachment, write_attachment
from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.model.objects import Bucket, Replica, Setting, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index import jobs
from continuum.store.locator.index.buckets import (
    HAS_UPLOADS,
    change_bucket,
    create_bucket,
    delete_bucket,
    find_bucket,
    list_buckets,
    require_bucket,
)
from continuum.store.locator.index.objects import DELETE_OBJECT, publish_version
from continuum.store.locator.index.sessions import FIND_STORE
from continuum.store.locator.index.versions import (
    Row,
    describe_version,
    end_version,
    find_current,
    insert_version,
)
from continuum.store.locator.index.writebacks import (
    DELETE_REPLICA_AT,
    count_waiting,
    is_being_written,
)
from continuum.store.locator.messages import (
    ApplyPage,
    AttachBucket,
    Attachments,
    AttachmentState,
    ChangeBucket,
    CreateBucket,
    DetachBucket,
    Detaching,
    Followed,
    FollowObject,
    FoundObject,
    Job,
    JobStep,
    StartJob,
)
from continuum.store.locator.messages.jobs import DONE, SCAN
from continuum.store.locator.schema import replicas, versions, write_backs

DETACH_AT_ONCE = 1000
NEVER_SINCE = 1e18  # only what still waits counts

_AT = (replicas.c.store == bindparam("store"), replicas.c.physical_bucket == bindparam("bucket"))
FIND_OWNER = Statement(select(replicas.c.version).where(*_AT, replicas.c.physical_key == bindparam("key")))
COUNT_REPLICAS = Statement(
    select(replicas.c.store).where(replicas.c.version == bindparam("version")).limit(literal(1))
)
LIST_LIVE_VERSIONS = Statement(
    select(versions.c.number, versions.c.key)
    .where(versions.c.bucket == bindparam("bucket"), versions.c.ended_at.is_(None))
    .limit(bindparam("limit"))
)
FORGET_WRITE_BACKS = Statement(delete(write_backs).where(write_backs.c.bucket == bindparam("of_bucket")))


def attach_bucket(connection: Connection, request: AttachBucket, *, now: float) -> Job:
    """Make the bucket and the scan that indexes it. Raises `ConflictError`, `NotFoundError`."""
    if connection.row(FIND_STORE, name=request.store) is None:
        raise NotFoundError(
            f"there is no store {request.store!r}", hint="`continuum store list` lists them, `store add` adds"
        )
    if not request.bucket:
        raise InvalidInputError("the physical bucket has no name")
    attachment = Attachment(
        store=request.store,
        bucket=request.bucket,
        prefix=request.prefix,
        rescan_every_s=request.rescan_every_s,
        attached_at=now,
    )
    present = find_bucket(connection, request.name)
    if present is None or not _is_same(_find(present), attachment):
        _check_apart(connection, attachment)
        create_bucket(
            connection,
            CreateBucket(
                name=request.name,
                owner=request.owner,
                home=_site_of(connection, request.store),
                settings={Setting.ATTACHMENT.value: write_attachment(attachment)},
            ),
            now=now,
        )
    wanted = StartJob(kind=SCAN, store=request.store, bucket=request.name)
    return jobs.start_job(connection, wanted, now=now, every_s=request.rescan_every_s)


def _site_of(connection: Connection, store: str) -> str:
    row = connection.row(FIND_STORE, name=store)
    return str(row[1]) if row else ""


def _is_same(present: Attachment | None, wanted: Attachment) -> bool:
    return present is not None and (present.store, present.bucket, present.prefix) == (
        wanted.store,
        wanted.bucket,
        wanted.prefix,
    )


def _check_apart(connection: Connection, wanted: Attachment) -> None:
    """Refuse to attach what is attached already, or what the platform itself writes to."""
    row = connection.row(FIND_STORE, name=wanted.store)
    if row is not None and row[4] == wanted.bucket:
        raise ConflictError(
            f"{wanted.bucket!r} holds what the platform itself writes to {wanted.store!r}",
            hint="attach another physical bucket",
        )
    for name, other in _attachments(connection):
        if (other.store, other.bucket) == (wanted.store, wanted.bucket) and (
            other.prefix.startswith(wanted.prefix) or wanted.prefix.startswith(other.prefix)
        ):
            raise ConflictError(f"{wanted.bucket}/{wanted.prefix} is attached already, as bucket {name!r}")


def _attachments(connection: Connection) -> list[tuple[str, Attachment]]:
    found = []
    for bucket in list_buckets(connection, "").buckets:
        attachment = _find(bucket)
        if attachment is not None:
            found.append((bucket.name, attachment))
    return found


def _find(bucket: Bucket) -> Attachment | None:
    return read_attachment(bucket.settings.get(Setting.ATTACHMENT))


def require_attachment(connection: Connection, name: str) -> tuple[Bucket, Attachment]:
    """Return an attached bucket. Raises `NoSuchBucketError`, `ConflictError`."""
    bucket = require_bucket(connection, name)
    attachment = _find(bucket)
    if attachment is None:
        raise ConflictError(f"the bucket {name!r} is not attached to anything")
    return bucket, attachment


def describe_attachments(connection: Connection) -> Attachments:
    """Return all attached buckets and how they stand."""
    return Attachments(
        attachments=tuple(_describe(connection, name, each) for name, each in _attachments(connection))
    )


def _describe(connection: Connection, name: str, attachment: Attachment) -> AttachmentState:
    job = jobs.get_job_for(connection, SCAN, attachment.store, name)
    return AttachmentState(
        name=name,
        store=attachment.store,
        bucket=attachment.bucket,
        prefix=attachment.prefix,
        rescan_every_s=attachment.rescan_every_s,
        attached_at=attachment.attached_at,
        is_detaching=attachment.is_detaching,
        waiting=count_waiting(connection, name)[0],
        job_id=job.job_id,
        scan_state=job.state,
        scanned_at=job.finished_at,
        objects=job.counts.get("objects", 0) if job.state == DONE else job.expected,
    )


# ---- following the store ----


def apply_page(
    connection: Connection, request: ApplyPage, *, now: float, grace_s: float, claim_s: float
) -> tuple[JobStep, list[str]]:
    """Bring the index to what a page of the store's list says; return the keys that changed."""
    step = jobs.report_job(connection, request.step, now=now, claim_s=claim_s)
    if not step.goes_on and request.step.state not in {DONE}:
        return step, []
    bucket, attachment = require_attachment(connection, request.bucket)
    counts: dict[str, int] = {}
    changed = []
    for entry in request.entries:
        outcome = _take(
            connection, bucket, attachment, entry, since=request.listed_at, now=now, grace_s=grace_s
        )
        counts[outcome] = counts.get(outcome, 0) + 1
        if outcome in {"new", "changed"}:
            changed.append(entry.key)
    for key in request.gone:
        if _vanish(connection, bucket, attachment, key, since=request.listed_at, now=now, grace_s=grace_s):
            counts["vanished"] = counts.get("vanished", 0) + 1
            changed.append(key)
    jobs.add_counts(connection, request.step.job_id, counts)
    return step, changed


def _take(
    connection: Connection,
    bucket: Bucket,
    attachment: Attachment,
    entry: FoundObject,
    *,
    since: float,
    now: float,
    grace_s: float,
) -> str:
    """Take one line of a store's list into the index; say what it was."""
    if is_being_written(connection, bucket.name, entry.key, since=since):
        return "unchanged"
    current = find_current(connection, bucket.name, entry.key)
    own = _own_replica(current, attachment) if current is not None else None
    if current is not None and own is not None:
        if (own.etag, current.version.size_bytes) == (entry.etag, entry.size_bytes):
            return "unchanged"
        if own.created_at >= since:
            return "unchanged"
    _publish(connection, bucket, attachment, entry, current, now=now, grace_s=grace_s)
    return "new" if current is None else "changed"


def _own_replica(row: Row, attachment: Attachment) -> Replica | None:
    """Return the replica at the object's own name."""
    for replica in row.version.replicas:
        if replica.etag and (replica.store, replica.bucket) == (attachment.store, attachment.bucket):
            return replica
    return None


def _publish(
    connection: Connection,
    bucket: Bucket,
    attachment: Attachment,
    entry: FoundObject,
    current: Row | None,
    *,
    now: float,
    grace_s: float,
    headers: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Version:
    """Publish what is at an object's own name as its newest version."""
    own = Replica(
        store=attachment.store,
        bucket=attachment.bucket,
        key=attachment.own_name(entry.key),
        created_at=now,
        etag=entry.etag,
    )
    bereft = _release(connection, own)
    version = Version(
        bucket=bucket.name,
        key=entry.key,
        version_id=secrets.token_hex(16),
        etag=entry.etag,
        size_bytes=entry.size_bytes,
        modified_at=entry.modified_at or now,
        headers=headers or {},
        metadata=metadata or {},
        replicas=(own,),
        owner=bucket.owner,
        is_null=bucket.versioning.value != "Enabled",
        is_described=headers is not None,
    )
    publish_version(connection, bucket, version, current, now=now, grace_s=grace_s)
    if bereft is not None:
        end_version(connection, bereft, now=now, grace_s=grace_s)
    return version


def _release(connection: Connection, own: Replica) -> int | None:
    """Take an own name away from the version that has it; return that version if it has no other copy."""
    row = connection.row(FIND_OWNER, store=own.store, bucket=own.bucket, key=own.key)
    if row is None:
        return None
    connection.run(DELETE_REPLICA_AT, of_store=own.store, of_bucket=own.bucket, of_key=own.key)
    return None if connection.row(COUNT_REPLICAS, version=row[0]) else int(row[0])


def _vanish(
    connection: Connection,
    bucket: Bucket,
    attachment: Attachment,
    key: str,
    *,
    since: float,
    now: float,
    grace_s: float,
) -> bool:
    """Delete an object whose bytes are gone from its own name; false if that is not so any more."""
    if is_being_written(connection, bucket.name, key, since=since):
        return False
    current = find_current(connection, bucket.name, key)
    own = _own_replica(current, attachment) if current is not None else None
    if current is None or own is None or own.created_at >= since:
        return False
    _release(connection, own)
    connection.run(DELETE_OBJECT, of_bucket=bucket.name, of_key=key)
    end_version(connection, current.number, now=now, grace_s=grace_s)
    if bucket.versioning:
        _mark_gone(connection, bucket, key, now=now)
    return True


def _mark_gone(connection: Connection, bucket: Bucket, key: str, *, now: float) -> None:
    """Where versions are kept a deletion from outside is a delete marker before those that are left."""
    marker = Version(
        bucket=bucket.name,
        key=key,
        version_id=secrets.token_hex(16),
        etag="",
        size_bytes=0,
        modified_at=now,
        owner=bucket.owner,
        is_null=False,
        is_delete_marker=True,
    )
    insert_version(connection, marker)


def follow_object(connection: Connection, request: FollowObject, *, now: float, grace_s: float) -> Followed:
    """Bring the index to what a store says of one object; return its current version."""
    bucket, attachment = require_attachment(connection, request.bucket)
    current = find_current(connection, request.bucket, request.key)
    known = current.version if current is not None else None
    own = _own_replica(current, attachment) if current is not None else None
    if is_being_written(connection, request.bucket, request.key, since=NEVER_SINCE):
        return Followed(version=known)
    found = request.found
    if current is not None and own is not None and found is not None and own.etag == found.etag:
        if not current.version.is_described:
            known = describe_version(connection, current, request.headers, request.metadata)
        return Followed(version=known)
    if own is not None and own.etag != request.known_etag:  # somebody else followed meanwhile
        return Followed(version=known)
    if found is None:
        _vanish(connection, bucket, attachment, request.key, since=NEVER_SINCE, now=now, grace_s=grace_s)
        return Followed(version=None if own is not None else known)
    version = _publish(
        connection,
        bucket,
        attachment,
        found,
        current,
        now=now,
        grace_s=grace_s,
        headers=request.headers,
        metadata=request.metadata,
    )
    return Followed(version=version)


# ---- letting go ----


def detach_step(connection: Connection, request: DetachBucket, *, now: float, grace_s: float) -> Detaching:
    """Do a part of letting a bucket go. Raises `NoSuchBucketError`, `ConflictError`."""
    bucket, attachment = require_attachment(connection, request.name)
    if bucket.versioning and not request.drop_history:
        raise ConflictError(
            f"the bucket {request.name!r} keeps old versions, which have no names of their own in the store",
            hint="copy what you need, then detach with --drop-history",
        )
    if connection.row(HAS_UPLOADS, bucket=request.name):
        raise ConflictError(
            f"the bucket {request.name!r} holds unfinished uploads", hint="complete or abort them first"
        )
    if not attachment.is_detaching:
        ending = msgspec.structs.replace(attachment, is_detaching=True)
        settings = {Setting.ATTACHMENT.value: write_attachment(ending)}
        change_bucket(connection, ChangeBucket(name=request.name, settings=settings))
    waiting, problem = count_waiting(connection, request.name)
    if waiting:
        return Detaching(waiting=waiting, problem=problem)
    rows = connection.rows(LIST_LIVE_VERSIONS, bucket=request.name, limit=DETACH_AT_ONCE)
    for number, key in rows:
        connection.run(DELETE_OBJECT, of_bucket=request.name, of_key=key)
        end_version(connection, number, now=now, grace_s=grace_s)
    if len(rows) == DETACH_AT_ONCE:
        return Detaching(removed=len(rows))
    connection.run(FORGET_WRITE_BACKS, of_bucket=request.name)
    jobs.delete_job_for(connection, SCAN, attachment.store, request.name)
    delete_bucket(connection, request.name)
    return Detaching(removed=len(rows), is_done=True)


def rescan_bucket(connection: Connection, request: StartJob, *, now: float) -> Job:
    """Start the scan of an attached bucket now."""
    _, attachment = require_attachment(connection, request.bucket)
    wanted = StartJob(kind=SCAN, store=attachment.store, bucket=request.bucket)
    return jobs.start_job(connection, wanted, now=now, every_s=attachment.rescan_every_s)
