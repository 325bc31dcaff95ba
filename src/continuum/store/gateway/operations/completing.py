"""CompleteMultipartUpload: check the parts, let the store join them, publish the object with one commit.

If a gateway or a client is lost between the store's part and the commit, the same request again finds the
joined object and commits it. If the answer to a commit is lost, the same request again finds the version that
the upload became: its id is derived from the upload's.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from continuum.model.encryption import SSE_S3, read_encryption
from continuum.model.objects import Bucket, Replica, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import (
    ALGORITHMS,
    ChecksumType,
    check_object_checksum,
    combine_parts,
    decode_value,
    pack_digests,
)
from continuum.store.gateway.conditions import parse_write_conditions
from continuum.store.gateway.encrypting import ALGORITHM
from continuum.store.gateway.lifecycles import tell_expiration
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.parts import find_upload_anywhere, group_parts, translate_upload_error
from continuum.store.gateway.publishing import derive_version_id, publish, refuse_early
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.sealedparts import (
    describe_joined,
    find_sizes,
    show_parts,
    stored_part_etag,
)
from continuum.store.gateway.uploadstores import UploadStore
from continuum.store.locator.messages import NoSuchKeyError, NoSuchUploadError, Upload
from continuum.store.stores.s3 import StoredPart, StoreReplyError

MIN_PART_BYTES = 5 * 1024 * 1024


class Joined:
    """What the store made of the parts. `part_sizes` are empty if the object was found joined already."""

    def __init__(self, etag: str, size_bytes: int, part_sizes: tuple[int, ...]) -> None:
        self.etag = etag
        self.size_bytes = size_bytes
        self.part_sizes = part_sizes


async def complete_upload(call: Call) -> Reply:
    """Make an object of the parts that the request lists."""
    bucket = await call.require_bucket()
    try:
        upload, client = await find_upload_anywhere(call)
    except NoSuchUploadError:
        version = await _find_completed(call)
        if version is None:
            raise
        return _answer(call, bucket, version)
    conditions = parse_write_conditions(call.headers)
    document = read_input(call, await read_document(call)).get("MultipartUpload") or {}
    chosen: list[dict[str, Any]] = document.get("Parts") or []
    _check_order(chosen)
    refuse_early(call, conditions)
    try:
        stored = await _list_all(client, upload)
        sizes = _check_parts(chosen, stored)
        checksum, digests = _checksum(call, upload, chosen, sizes)
        joined = await _join(client, upload, chosen, sizes)
    except StoreReplyError as problem:
        translated = translate_upload_error(call, problem)
        if not isinstance(translated, NoSuchUploadError):
            raise translated from problem
        checksum, digests = {}, b""
        joined = await _find_joined(client, upload, chosen, translated)
    _check_size(call, joined)
    numbers = [part["PartNumber"] for part in chosen]
    encryption = describe_joined(upload, numbers, joined.etag, call.context.vault)
    version = _version(upload, joined, checksum, digests, encryption)
    session_id = call.context.locations.session_id
    published = await publish(
        call, version, session_id=session_id, conditions=conditions, upload_id=upload.upload_id
    )
    call.context.locations.forget_upload(upload.upload_id)
    return _answer(call, bucket, published)


async def _find_completed(call: Call) -> Version | None:
    """Return the version that this upload became, if it lives: who repeats a request whose answer was lost
    gets the same answer."""
    version_id = derive_version_id(call.routed.query["uploadId"])
    for asked in ("", version_id):
        try:
            version = await call.context.locations.look_up(call.bucket, call.key, asked)
        except NoSuchKeyError:
            continue
        if version.version_id == version_id:
            return version
    return None


def _answer(call: Call, bucket: Bucket, version: Version) -> Reply:
    output = {
        "Location": f"/{call.bucket}/{call.key}",
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": f'"{version.etag}"',
        **{f"Checksum{algorithm.upper()}": value for algorithm, value in version.checksums.items()},
    }
    if version.checksums:
        output["ChecksumType"] = version.checksum_type
    if bucket.versioning:
        output["VersionId"] = version.public_id
    encryption = read_encryption(version.encryption)
    if encryption is not None and encryption.mode == SSE_S3:
        output["ServerSideEncryption"] = ALGORITHM
    return answer(call, output | tell_expiration(bucket, version))


def _check_order(chosen: Sequence[Mapping[str, Any]]) -> None:
    if not chosen or any("ETag" not in part or "PartNumber" not in part for part in chosen):
        raise S3Error("MalformedXML")
    numbers = [part["PartNumber"] for part in chosen]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise S3Error("InvalidPartOrder")


async def _list_all(client: UploadStore, upload: Upload) -> dict[int, list[StoredPart]]:
    found: list[StoredPart] = []
    after, more = 0, True
    while more:
        parts, more = await client.list_parts(
            upload.physical_key, upload.store_upload_id, bucket=upload.physical_bucket, after=after
        )
        found.extend(parts)
        more = more and bool(parts)
        after = parts[-1].number if parts else after
    return group_parts(show_parts(upload, found))


def _check_parts(
    chosen: Sequence[Mapping[str, Any]], stored: Mapping[int, Sequence[StoredPart]]
) -> list[int]:
    """Return the parts' sizes. Raises `S3Error`: `InvalidPart`, `EntityTooSmall`."""
    sizes: list[int] = []
    for position, part in enumerate(chosen, start=1):
        number, etag = part["PartNumber"], part["ETag"].strip().strip('"')
        found = next((part for part in stored.get(number, ()) if part.etag == etag), None)
        if found is None:
            raise S3Error("InvalidPart", extra={"PartNumber": str(number), "ETag": etag[:100]})
        if found.size_bytes < MIN_PART_BYTES and position < len(chosen):
            raise S3Error(
                "EntityTooSmall",
                extra={
                    "ProposedSize": str(found.size_bytes),
                    "MinSizeAllowed": str(MIN_PART_BYTES),
                    "PartNumber": str(number),
                    "ETag": etag,
                },
            )
        sizes.append(found.size_bytes)
    return sizes


