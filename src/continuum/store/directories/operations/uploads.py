"""Multipart uploads."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from continuum.store.directories.disks import compute_md5, copy_bytes
from continuum.store.directories.operations.calls import DirectoryCall, kept_headers
from continuum.store.directories.operations.objects import open_source
from continuum.store.directories.receiving import FileWriter, receive
from continuum.store.directories.uploads import Part, Slot, Upload
from continuum.store.errors import S3Error
from continuum.store.gateway.ranges import MAX_PARTS, parse_range
from continuum.store.gateway.replies import Reply

PAGE = 1000


async def create_upload(call: DirectoryCall) -> Reply:
    """Begin an upload."""
    upload = await call.run(call.shared.uploads.create, call.bucket, call.key, kept_headers(call.headers))
    return call.answer({"Bucket": call.bucket, "Key": call.key, "UploadId": upload.upload_id})


async def _find(call: DirectoryCall) -> Upload:
    upload_id = call.routed.query.get("uploadId", "")
    return await call.run(call.shared.uploads.get, call.bucket, call.key, upload_id)


def _read_number(call: DirectoryCall) -> int:
    number: int = call.read_input()["PartNumber"]
    if not 1 <= number <= MAX_PARTS:
        raise S3Error(
            "InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        )
    return number


async def upload_part(call: DirectoryCall) -> Reply:
    """Take a part."""
    uploads = call.shared.uploads
    number, payload = _read_number(call), call.payload()
    slot = await call.run(uploads.begin_part, await _find(call), number, payload.length)
    try:
        writer = FileWriter(slot.descriptor, slot.start)
        await receive(call.request.body, payload, writer, call.shared.executor)
    except BaseException:
        uploads.give_up_part(slot)
        os.close(slot.descriptor)
        raise
    part = await _finish(call, slot, writer.etag, payload.length)
    return call.answer({"ETag": f'"{part.etag}"'})


async def upload_part_copy(call: DirectoryCall) -> Reply:
    """Take bytes of an object of this store as a part."""
    uploads = call.shared.uploads
    number, upload = _read_number(call), await _find(call)
    source = await open_source(call)
    try:
        chosen = parse_range(call.headers.get("x-amz-copy-source-range"), source.found.size_bytes)
        start, length = (
            (chosen.first, chosen.length_bytes) if chosen is not None else (0, source.found.size_bytes)
        )
        slot = await call.run(uploads.begin_part, upload, number, length)
        try:
            etag = await call.run(_copy_part, source.descriptor, slot, start, length)
        except BaseException:
            uploads.give_up_part(slot)
            os.close(slot.descriptor)
            raise
        part = await _finish(call, slot, etag, length)
    finally:
        source.close()
    return call.answer({"CopyPartResult": {"ETag": f'"{part.etag}"', "LastModified": part.modified_at}})


async def _finish(call: DirectoryCall, slot: Slot, etag: str, length: int) -> Part:
    try:
        return await call.run(call.shared.uploads.finish_part, slot, etag, length)
    finally:
        os.close(slot.descriptor)


def _copy_part(source: int, slot: Slot, start: int, length: int) -> str:
    """Copy bytes into a part's place; return their MD5."""
    copy_bytes(source, slot.descriptor, start, length, slot.start)
    return compute_md5(slot.descriptor, slot.start, length)


async def list_parts(call: DirectoryCall) -> Reply:
    """List the parts that are there."""
    wanted = call.read_input()
    upload = await _find(call)
    after = wanted.get("PartNumberMarker", 0)
    limit = min(wanted.get("MaxParts", PAGE), PAGE)
    parts = [part for part in await call.run(call.shared.uploads.parts, upload) if part.number > after]
    page = parts[:limit]
    output: dict[str, Any] = {
        "Bucket": call.bucket,
        "Key": call.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(parts) > len(page),
        "StorageClass": "STANDARD",
        "Parts": [
            {
                "PartNumber": part.number,
                "ETag": f'"{part.etag}"',
                "Size": part.size_bytes,
                "LastModified": part.modified_at,
            }
            for part in page
        ],
    }
    return call.answer(output)


async def list_uploads(call: DirectoryCall) -> Reply:
    """List the uploads into a bucket."""
    wanted = call.read_input()
    prefix = wanted.get("Prefix", "")
    found = await call.run(call.shared.uploads.find_all, call.bucket)
    chosen = [each for each in found if each.key.startswith(prefix)]
    return call.answer(
        {
            "Bucket": call.bucket,
            "Prefix": prefix,
            "MaxUploads": PAGE,
            "IsTruncated": len(chosen) > PAGE,
            "Uploads": [
                {"Key": each.key, "UploadId": each.upload_id, "Initiated": each.began_at}
                for each in chosen[:PAGE]
            ],
        }
    )


async def complete_upload(call: DirectoryCall) -> Reply:
    """Make an object of parts."""
    document = call.read_input(await call.read_document()).get("MultipartUpload") or {}
    wanted = [(part.get("PartNumber", 0), part.get("ETag", "")) for part in document.get("Parts") or []]
    if not wanted:
        raise S3Error("MalformedXML")
    if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
        raise S3Error("InvalidPartOrder")
    upload = await _find(call)
    found = await call.run(call.shared.uploads.complete, upload, wanted)
    return call.answer(
        {
            "Location": f"/{call.bucket}/{call.key}",
            "Bucket": call.bucket,
            "Key": call.key,
            "ETag": f'"{found.etag}"',
        }
    )


async def abort_upload(call: DirectoryCall) -> Reply:
    """Forget an upload and its parts."""
    await call.run(call.shared.uploads.abort, await _find(call))
    return call.answer()


OPERATIONS: Mapping[str, Callable[[DirectoryCall], Awaitable[Reply]]] = {
    "CreateMultipartUpload": create_upload,
    "UploadPart": upload_part,
    "UploadPartCopy": upload_part_copy,
    "ListParts": list_parts,
    "ListMultipartUploads": list_uploads,
    "CompleteMultipartUpload": complete_upload,
    "AbortMultipartUpload": abort_upload,
}
