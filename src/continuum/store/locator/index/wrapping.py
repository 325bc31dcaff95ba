"""Descriptions of encryptions: listed in the order in which they were written, replaced where they are."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.uploads import Details as UploadDetails
from continuum.store.locator.index.versions import Details as VersionDetails
from continuum.store.locator.messages import (
    EncryptedEntry,
    EncryptedPage,
    ListEncrypted,
    ReplaceEncryption,
)
from continuum.store.locator.schema import uploads, versions

Thing = tuple[str, str]

LIST_VERSION_DETAILS = Statement(
    select(versions.c.number, versions.c.details, versions.c.ended_at)
    .where(versions.c.number > bindparam("after"))
    .order_by(versions.c.number)
    .limit(bindparam("limit"))
)
FIND_VERSION_DETAILS = Statement(
    select(versions.c.details, versions.c.bucket, versions.c.key).where(
        versions.c.number == bindparam("number")
    )
)
SET_VERSION_DETAILS = Statement(
    update(versions)
    .where(versions.c.number == bindparam("of_number"))
    .values(details=bindparam("to_details"))
)
LIST_UPLOAD_DETAILS = Statement(
    select(uploads.c.upload_id, uploads.c.details)
    .where(uploads.c.upload_id > bindparam("after"))
    .order_by(uploads.c.upload_id)
    .limit(bindparam("limit"))
)
FIND_UPLOAD_DETAILS = Statement(
    select(uploads.c.details).where(uploads.c.upload_id == bindparam("upload_id"))
)
SET_UPLOAD_DETAILS = Statement(
    update(uploads)
    .where(uploads.c.upload_id == bindparam("of_upload_id"))
    .values(details=bindparam("to_details"))
)

_encode = msgspec.msgpack.Encoder().encode
_decode_version = msgspec.msgpack.Decoder(VersionDetails).decode
_decode_upload = msgspec.msgpack.Decoder(UploadDetails).decode


def list_encrypted(connection: Connection, request: ListEncrypted) -> EncryptedPage:
    """Return a page of what is encrypted and lives."""
    rows: list[tuple[Any, ...]]
    if request.of_uploads:
        rows = connection.rows(LIST_UPLOAD_DETAILS, after=request.after, limit=request.limit)
        found = [(row[0], _decode_upload(row[1]).encryption) for row in rows]
    else:
        rows = connection.rows(LIST_VERSION_DETAILS, after=int(request.after or 0), limit=request.limit)
        found = [(str(row[0]), _decode_version(row[1]).encryption) for row in rows if row[2] is None]
    return EncryptedPage(
        entries=tuple(EncryptedEntry(name, encryption) for name, encryption in found if encryption),
        looked_at=len(rows),
        next_after=str(rows[-1][0]) if len(rows) == request.limit else "",
    )


def replace_versions_encryption(
    connection: Connection, items: tuple[ReplaceEncryption, ...]
) -> tuple[Thing, ...]:
    """Replace descriptions of versions; return the objects whose were replaced."""
    replaced: list[Thing] = []
    for item in items:
        row = connection.row(FIND_VERSION_DETAILS, number=int(item.name))
        details = _decode_version(row[0]) if row else None
        if row is None or details is None or details.encryption != item.before:
            continue
        changed = msgspec.structs.replace(details, encryption=item.after)
        connection.run(SET_VERSION_DETAILS, of_number=int(item.name), to_details=_encode(changed))
        replaced.append((row[1], row[2]))
    return tuple(replaced)


def replace_uploads_encryption(connection: Connection, items: tuple[ReplaceEncryption, ...]) -> int:
    """Replace descriptions of uploads; return how many."""
    count = 0
    for item in items:
        row = connection.row(FIND_UPLOAD_DETAILS, upload_id=item.name)
        details = _decode_upload(row[0]) if row else None
        if details is None or details.encryption != item.before:
            continue
        changed = msgspec.structs.replace(details, encryption=item.after)
        connection.run(SET_UPLOAD_DETAILS, of_upload_id=item.name, to_details=_encode(changed))
        count += 1
    return count