def _checksum(
    call: Call, upload: Upload, chosen: Sequence[Mapping[str, Any]], sizes: Sequence[int]
) -> tuple[dict[str, str], bytes]:
    """Return the object's checksum and those of its parts, packed, as the request gives them or as they were
    seen here."""
    algorithm, kind = upload.checksum_algorithm, upload.checksum_type
    if not algorithm:
        check_object_checksum(call.headers, "", "", "")
        return {}, b""
    values = [_part_checksum(call, upload, part) for part in chosen]
    if all(values):
        value = combine_parts(algorithm, kind, zip(values, sizes, strict=True))
        check_object_checksum(call.headers, algorithm, kind, value)
        return {algorithm: value}, pack_digests(values)
    if kind == ChecksumType.COMPOSITE:
        number = chosen[values.index("")]["PartNumber"]
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using a {algorithm} checksum. The complete request must include the"
            f" checksum for each part. It was missing for part {number} in the request.",
        )
    return {}, b""


def _part_checksum(call: Call, upload: Upload, part: Mapping[str, Any]) -> str:
    algorithm = upload.checksum_algorithm
    etag = part["ETag"].strip().strip('"')
    seen = call.context.locations.recall_part(upload.upload_id, part["PartNumber"], etag).get(algorithm, "")
    given: str = part.get(f"Checksum{algorithm.upper()}", "")
    if given:
        decode_value(algorithm, given)
    if given and seen and given != seen:
        raise S3Error("InvalidPart", extra={"PartNumber": str(part["PartNumber"]), "ETag": etag[:100]})
    for other in ALGORITHMS - {algorithm}:
        if f"Checksum{other.upper()}" in part:
            raise S3Error("InvalidRequest", f"The upload was created using a {algorithm} checksum.")
    return given or seen


async def _join(
    client: UploadStore, upload: Upload, chosen: Sequence[Mapping[str, Any]], sizes: Sequence[int]
) -> Joined:
    parts = [(part["PartNumber"], stored_part_etag(upload, _etag(part))) for part in chosen]
    etag = await client.complete_upload(
        upload.physical_key, upload.store_upload_id, parts, bucket=upload.physical_bucket
    )
    return Joined(etag, sum(sizes), tuple(sizes))


def _etag(part: Mapping[str, Any]) -> str:
    etag: str = part["ETag"]
    return etag.strip().strip('"')


async def _find_joined(
    client: UploadStore, upload: Upload, chosen: Sequence[Mapping[str, Any]], problem: NoSuchUploadError
) -> Joined:
    """Return the object that an earlier try of the same request left, or raise `problem`."""
    try:
        headers = await client.head(upload.physical_key, bucket=upload.physical_bucket)
    except StoreReplyError:
        raise problem from None
    stored_bytes = int(headers["content-length"])
    sizes = find_sizes(upload, [_etag(part) for part in chosen], stored_bytes)
    if sizes is None:
        raise problem
    return Joined(headers.get("etag", "").strip('"'), sum(sizes) if sizes else stored_bytes, sizes)


def _check_size(call: Call, joined: Joined) -> None:
    promised = call.headers.get("x-amz-mp-object-size")
    if promised is not None and promised != str(joined.size_bytes):
        raise S3Error(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {promised[:20]} does not match what was"
            f" computed: {joined.size_bytes}",
        )


def _version(
    upload: Upload, joined: Joined, checksum: dict[str, str], digests: bytes, encryption: bytes
) -> Version:
    now = time.time()
    replica = Replica(
        store=upload.store, bucket=upload.physical_bucket, key=upload.physical_key, created_at=now
    )
    return Version(
        bucket=upload.bucket,
        key=upload.key,
        version_id=derive_version_id(upload.upload_id),
        etag=joined.etag,
        size_bytes=joined.size_bytes,
        modified_at=now,
        headers=upload.headers,
        metadata=upload.metadata,
        checksums=checksum,
        checksum_type=upload.checksum_type if checksum else "",
        part_sizes=joined.part_sizes,
        part_checksums=digests,
        replicas=(replica,),
        owner=upload.initiator,
        attributes=upload.attributes,
        encryption=encryption,
    )
