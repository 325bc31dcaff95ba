"""Making the bytes of a new object from those of a version: as they are stored, or opened and sealed anew.

Bytes are copied as they are (by the store itself, if it is the own one) where source and copy are both plain
or both under SSE-S3: the copy keeps the data key, under the current master key. In all other cases they pass
through here. A copy for which neither the request nor the bucket asks for encryption stays under SSE-S3 if
its source is; it is never decrypted because nobody said anything.
"""

import msgspec

from continuum.model.encryption import (
    SSE_S3,
    Encryption,
    format_encryption,
    list_streams,
    stored_size,
)
from continuum.model.objects import Version
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.gateway.calls import Context
from continuum.store.gateway.encrypting import HEADER, Protection, rewrap
from continuum.store.gateway.opening import Unlocked, open_range
from continuum.store.gateway.piping import pipe
from continuum.store.gateway.reading import ReadStream, StreamOpener
from continuum.store.gateway.sealing import Sealing


class Duplicate(msgspec.Struct, frozen=True):
    """The new bytes: their ETag, what is kept of their encryption, what the reply says of it."""

    etag: str
    encryption: bytes = b""
    headers: dict[str, str] = {}


async def duplicate(
    context: Context, version: Version, unlocked: Unlocked | None, protection: Protection | None, key: str
) -> Duplicate:
    """Put a version's bytes under a new physical key of the own store."""
    if unlocked is None and protection is None:
        return Duplicate(await _copy_stored(context, version, key))
    if unlocked is not None and _may_stay(unlocked, protection):
        etag = await _copy_stored(context, version, key)
        kept = _describe(version, rewrap(context.vault, unlocked.encryption), etag)
        return Duplicate(version.etag, kept, unlocked.headers)
    sealing = Sealing(protection)
    body = await open_body(context, version, unlocked, 0, version.size_bytes)
    exchange = await context.own.begin("PUT", key, length=sealing.measure(version.size_bytes))
    headers = await pipe(body, exchange, sealing.sealer)
    etag = headers.get("etag", "").strip('"')
    return Duplicate(sealing.choose_etag(etag), sealing.describe(etag, context.vault), sealing.headers)


def _may_stay(unlocked: Unlocked, protection: Protection | None) -> bool:
    wanted = SSE_S3 if protection is None else protection.encryption.mode
    return unlocked.encryption.mode == wanted == SSE_S3


def _describe(version: Version, encryption: Encryption, stored_etag: str) -> bytes:
    """The copy has no parts any more, but its bytes are still streams of their sizes."""
    sizes = tuple(stream.size_bytes for stream in list_streams(version, encryption))
    return format_encryption(
        msgspec.structs.replace(
            encryption,
            stored_etag=stored_etag,
            stream_sizes=sizes if encryption.is_in_parts else (),
        )
    )


async def _copy_stored(context: Context, version: Version, key: str) -> str:
    own = context.own
    for replica in version.replicas:
        if replica.store == own.store.name and not replica.etag:
            return await own.copy(key, source_bucket=replica.bucket, source_key=replica.key)
    body = await StreamOpener(context.peers, context.locations, context.counts).open_whole(version)
    headers = await pipe(body, await own.begin("PUT", key, length=stored_size(version)))
    return headers.get("etag", "").strip('"')


async def open_body(
    context: Context, version: Version, unlocked: Unlocked | None, start: int, length: int
) -> ReplyBody | None:
    """Return the plain bytes of a range of a version; None for no bytes."""
    if not length:
        return None
    opened = await open_range(context, version, unlocked, start, length)
    exchange, replica = await opened.source.open()
    stream = ReadStream(opened.source, exchange, replica, context.peers, context.counts)
    return opened.wrap(stream, context.counts)


def asks_for_encryption(headers: dict[str, str]) -> bool:
    """Whether a request says how its object is to be encrypted: then a copy to itself changes something."""
    return any(name.startswith(HEADER) for name in headers)
