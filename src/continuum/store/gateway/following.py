"""Attached objects, asked of their store: what others changed there, and what a list does not tell.

A scan knows key, ETag, size and time. Content type and metadata are asked for when the object is first used;
and when a read finds that the bytes are not those that the index speaks of, the store is asked what is there
now, so that a changed object is never served under its old description.
"""

from continuum.model.objects import Replica, Version
from continuum.store.gateway.attributes import CONTENT_HEADERS
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.wire import METADATA_PREFIX, parse_instant
from continuum.store.locator.messages import Followed, FollowObject, FoundObject
from continuum.store.stores.s3 import StoreReplyError

_NOT_FOUND = 404


async def describe(version: Version, peers: Peers, locations: Locations) -> Version | None:
    """Return a version with its headers and metadata; what is there now if it changed, None if it is gone.

    As it is, if its store does not answer, or is not to be asked from here: that is for the read to say.
    """
    if version.is_described:
        return version
    for replica in version.replicas:
        if replica.etag:
            return await follow(version, replica, peers, locations)
    return version


async def follow(version: Version, replica: Replica, peers: Peers, locations: Locations) -> Version | None:
    """Ask the store what is at an attached object's own name, and tell the index. Raises `ContinuumError`."""
    client = peers.find(replica.store)
    if client is None:
        await peers.refresh(at_most_every_s=1.0)
        client = peers.find(replica.store)
    if client is None or not peers.can_connect(replica.store):
        return version
    try:
        headers = await client.head(replica.key, bucket=replica.bucket)
    except StoreReplyError as problem:
        if problem.status != _NOT_FOUND:
            raise
        headers = {}
    request = FollowObject(
        session_id=locations.session_id,
        bucket=version.bucket,
        key=version.key,
        known_etag=replica.etag,
        found=_read_found(version.key, headers),
        headers={name: value for name, value in headers.items() if name in CONTENT_HEADERS},
        metadata={
            name.removeprefix(METADATA_PREFIX): value
            for name, value in headers.items()
            if name.startswith(METADATA_PREFIX)
        },
    )
    followed: Followed = await locations.change(request, (version.bucket, version.key))
    return followed.version


def _read_found(key: str, headers: dict[str, str]) -> FoundObject | None:
    etag = headers.get("etag", "").strip('"')
    if not etag:
        return None
    modified = parse_instant(headers.get("last-modified", ""))
    size_bytes = int(headers.get("content-length", "0"))
    return FoundObject(key, etag, size_bytes, modified.timestamp() if modified else 0.0)
