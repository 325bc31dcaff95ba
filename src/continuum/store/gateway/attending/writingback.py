"""Bringing writes of attached buckets to their own names, where those see them who use the store without us.

The bytes lie under a physical key already, acknowledged and durable; here they are copied, with their headers
and metadata, to the object's own name, or that name is removed after a deletion. Encrypted objects are not
brought there: under their own names they would be of no use.
"""

import asyncio
import logging

from continuum.model.errors import ContinuumError
from continuum.model.objects import Version
from continuum.store.gateway.attending.scanning import require_client
from continuum.store.gateway.calls import Context
from continuum.store.gateway.piping import pipe
from continuum.store.gateway.reading import ReadStream, ReplicaSource
from continuum.store.locator.messages import (
    LookUp,
    NoSuchBucketError,
    NoSuchKeyError,
    SettleWriteBack,
    WriteBack,
)
from continuum.store.stores.exchanges import StoreProtocolError
from continuum.store.stores.s3 import StoreClient

log = logging.getLogger(__name__)

PART_BYTES = 64 * 1024 * 1024
MULTIPART_ABOVE_BYTES = 2 * PART_BYTES
MAX_PARTS = 10_000


async def write_back(context: Context, item: WriteBack, turns: asyncio.Semaphore) -> None:
    """Bring one object to its own name and settle the item; put it off if that does not work."""
    async with turns:
        try:
            settled = await _bring(context, item)
        except ContinuumError as problem:
            log.info("%s/%s comes to its own name later: %s", item.bucket, item.key, problem)
            settled = _settle(context, item, problem=problem.message)
        try:
            await context.locations.ask(settled)
        except ContinuumError as problem:
            log.info("%s/%s will be brought to its own name again: %s", item.bucket, item.key, problem)


def _settle(
    context: Context, item: WriteBack, *, version_id: str = "", etag: str = "", problem: str = ""
) -> SettleWriteBack:
    return SettleWriteBack(
        session_id=context.locations.session_id,
        item_id=item.item_id,
        version_id=version_id,
        etag=etag,
        problem=problem,
    )


async def _bring(context: Context, item: WriteBack) -> SettleWriteBack:
    client = await require_client(context, item.store)
    version = await _find(context, item)
    if version is None:
        await client.delete(item.physical_key, bucket=item.physical_bucket)
        return _settle(context, item)
    for replica in version.replicas:
        if replica.etag and replica.store == item.store:  # it is there: the current one came from there
            return _settle(context, item, version_id=version.version_id, etag=replica.etag)
    if version.encryption:
        return _settle(context, item, problem="the object is encrypted, so it has no plain name")
    etag = await _copy(context, version, client, item)
    return _settle(context, item, version_id=version.version_id, etag=etag)


async def _find(context: Context, item: WriteBack) -> Version | None:
    try:
        version: Version = await context.locations.ask(LookUp(bucket=item.bucket, key=item.key))
    except (NoSuchKeyError, NoSuchBucketError):
        return None
    return None if version.is_delete_marker else version


async def _copy(context: Context, version: Version, client: StoreClient, item: WriteBack) -> str:
    """Write a version's bytes to the own name; return the store's ETag."""
    headers = dict(version.headers)
    headers |= {f"x-amz-meta-{name}": value for name, value in version.metadata.items()}
    if version.size_bytes > MULTIPART_ABOVE_BYTES:
        return await _copy_in_parts(context, version, client, item, headers)
    exchange = await client.begin(
        "PUT", item.physical_key, bucket=item.physical_bucket, headers=headers, length=version.size_bytes
    )
    reply = await pipe(await _open(context, version, 0, version.size_bytes), exchange)
    etag = reply.get("etag", "").strip('"')
    if "-" not in version.etag + etag and etag != version.etag:
        raise StoreProtocolError("what came to the object's own name has another ETag")
    return etag


async def _copy_in_parts(
    context: Context, version: Version, client: StoreClient, item: WriteBack, headers: dict[str, str]
) -> str:
    size = max(PART_BYTES, -(-version.size_bytes // MAX_PARTS))
    key, bucket = item.physical_key, item.physical_bucket
    upload_id = await client.create_upload(key, bucket=bucket, headers=headers)
    try:
        parts = []
        for number, start in enumerate(range(0, version.size_bytes, size), start=1):
            length = min(size, version.size_bytes - start)
            exchange = await client.begin_part(key, upload_id, number, length, bucket=bucket)
            reply = await pipe(await _open(context, version, start, length), exchange)
            parts.append((number, reply.get("etag", "").strip('"')))
        return await client.complete_upload(key, upload_id, parts, bucket=bucket)
    except BaseException:
        await asyncio.shield(client.abort_upload(key, upload_id, bucket=bucket))
        raise


async def _open(context: Context, version: Version, start: int, length: int) -> ReadStream | None:
    if not length:
        return None
    source = ReplicaSource(version, context.peers, context.locations, start=start, length=length)
    exchange, replica = await source.open()
    return ReadStream(source, exchange, replica, context.peers, context.counts)
