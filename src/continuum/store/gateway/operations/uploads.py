"""Multipart uploads as such: begun, aborted, listed."""

import secrets
import time
from typing import Any

from continuum.model.errors import ContinuumError
from continuum.store.gateway.attributes import describe_write
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import parse_upload_checksum
from continuum.store.gateway.encrypting import choose_protection
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.listing import choose_writer, tell_prefixes
from continuum.store.gateway.operations.parts import find_upload_anywhere
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import (
    AbortUpload,
    CreateUpload,
    ListUploads,
    Upload,
    UploadPage,
)

MAX_LIST = 1000


async def create_upload(call: Call) -> Reply:
    """Begin an upload at the own store and note it at the locator."""
    context = call.context
    bucket = await call.require_bucket()
    described = describe_write(call, bucket)
    protection = choose_protection(call.headers, bucket, context.vault)
    algorithm, kind = parse_upload_checksum(call.headers)
    physical = context.locations.make_physical_key()
    own = context.own
    store_upload_id = await own.create_upload(physical.key)
    upload = Upload(
        upload_id=secrets.token_urlsafe(48),
        bucket=call.bucket,
        key=call.key,
        initiator=call.user.name,
        created_at=time.time(),
        store=own.store.name,
        physical_bucket=own.store.bucket,
        physical_key=physical.key,
        store_upload_id=store_upload_id,
        headers=described.headers,
        metadata=described.metadata,
        checksum_algorithm=algorithm,
        checksum_type=kind,
        attributes=described.attributes,
        encryption=protection.document if protection is not None else b"",
    )
    try:
        noted: Upload = await context.locations.ask(
            CreateUpload(session_id=physical.session_id, upload=upload)
        )
    except ContinuumError:
        context.discarding.abort(physical, store_upload_id)
        raise
    context.locations.remember_upload(noted)
    output: dict[str, Any] = {"Bucket": call.bucket, "Key": call.key, "UploadId": upload.upload_id}
    if algorithm:
        output |= {"ChecksumAlgorithm": algorithm.upper(), "ChecksumType": kind}
    reply = answer(call, output)
    reply.headers.update(protection.headers if protection is not None else {})
    return reply


async def abort_upload(call: Call) -> Reply:
    """End an upload; its parts are removed at once, or later by the collector."""
    upload, client = await find_upload_anywhere(call)
    locations = call.context.locations
    locations.forget_upload(upload.upload_id)
    await locations.ask(
        AbortUpload(
            session_id=locations.session_id,
            bucket=call.bucket,
            key=call.key,
            upload_id=upload.upload_id,
        )
    )
    try:
        await client.abort_upload(upload.physical_key, upload.store_upload_id, bucket=upload.physical_bucket)
    except ContinuumError:
        return answer(call)  # the collector was told by the locator
    return answer(call)


async def list_uploads(call: Call) -> Reply:
    """The uploads of a bucket that go on."""
    wanted = read_input(call)
    await call.require_bucket()
    limit = min(wanted.get("MaxUploads", MAX_LIST), MAX_LIST)
    page: UploadPage = await call.context.locations.ask(
        ListUploads(
            bucket=call.bucket,
            prefix=wanted.get("Prefix", ""),
            delimiter=wanted.get("Delimiter", ""),
            key_marker=wanted.get("KeyMarker", ""),
            upload_id_marker=wanted.get("UploadIdMarker", "") if wanted.get("KeyMarker") else "",
            max_uploads=max(limit, 1),
        )
    )
    write = choose_writer(wanted)
    output: dict[str, Any] = {
        "Bucket": call.bucket,
        "KeyMarker": write(wanted.get("KeyMarker", "")),
        "UploadIdMarker": wanted.get("UploadIdMarker", ""),
        "MaxUploads": limit,
        "IsTruncated": page.is_truncated,
        "Uploads": [_upload(upload, write(upload.key)) for upload in page.uploads],
        **tell_prefixes(wanted, page.common_prefixes),
    }
    if page.is_truncated:
        output["NextKeyMarker"] = write(page.next_key_marker)
        output["NextUploadIdMarker"] = page.next_upload_id_marker
    return answer(call, output)


def _upload(upload: Upload, key: str) -> dict[str, Any]:
    who = {"ID": upload.initiator, "DisplayName": upload.initiator}
    line: dict[str, Any] = {
        "UploadId": upload.upload_id,
        "Key": key,
        "Initiated": upload.created_at,
        "StorageClass": "STANDARD",
        "Owner": who,
        "Initiator": who,
    }
    if upload.checksum_algorithm:
        line |= {"ChecksumAlgorithm": upload.checksum_algorithm.upper(), "ChecksumType": upload.checksum_type}
    return line
