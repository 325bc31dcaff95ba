"""CopyObject and UploadPartCopy: inside the own store by the store itself, from elsewhere as a stream."""

import time
from typing import Any

import msgspec

from continuum.model.objects import Bucket, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import Described, describe_write
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import ChecksumType
from continuum.store.gateway.conditions import check_copy_source, parse_write_conditions
from continuum.store.gateway.duplicating import asks_for_encryption, duplicate, open_body
from continuum.store.gateway.encrypting import (
    COPY_SOURCE_CUSTOMER,
    choose_protection,
)
from continuum.store.gateway.lifecycles import tell_expiration
from continuum.store.gateway.opening import unlock_version
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.finding import (
    not_found,
    parse_version_id,
    refuse_marker,
    require_described,
)
from continuum.store.gateway.operations.parts import (
    find_protection,
    find_upload,
    parse_part_number,
    translate_upload_error,
)
from continuum.store.gateway.permissions import CopySource, parse_copy_source
from continuum.store.gateway.piping import pipe
from continuum.store.gateway.publishing import (
    make_version_id,
    own_replica,
    publish,
    removed_on_failure,
)
from continuum.store.gateway.ranges import parse_range
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.sealedparts import show_etag
from continuum.store.locator.messages import NoSuchKeyError
from continuum.store.stores.s3 import StoreReplyError

MAX_COPY_BYTES = 5 * 1024**3
_HEADER = "x-amz-copy-source"


async def copy_object(call: Call) -> Reply:
    """Make a new object of the bytes of another; its attributes are the source's or new ones."""
    bucket = await call.require_bucket()
    conditions = parse_write_conditions(call.headers)
    source, version = await _find_source(call)
    if version.size_bytes > MAX_COPY_BYTES:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source:"
            f" {MAX_COPY_BYTES}",
        )
    described = _describe(call, bucket, source, version)
    protection = choose_protection(call.headers, bucket, call.context.vault)
    unlocked = unlock_version(version, call.headers, call.context.vault, COPY_SOURCE_CUSTOMER)
    physical = call.context.locations.make_physical_key()
    with removed_on_failure(call, physical):
        made = await duplicate(call.context, version, unlocked, protection, physical.key)
        whole = version.checksum_type == ChecksumType.FULL_OBJECT
        copied = msgspec.structs.replace(
            version,
            bucket=call.bucket,
            key=call.key,
            version_id=make_version_id(),
            etag=made.etag,
            modified_at=time.time(),
            headers=described.headers,
            metadata=described.metadata,
            checksums=version.checksums if whole else {},
            checksum_type=version.checksum_type if whole else "",
            part_sizes=(),
            part_checksums=b"",
            replicas=(own_replica(call, physical.key),),
            owner=call.user.name,
            attributes=described.attributes,
            encryption=made.encryption,
        )
        published = await publish(call, copied, session_id=physical.session_id, conditions=conditions)
    output: dict[str, Any] = {"CopyObjectResult": _result(published.etag, published.modified_at, published)}
    if bucket.versioning:
        output["VersionId"] = published.public_id
    output |= tell_expiration(bucket, published)
    reply = answer(call, output | await _tell_source(call, source, version))
    reply.headers.update(made.headers)
    return reply


def _result(etag: str, modified_at: float, version: Version) -> dict[str, Any]:
    result: dict[str, Any] = {"ETag": f'"{etag}"', "LastModified": modified_at}
    for algorithm, value in version.checksums.items():
        result[f"Checksum{algorithm.upper()}"] = value
    return result


async def _find_source(call: Call) -> tuple[CopySource, Version]:
    source = parse_copy_source(call.headers[_HEADER])
    if "?versionId=" in call.headers[_HEADER]:
        parse_version_id(source.version_id, _HEADER)
    await call.require_access(source.bucket)
    try:
        version = await call.context.locations.look_up(source.bucket, source.key, source.version_id)
    except NoSuchKeyError:
        raise not_found(source.key, source.version_id) from None
    if version.is_delete_marker:
        raise _refuse_marker(version, source)
    if not version.is_described:
        version = await require_described(call, version, source.version_id)
    check_copy_source(call.headers, version.etag, version.modified_at)
    return source, version


def _refuse_marker(marker: Version, source: CopySource) -> S3Error:
    if not source.version_id:
        return refuse_marker(marker, "")
    return S3Error(
        "InvalidRequest",
        "The source of a copy request may not specifically refer to a delete marker by version id.",
    )


async def _tell_source(call: Call, source: CopySource, version: Version) -> dict[str, str]:
    """Which version was copied, if its bucket keeps versions or did."""
    if version.is_null and not (await call.context.locations.get_bucket(source.bucket)).versioning:
        return {}
    return {"CopySourceVersionId": version.public_id}


def _describe(call: Call, bucket: Bucket, source: CopySource, version: Version) -> Described:
    """Return what the new object is: by two directives the source's metadata and tags, or the request's.

    Neither a lock nor an ACL is ever copied.
    """
    described = describe_write(call, bucket)
    if _parse_directive(call, "x-amz-tagging-directive") == "COPY":
        attributes = msgspec.structs.replace(described.attributes, tags=version.attributes.tags)
        described = msgspec.structs.replace(described, attributes=attributes)
    if _parse_directive(call, "x-amz-metadata-directive") == "REPLACE":
        return described
    is_itself = (source.bucket, source.key) == (call.bucket, call.key) and not source.version_id
    if is_itself and not asks_for_encryption(call.headers):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing"
            " the object's metadata, storage class, website redirect location or encryption attributes.",
        )
    return msgspec.structs.replace(described, headers=version.headers, metadata=version.metadata)


def _parse_directive(call: Call, name: str) -> str:
    directive = call.headers.get(name, "COPY").upper()
    if directive not in {"COPY", "REPLACE"}:
        what = name.removeprefix("x-amz-").removesuffix("-directive")
        raise S3Error("InvalidArgument", f"Unknown {what} directive.")
    return directive


async def upload_part_copy(call: Call) -> Reply:
    """Make a part of the bytes, or a range, of an object."""
    number = parse_part_number(call)
    upload, client = await find_upload(call)
    source, version = await _find_source(call)
    start, length = _choose_range(call, version)
    protection = find_protection(call, upload)
    unlocked = unlock_version(version, call.headers, call.context.vault, COPY_SOURCE_CUSTOMER)
    body = await open_body(call.context, version, unlocked, start, length)
    sealer = protection.open_sealer(number) if protection is not None else None
    exchange = await client.begin_part(
        upload.physical_key,
        upload.store_upload_id,
        number,
        length if sealer is None else sealer.measure(length),
        bucket=upload.physical_bucket,
    )
    try:
        headers = await pipe(body, exchange, sealer)
    except StoreReplyError as problem:
        raise translate_upload_error(call, problem) from problem
    etag = show_etag(protection, headers.get("etag", "").strip('"'), length)
    result = {"CopyPartResult": {"ETag": f'"{etag}"', "LastModified": time.time()}}
    reply = answer(call, result | await _tell_source(call, source, version))
    reply.headers.update(protection.headers if protection is not None else {})
    return reply


def _choose_range(call: Call, version: Version) -> tuple[int, int]:
    text = read_input(call).get("CopySourceRange")
    if text is None:
        return 0, version.size_bytes
    chosen = parse_range(text, version.size_bytes)
    if chosen is None:
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are"
            " the zero-based offsets of the first and last bytes to copy",
        )
    return chosen.first, chosen.length_bytes
