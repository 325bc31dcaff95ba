"""Buckets and objects: read, write, copy, delete, list."""

import base64
import binascii
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from continuum.store.directories.operations.calls import DirectoryCall, kept_headers
from continuum.store.directories.reading import FileBody
from continuum.store.directories.receiving import (
    SMALL_BYTES,
    FileWriter,
    Piece,
    receive,
    receive_whole,
)
from continuum.store.directories.trees import Check, Found, OpenFile
from continuum.store.errors import S3Error
from continuum.store.gateway.conditions import check_copy_source, check_read, parse_write_conditions
from continuum.store.gateway.ranges import ByteRange, parse_range
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.wire import encode_key, format_http_date

MAX_KEYS = 1000
_PARTIAL = 206


# ---- buckets ----


async def list_buckets(call: DirectoryCall) -> Reply:
    """List the folders that are buckets."""
    found = await call.run(call.shared.tree.list_buckets)
    return call.answer({"Buckets": [{"Name": name, "CreationDate": at} for name, at in found]})


async def create_bucket(call: DirectoryCall) -> Reply:
    """Make a folder for a bucket."""
    await call.read_document()
    await call.run(call.shared.tree.make_bucket, call.bucket)
    return call.answer({"Location": f"/{call.bucket}"})


async def head_bucket(call: DirectoryCall) -> Reply:
    """Whether there is such a bucket."""
    await call.run(call.shared.tree.require_bucket, call.bucket)
    return call.answer()


async def delete_bucket(call: DirectoryCall) -> Reply:
    """Remove an empty bucket."""
    await call.run(call.shared.tree.remove_bucket, call.bucket)
    return call.answer()


# ---- reading ----


async def get_object(call: DirectoryCall) -> Reply:
    """Read an object or a range of it."""
    file = await call.run(call.shared.tree.find, call.bucket, call.key)
    try:
        status, chosen, headers = _select(call, file.found)
        start, length = (chosen.first, chosen.length_bytes) if chosen else (0, file.found.size_bytes)
        if not length:
            file.close()
            return Reply(status=status, headers=headers)
        body = FileBody(file, start, length, call.shared.executor)
    except BaseException:
        file.close()
        raise
    return Reply(status=status, headers=headers, stream=body, length=length)


async def head_object(call: DirectoryCall) -> Reply:
    """Describe an object."""
    file = await call.run(call.shared.tree.find, call.bucket, call.key)
    file.close()
    status, chosen, headers = _select(call, file.found)
    return Reply(
        status=status, headers=headers, length=chosen.length_bytes if chosen else file.found.size_bytes
    )


def _select(call: DirectoryCall, found: Found) -> tuple[int, ByteRange | None, dict[str, str]]:
    """Return status, range and headers of a read. Raises `S3Error` if its conditions do not hold."""
    check_read(call.headers, found.etag, found.modified_at)
    chosen = parse_range(call.headers.get("range"), found.size_bytes)
    headers = {
        "ETag": f'"{found.etag}"',
        "Last-Modified": format_http_date(found.modified_at),
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
    }
    headers.update({name.title(): value for name, value in found.headers.items() if name[:2] != "x-"})
    headers.update({name: value for name, value in found.headers.items() if name[:2] == "x-"})
    if chosen is not None:
        headers["Content-Range"] = chosen.content_range
    return (200 if chosen is None else _PARTIAL), chosen, headers


# ---- writing ----


async def put_object(call: DirectoryCall) -> Reply:
    """Write an object."""
    payload = call.payload()
    check = _read_check(call.headers)
    body = call.request.body
    tree = call.shared.tree
    if body.is_complete and payload.length <= SMALL_BYTES:
        pieces = receive_whole(body.take_all(), payload)
        found = await call.run(_write_small, call, pieces, payload.length, check)
        return call.answer({"ETag": f'"{found.etag}"'})
    tree.check_space(payload.length)
    with contextlib.ExitStack() as stack:
        descriptor, name = await call.run(stack.enter_context, tree.written())
        writer = FileWriter(descriptor)
        await receive(body, payload, writer, call.shared.executor)
        publish = partial(tree.publish, etag=writer.etag, headers=kept_headers(call.headers), check=check)
        found = await call.run(publish, descriptor, name, call.bucket, call.key)
    return call.answer({"ETag": f'"{found.etag}"'})


def _write_small(call: DirectoryCall, pieces: Sequence[Piece], length: int, check: Check | None) -> Found:
    tree = call.shared.tree
    tree.check_space(length)
    with tree.written() as (descriptor, name):
        writer = FileWriter(descriptor)
        writer.write(pieces)
        return tree.publish(
            descriptor,
            name,
            call.bucket,
            call.key,
            etag=writer.etag,
            headers=kept_headers(call.headers),
            check=check,
        )


