"""Parts of multipart uploads: they go straight to the upload's store, under that store's own upload id."""

from collections.abc import Iterable
from typing import Any

from continuum.model.errors import ContinuumError
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import format_checksums
from continuum.store.gateway.calls import Call
from continuum.store.gateway.encrypting import Protection, continue_protection, parse_customer_key
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.receiving import Payload, write_body
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.sealedparts import show_etag, show_parts
from continuum.store.gateway.uploadstores import UploadStore
from continuum.store.gateway.wire import parse_instant
from continuum.store.locator.messages import NoSuchUploadError, Upload
from continuum.store.stores.s3 import StoreClient, StoredPart, StoreReplyError

MAX_PART_NUMBER = 10_000
MAX_LIST = 1000


async def find_upload(call: Call) -> tuple[Upload, StoreClient]:
    """Return the upload that a request names, and the store to which its parts are sent."""
    upload, client = await _find(call)
    if not call.context.peers.can_connect(upload.store):
        raise S3Error(
            "InvalidRequest",
            f"The upload was begun at {client.store.site}, and nobody elsewhere can connect to its store. "
            "Send its parts to the gateway there.",
        )
    return upload, client


async def find_upload_anywhere(call: Call) -> tuple[Upload, UploadStore]:
    """Return the upload that a request names, and who speaks for the store that has its parts."""
    upload, client = await _find(call)
    peers = call.context.peers
    if peers.can_connect(upload.store) or peers.distant is None:
        return upload, client
    return upload, peers.distant(client.store)


async def _find(call: Call) -> tuple[Upload, StoreClient]:
    await call.require_access()
    context = call.context
    upload = await context.locations.get_upload(call.bucket, call.key, call.routed.query["uploadId"])
    client = context.peers.find(upload.store)
    if client is None:
        await context.peers.refresh(at_most_every_s=1.0)
        client = context.peers.find(upload.store)
    if client is None:
        raise S3Error("ServiceUnavailable", "The store of this upload cannot be reached now.")
    return upload, client


def find_protection(call: Call, upload: Upload) -> Protection | None:
    """Return how the parts of an upload are encrypted; None: they are not. Raises `S3Error`."""
    vault = call.context.vault
    customer = parse_customer_key(call.headers, vault)
    try:
        return continue_protection(upload.encryption, customer, vault)
    except S3Error as problem:
        if problem.code == "InternalError":  # its key may have been wrapped anew since it was looked up
            call.context.locations.forget_upload(upload.upload_id)
        raise


def parse_part_number(call: Call) -> int:
    """Return the number of the part that a request sends. Raises `S3Error` `InvalidArgument`."""
    number: int = read_input(call)["PartNumber"]
    if not 1 <= number <= MAX_PART_NUMBER:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
            extra={"ArgumentName": "partNumber", "ArgumentValue": str(number)},
        )
    return number


async def upload_part(call: Call) -> Reply:
    """Pass a part on to the upload's store; no locator is asked when the upload is known."""
    number = parse_part_number(call)
    upload, client = await find_upload(call)
    protection = find_protection(call, upload)
    payload = Payload(call)
    query = [("partNumber", str(number)), ("uploadId", upload.store_upload_id)]
    try:
        stored_etag, checksums = await write_body(
            call,
            payload,
            client,
            upload.physical_key,
            upload.physical_bucket,
            query=query,
            sealer=protection.open_sealer(number) if protection is not None else None,
        )
    except StoreReplyError as problem:
        raise translate_upload_error(call, problem) from problem
    etag = show_etag(protection, stored_etag, payload.length)
    call.context.locations.remember_part(upload.upload_id, number, etag, checksums)
    told = protection.headers if protection is not None else {}
    return Reply(headers={"ETag": f'"{etag}"', **format_checksums(checksums, ""), **told})


def group_parts(parts: Iterable[StoredPart]) -> dict[int, list[StoredPart]]:
    """Return for each number the parts that may be the last one sent.

    SeaweedFS keeps a part that was sent again beside its successor, lists both in any order and dates them in
    seconds: within one second either may be the newer, and the client's choice of an ETag decides.
    """
    groups: dict[int, list[StoredPart]] = {}
    for part in parts:
        group = groups.setdefault(part.number, [])
        if group and part.modified > group[0].modified:
            group.clear()
        if not group or part.modified == group[0].modified:
            group.append(part)
    return groups


def translate_upload_error(call: Call, problem: StoreReplyError) -> ContinuumError:
    """The upload's store knows best whether the upload goes on."""
    if problem.code == "NoSuchUpload":
        call.context.locations.forget_upload(call.routed.query["uploadId"])
        return NoSuchUploadError(problem.message)
    return problem


async def list_parts(call: Call) -> Reply:
    """The parts that the upload's store has."""
    wanted = read_input(call)
    upload, client = await find_upload_anywhere(call)
    after, limit = wanted.get("PartNumberMarker", 0), min(wanted.get("MaxParts", MAX_LIST), MAX_LIST)
    try:
        parts, more = await client.list_parts(
            upload.physical_key,
            upload.store_upload_id,
            bucket=upload.physical_bucket,
            after=after,
            max_parts=limit,
        )
    except StoreReplyError as problem:
        raise translate_upload_error(call, problem) from problem
    who = {"ID": upload.initiator, "DisplayName": upload.initiator}
    output: dict[str, Any] = {
        "Bucket": call.bucket,
        "Key": call.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": parts[-1].number if parts else 0,
        "MaxParts": limit,
        "IsTruncated": more,
        "Parts": [
            _part(call, upload, group[-1]) for group in group_parts(show_parts(upload, parts)).values()
        ],
        "Initiator": who,
        "Owner": who,
        "StorageClass": "STANDARD",
    }
    if upload.checksum_algorithm:
        output |= {
            "ChecksumAlgorithm": upload.checksum_algorithm.upper(),
            "ChecksumType": upload.checksum_type,
        }
    return answer(call, output)


def _part(call: Call, upload: Upload, part: StoredPart) -> dict[str, Any]:
    line: dict[str, Any] = {
        "PartNumber": part.number,
        "LastModified": parse_instant(part.modified),
        "ETag": f'"{part.etag}"',
        "Size": part.size_bytes,
    }
    checksums = call.context.locations.recall_part(upload.upload_id, part.number, part.etag)
    for algorithm, value in checksums.items():
        line[f"Checksum{algorithm.upper()}"] = value
    return line
