"""Buckets: made, found, listed, deleted when empty."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, literal, select, update

from continuum.model.errors import ConflictError
from continuum.model.objects import Bucket, Versioning, parse_bucket_name
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import (
    BucketExistsError,
    BucketNotEmptyError,
    BucketOwnedByYouError,
    Buckets,
    ChangeBucket,
    CreateBucket,
    NoSuchBucketError,
)
from continuum.store.locator.schema import buckets, uploads, versions

_ONE = literal(1)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode

FIND_BUCKET = Statement(select(buckets).where(buckets.c.name == bindparam("name")))
LIST_ALL = Statement(select(buckets).order_by(buckets.c.name))
LIST_OWNED = Statement(select(buckets).where(buckets.c.owner == bindparam("owner")).order_by(buckets.c.name))
INSERT_BUCKET = Statement(insert(buckets))
DELETE_BUCKET = Statement(delete(buckets).where(buckets.c.name == bindparam("of_name")))
CHANGE_BUCKET = Statement(
    update(buckets)
    .where(buckets.c.name == bindparam("of_name"))
    .values(versioning=bindparam("to_versioning"), settings=bindparam("to_settings"))
)
HAS_VERSIONS = Statement(
    select(_ONE).where(versions.c.bucket == bindparam("bucket"), versions.c.ended_at.is_(None)).limit(_ONE)
)
HAS_UPLOADS = Statement(select(_ONE).where(uploads.c.bucket == bindparam("bucket")).limit(_ONE))


def find_bucket(connection: Connection, name: str) -> Bucket | None:
    """Return the bucket, if it exists."""
    row = connection.row(FIND_BUCKET, name=name)
    return _bucket(row) if row else None


def require_bucket(connection: Connection, name: str) -> Bucket:
    """Return the bucket or raise `NoSuchBucketError`."""
    bucket = find_bucket(connection, name)
    if bucket is None:
        raise NoSuchBucketError(f"there is no bucket {name!r}")
    return bucket


def list_buckets(connection: Connection, owner: str) -> Buckets:
    """Return the buckets of `owner`, or all if `owner` is empty, in the order of their names."""
    rows = connection.rows(LIST_OWNED, owner=owner) if owner else connection.rows(LIST_ALL)
    return Buckets(buckets=tuple(map(_bucket, rows)))


def create_bucket(connection: Connection, request: CreateBucket, *, now: float) -> Bucket:
    """Make a bucket. Raises `BucketOwnedByYouError` or `BucketExistsError` if there is one of this name."""
    present = find_bucket(connection, parse_bucket_name(request.name))
    if present is not None:
        if present.owner == request.owner:
            raise BucketOwnedByYouError(f"the bucket {request.name!r} is yours already")
        raise BucketExistsError(
            f"the bucket {request.name!r} belongs to somebody else", hint="choose another name"
        )
    bucket = Bucket(
        name=request.name,
        owner=request.owner,
        home=request.home,
        created_at=now,
        versioning=request.versioning,
        settings=request.settings,
    )
    connection.run(
        INSERT_BUCKET,
        name=bucket.name,
        owner=bucket.owner,
        home=bucket.home,
        created_at=now,
        versioning=bucket.versioning.value,
        settings=_encode(bucket.settings),
    )
    return bucket


def change_bucket(connection: Connection, request: ChangeBucket) -> Bucket:
    """Change what is set for a bucket. Raises `NoSuchBucketError`, `ConflictError`."""
    bucket = require_bucket(connection, request.name)
    versioning = bucket.versioning if request.versioning is None else request.versioning
    if bucket.versioning and not versioning:
        raise ConflictError("versioning can be suspended, not unset")
    settings = bucket.settings | request.settings
    for name in request.unset:
        settings.pop(name, None)
    connection.run(
        CHANGE_BUCKET, of_name=request.name, to_versioning=versioning.value, to_settings=_encode(settings)
    )
    return msgspec.structs.replace(bucket, versioning=versioning, settings=settings)


def delete_bucket(connection: Connection, name: str) -> None:
    """Delete an empty bucket. Raises `NoSuchBucketError`, `BucketNotEmptyError`."""
    require_bucket(connection, name)
    if connection.row(HAS_VERSIONS, bucket=name):
        raise BucketNotEmptyError(
            f"the bucket {name!r} holds objects, older versions of them or delete markers",
            hint="delete them first, where versions are kept also the old ones and the delete markers",
        )
    if connection.row(HAS_UPLOADS, bucket=name):
        raise BucketNotEmptyError(
            f"the bucket {name!r} holds unfinished multipart uploads", hint="complete or abort them first"
        )
    connection.run(DELETE_BUCKET, of_name=name)


def _bucket(row: tuple[Any, ...]) -> Bucket:
    name, owner, home, created_at, versioning, settings = row
    return Bucket(
        name=name,
        owner=owner,
        home=home,
        created_at=created_at,
        versioning=Versioning(versioning),
        settings=_decode(settings) if settings else {},
    )