def _read_check(headers: Mapping[str, str]) -> Check | None:
    """Return what a write demands of what is there; None if nothing."""
    wanted = parse_write_conditions(headers)
    if not wanted.if_none_match and not wanted.if_match:
        return None

    def check(before: Found | None) -> None:
        if wanted.if_none_match and before is not None:
            raise S3Error("PreconditionFailed", extra={"Condition": "If-None-Match"})
        if wanted.if_match and before is None:
            raise S3Error("NoSuchKey")
        if wanted.if_match and before is not None and before.etag != wanted.if_match:
            raise S3Error("PreconditionFailed", extra={"Condition": "If-Match"})

    return check


async def copy_object(call: DirectoryCall) -> Reply:
    """Copy an object within the store."""
    source = await open_source(call)
    try:
        is_replacing = call.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE"
        headers = kept_headers(call.headers) if is_replacing else None
        found = await call.run(call.shared.tree.copy, source, call.bucket, call.key, headers)
    finally:
        source.close()
    return call.answer({"CopyObjectResult": {"ETag": f'"{found.etag}"', "LastModified": found.modified_at}})


async def open_source(call: DirectoryCall) -> OpenFile:
    """Open what is to be copied. Raises `S3Error`."""
    text = unquote(call.headers["x-amz-copy-source"].partition("?")[0])
    bucket, _, key = text.removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error("InvalidArgument", "The copy source names a bucket and a key.")
    source = await call.run(call.shared.tree.find, bucket, key)
    try:
        check_copy_source(call.headers, source.found.etag, source.found.modified_at)
    except BaseException:
        source.close()
        raise
    return source


# ---- deleting ----


async def delete_object(call: DirectoryCall) -> Reply:
    """Delete an object."""
    await call.run(call.shared.tree.delete, call.bucket, [call.key])
    return call.answer()


async def delete_objects(call: DirectoryCall) -> Reply:
    """Delete up to 1,000 objects."""
    document = call.read_input(await call.read_document())["Delete"]
    keys = [each["Key"] for each in document["Objects"]]
    if not 1 <= len(keys) <= MAX_KEYS:
        raise S3Error("MalformedXML")
    await call.run(call.shared.tree.delete, call.bucket, keys)
    return call.answer({} if document.get("Quiet") else {"Deleted": [{"Key": key} for key in keys]})


# ---- listing ----


async def list_objects_v2(call: DirectoryCall) -> Reply:
    """List objects in the order of keys."""
    wanted = call.read_input()
    is_url = wanted.get("EncodingType") == "url"
    write: Callable[[str], str] = encode_key if is_url else str
    token = wanted.get("ContinuationToken", "")
    max_keys = min(wanted.get("MaxKeys", MAX_KEYS), MAX_KEYS)
    page = await call.run(
        partial(
            call.shared.lister.list_page,
            call.bucket,
            prefix=wanted.get("Prefix", ""),
            after=_open_token(token) if token else wanted.get("StartAfter", ""),
            delimiter=wanted.get("Delimiter", ""),
            max_keys=max_keys,
            any_text=is_url,
        )
    )
    output: dict[str, Any] = {
        "Name": call.bucket,
        "Prefix": write(wanted.get("Prefix", "")),
        "MaxKeys": max_keys,
        "KeyCount": len(page.entries) + len(page.common_prefixes),
        "IsTruncated": bool(page.next_after),
        "Contents": [
            {
                "Key": write(each.key),
                "LastModified": each.modified_at,
                "ETag": f'"{each.etag}"',
                "Size": each.size_bytes,
                "StorageClass": "STANDARD",
            }
            for each in page.entries
        ],
        "CommonPrefixes": [{"Prefix": write(prefix)} for prefix in page.common_prefixes],
    }
    for name in ("ContinuationToken", "EncodingType"):
        if name in wanted:
            output[name] = wanted[name]
    for name in ("StartAfter", "Delimiter"):
        if name in wanted:
            output[name] = write(wanted[name])
    if page.next_after:
        output["NextContinuationToken"] = base64.urlsafe_b64encode(page.next_after.encode()).decode()
    return call.answer(output)


def _open_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


OPERATIONS: Mapping[str, Callable[[DirectoryCall], Awaitable[Reply]]] = {
    "ListBuckets": list_buckets,
    "CreateBucket": create_bucket,
    "HeadBucket": head_bucket,
    "DeleteBucket": delete_bucket,
    "GetObject": get_object,
    "HeadObject": head_object,
    "PutObject": put_object,
    "CopyObject": copy_object,
    "DeleteObject": delete_object,
    "DeleteObjects": delete_objects,
    "ListObjectsV2": list_objects_v2,
}
