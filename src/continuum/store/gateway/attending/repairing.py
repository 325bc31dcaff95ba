"""A good copy in the place of a bad one: read from another store, checked on the way, written anew."""

import time

from continuum.model.encryption import stored_size
from continuum.model.errors import ContinuumError
from continuum.model.objects import Replica, Version
from continuum.store.gateway.attending.contents import CONTENT_BAD, check_stored, find_version
from continuum.store.gateway.calls import Context
from continuum.store.gateway.piping import pipe
from continuum.store.gateway.reading import ReadStream, ReplicaSource
from continuum.store.gateway.receiving import MAX_PUT_BYTES
from continuum.store.locator.messages import IndexedReplica, ReplaceReplica
from continuum.store.stores.exchanges import StoreProtocolError
from continuum.store.stores.s3 import StoreClient

REPAIRED, LOST = "repaired", "lost"


async def repair(context: Context, client: StoreClient, replica: IndexedReplica) -> str:
    """Return `repaired`, `lost` (no good copy is left), or why it was not repaired."""
    try:
        version = await find_version(context, replica)
        if version is None:
            return "the version could not be found"
        if not version.replicas:
            return LOST
        if client is not context.own:
            return "only a site's own store is repaired"
        if stored_size(version) > MAX_PUT_BYTES:
            return "too large to be copied in one piece"
        await _copy(context, version)
    except ContinuumError as problem:
        return problem.message
    return REPAIRED


async def _copy(context: Context, version: Version) -> None:
    """Write a checked copy to the own store and put it in the bad one's place."""
    locations, own = context.locations, context.own
    physical = locations.make_physical_key()
    try:
        await _write(context, version, physical.key)
        copy = Replica(
            store=own.store.name, bucket=own.store.bucket, key=physical.key, created_at=time.time()
        )
        request = ReplaceReplica(
            session_id=physical.session_id,
            bucket=version.bucket,
            key=version.key,
            version_id=version.version_id,
            replica=copy,
        )
        with context.discarding.doubting(physical.key):
            await locations.change(request, (version.bucket, version.key))
    except BaseException:
        context.discarding.begin(physical)
        raise


async def _write(context: Context, version: Version, key: str) -> None:
    size_bytes = stored_size(version)
    check = check_stored(version)
    exchange = await context.own.begin("PUT", key, length=size_bytes)
    stream = None
    if size_bytes:
        source = ReplicaSource(version, context.peers, context.locations, start=0, length=size_bytes)
        found, replica = await source.open()
        stream = ReadStream(source, found, replica, context.peers, context.counts)
        stream.copy = check
    await pipe(stream, exchange)
    if size_bytes and check.verdict() == CONTENT_BAD:
        raise StoreProtocolError("the other copy is bad too")
