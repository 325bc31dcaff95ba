"""Versions and their replicas as rows: found, written, ended.

What a version needs only when it is served (headers, metadata, checksums, sizes of parts) is one MessagePack
value, so that reading a version is one row per replica whatever it carries.
"""

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, literal, null, select, update

from continuum.model.objects import NULL_VERSION, Attributes, Replica, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.schema import garbage, objects, replicas, versions


class Details(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a version in one value."""

    headers: dict[str, str]
    metadata: dict[str, str]
    checksums: dict[str, str] = {}
    part_sizes: tuple[int, ...] = ()
    encryption: bytes = b""
    is_described: bool = True
    part_checksums: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
decode_details = msgspec.msgpack.Decoder(Details).decode
_decode_attributes = msgspec.msgpack.Decoder(Attributes).decode
_NO_ATTRIBUTES = Attributes()

_VERSION_COLUMNS = (
    versions.c.number,
    versions.c.bucket,
    versions.c.key,
    versions.c.version_id,
    versions.c.etag,
    versions.c.size_bytes,
    versions.c.modified_at,
    versions.c.checksum_type,
    versions.c.details,
    versions.c.ended_at,
    versions.c.owner,
    versions.c.is_null,
    versions.c.is_delete_marker,
    versions.c.attributes,
)
_REPLICA_COLUMNS = (
    replicas.c.store,
    replicas.c.physical_bucket,
    replicas.c.physical_key,
    replicas.c.created_at,
    replicas.c.etag,
    replicas.c.bad_at,
    replicas.c.expires_at,
)
_STORED = len(_VERSION_COLUMNS)

FIND_CURRENT = Statement(
    select(*_VERSION_COLUMNS, *_REPLICA_COLUMNS)
    .select_from(
        objects.join(versions, versions.c.number == objects.c.version).outerjoin(
            replicas, replicas.c.version == versions.c.number
        )
    )
    .where(objects.c.bucket == bindparam("bucket"), objects.c.key == bindparam("key"))
)
FIND_BY_ID = Statement(
    select(*_VERSION_COLUMNS, *_REPLICA_COLUMNS)
    .select_from(versions.outerjoin(replicas, replicas.c.version == versions.c.number))
    .where(versions.c.version_id == bindparam("version_id"))
)
FIND_BY_NUMBER = Statement(
    select(*_VERSION_COLUMNS, *_REPLICA_COLUMNS)
    .select_from(versions.outerjoin(replicas, replicas.c.version == versions.c.number))
    .where(versions.c.number == bindparam("number"))
)
# What lives of a key's history: its versions that were not removed.
_HISTORY = select(*_VERSION_COLUMNS, *_REPLICA_COLUMNS).select_from(
    versions.outerjoin(replicas, replicas.c.version == versions.c.number)
)
_NEWEST = (
    select(versions.c.number)
    .where(
        versions.c.bucket == bindparam("bucket"),
        versions.c.key == bindparam("key"),
        versions.c.ended_at.is_(None),
    )
    .order_by(versions.c.number.desc())
    .limit(literal(1))
)
FIND_NEWEST = Statement(_HISTORY.where(versions.c.number == _NEWEST.scalar_subquery()))
FIND_NULL = Statement(
    _HISTORY.where(
        versions.c.bucket == bindparam("bucket"),
        versions.c.key == bindparam("key"),
        versions.c.ended_at.is_(None),
        versions.c.is_null == literal(1),
    )
)
SET_ATTRIBUTES = Statement(
    update(versions)
    .where(versions.c.number == bindparam("of_number"))
    .values(attributes=bindparam("to_attributes"))
)
SET_DETAILS = Statement(
    update(versions)
    .where(versions.c.number == bindparam("of_number"))
    .values(details=bindparam("to_details"))
)
INSERT_VERSION = Statement(
    insert(versions)
    .values(
        {
            column.name: bindparam(column.name)
            for column in versions.c
            if column.name not in {"number", "ended_at"}
        }
    )
    .returning(versions.c.number)
)
INSERT_REPLICA = Statement(insert(replicas))
FIND_REPLICA_OWNER = Statement(
    select(replicas.c.version).where(
        replicas.c.store == bindparam("store"),
        replicas.c.physical_bucket == bindparam("bucket"),
        replicas.c.physical_key == bindparam("key"),
    )
)
END_VERSION = Statement(
    update(versions).where(versions.c.number == bindparam("version")).values(ended_at=bindparam("at"))
)
DISCARD_REPLICAS = Statement(
    insert(garbage).from_select(
        ["store", "physical_bucket", "physical_key", "store_upload_id", "is_prefix", "due_at"],
        select(
            replicas.c.store,
            replicas.c.physical_bucket,
            replicas.c.physical_key,
            literal(""),
            literal(0),
            bindparam("due_at"),
        ).where(replicas.c.version == bindparam("version"), replicas.c.etag == literal("")),
    )
)
DELETE_REPLICAS = Statement(delete(replicas).where(replicas.c.version == bindparam("version")))
PURGE_VERSIONS = Statement(
    delete(versions).where(versions.c.ended_at != null(), versions.c.ended_at < bindparam("before"))
)


class Row(msgspec.Struct, frozen=True):
    """A version as the index has it; `number` is its row, `is_ended` says that it was replaced or deleted."""

    number: int
    version: Version
    is_ended: bool


def find_current(connection: Connection, bucket: str, key: str) -> Row | None:
    """Return the current version of a key."""
    return _row(connection.rows(FIND_CURRENT, bucket=bucket, key=key))


def find_by_id(connection: Connection, version_id: str) -> Row | None:
    """Return the version of this id, current or ended not long ago."""
    return _row(connection.rows(FIND_BY_ID, version_id=version_id))


def find_by_number(connection: Connection, number: int) -> Row | None:
    """Return the version in this row."""
    return _row(connection.rows(FIND_BY_NUMBER, number=number))


def find_newest(connection: Connection, bucket: str, key: str) -> Row | None:
    """Return the newest version of a key that lives; it may be a delete marker."""
    return _row(connection.rows(FIND_NEWEST, bucket=bucket, key=key))


def find_version(connection: Connection, bucket: str, key: str, version_id: str) -> Row | None:
    """Return a version of a key that lives, by the id that clients see."""
    if version_id == NULL_VERSION:
        return _row(connection.rows(FIND_NULL, bucket=bucket, key=key))
    row = find_by_id(connection, version_id)
    if row is None or row.is_ended or row.version.is_null:
        return None
    return row if (row.version.bucket, row.version.key) == (bucket, key) else None


def set_attributes(connection: Connection, number: int, attributes: Attributes) -> None:
    """Replace the attributes of the version in row `number`."""
    connection.run(SET_ATTRIBUTES, of_number=number, to_attributes=_encode(attributes))


def insert_version(connection: Connection, version: Version) -> int:
    """Write a version and its replicas; return its row."""
    details = Details(
        version.headers,
        version.metadata,
        version.checksums,
        version.part_sizes,
        version.encryption,
        version.is_described,
        version.part_checksums,
    )
    row = connection.row(
        INSERT_VERSION,
        version_id=version.version_id,
        bucket=version.bucket,
        key=version.key,
        etag=version.etag,
        size_bytes=version.size_bytes,
        modified_at=version.modified_at,
        checksum_algorithm=next(iter(version.checksums), "").upper(),
        checksum_type=version.checksum_type,
        details=_encode(details),
        owner=version.owner,
        is_null=int(version.is_null),
        is_delete_marker=int(version.is_delete_marker),
        attributes=None if version.attributes == _NO_ATTRIBUTES else _encode(version.attributes),
    )
    number: int = row[0] if row else 0
    for replica in version.replicas:
        insert_replica(connection, number, replica)
    return number


def insert_replica(connection: Connection, number: int, replica: Replica) -> None:
    """Write a replica of the version in row `number`."""
    connection.run(
        INSERT_REPLICA,
        version=number,
        store=replica.store,
        physical_bucket=replica.bucket,
        physical_key=replica.key,
        created_at=replica.created_at,
        etag=replica.etag,
        bad_at=None,
        expires_at=replica.expires_at or None,
    )


def describe_version(
    connection: Connection, row: Row, headers: dict[str, str], metadata: dict[str, str]
) -> Version:
    """Note what a store says of an attached object; return the version as it is now."""
    version = msgspec.structs.replace(row.version, headers=headers, metadata=metadata, is_described=True)
    details = Details(
        headers, metadata, version.checksums, version.part_sizes, version.encryption, is_described=True
    )
    connection.run(SET_DETAILS, of_number=row.number, to_details=_encode(details))
    return version


def end_version(connection: Connection, number: int, *, now: float, grace_s: float) -> None:
    """Turn a version into a tombstone; its replicas become garbage that is due after the grace."""
    connection.run(END_VERSION, version=number, at=now)
    connection.run(DISCARD_REPLICAS, version=number, due_at=now + grace_s)
    connection.run(DELETE_REPLICAS, version=number)


def purge_versions(connection: Connection, *, before: float) -> int:
    """Forget versions that ended before this instant."""
    return connection.run(PURGE_VERSIONS, before=before)


def _row(rows: list[tuple[Any, ...]]) -> Row | None:
    if not rows:
        return None
    (
        number,
        bucket,
        key,
        version_id,
        etag,
        size_bytes,
        modified_at,
        checksum_type,
        details,
        ended_at,
        owner,
        is_null,
        is_delete_marker,
        attributes,
    ) = rows[0][:_STORED]
    more = decode_details(details)
    version = Version(
        bucket=bucket,
        key=key,
        version_id=version_id,
        etag=etag,
        size_bytes=size_bytes,
        modified_at=modified_at,
        headers=more.headers,
        metadata=more.metadata,
        checksums=more.checksums,
        checksum_type=checksum_type,
        part_sizes=more.part_sizes,
        part_checksums=more.part_checksums,
        replicas=_replicas(rows),
        owner=owner,
        is_null=bool(is_null),
        is_delete_marker=bool(is_delete_marker),
        encryption=more.encryption,
        attributes=_decode_attributes(attributes) if attributes else _NO_ATTRIBUTES,
        is_described=more.is_described,
    )
    return Row(number, version, ended_at is not None)


def _replicas(rows: list[tuple[Any, ...]]) -> tuple[Replica, ...]:
    """Replicas that can be served, the oldest first: the one that the writer made."""
    found = [
        Replica(
            store=store,
            bucket=bucket,
            key=key,
            created_at=created_at,
            etag=etag,
            expires_at=expires_at or 0.0,
        )
        for store, bucket, key, created_at, etag, bad_at, expires_at in (row[_STORED:] for row in rows)
        if store is not None and bad_at is None
    ]
    found.sort(key=lambda replica: replica.created_at)
    return tuple(found)
