"""GetObject and HeadObject."""

from functools import partial

from continuum.model.encryption import stored_size
from continuum.model.objects import Version
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import VERSION_ID_HEADER, format_attributes
from continuum.store.gateway.blocks import BlockCache
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.gateway.calls import Call, Context
from continuum.store.gateway.conditions import check_read
from continuum.store.gateway.lifecycles import format_expiration
from continuum.store.gateway.opening import OpenRange, describe_encryption, open_range, unlock_version
from continuum.store.gateway.operations.answers import read_input
from continuum.store.gateway.operations.finding import find_version
from continuum.store.gateway.ranges import ByteRange, find_part, parse_range
from continuum.store.gateway.reading import ReadStream, UnreadableError
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.wire import parse_reply_header

SMALL_BYTES = (
    256 * 1024
)  # not worth to be continued from another replica if the own store fails in the middle
SOURCE_SITE_HEADER = "x-continuum-source-site"

_PARTIAL = 206
_NOT_MODIFIED = 304
_CONDITIONS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_OVERRIDES = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}


class Selection:
    """What of a version a request asks for, and the reply's status and headers."""

    __slots__ = ("headers", "length", "start", "status", "version")

    def __init__(self, call: Call, version: Version, *, is_versioned: bool) -> None:
        self.version = version
        part = _parse_part(call)
        chosen = _choose_bytes(call, version, part)
        checksums = "x-amz-checksum-mode" in call.headers and (chosen is None or part is not None)
        self.headers = format_attributes(version, with_checksums=checksums, is_versioned=is_versioned)
        bucket = call.context.locations.recall_bucket(call.bucket)
        if bucket is not None and "versionId" not in call.routed.query:
            self.headers.update(format_expiration(bucket, version))
        self.status, self.start, self.length = 200, 0, version.size_bytes
        if part is not None and version.part_sizes:
            self.headers["x-amz-mp-parts-count"] = str(len(version.part_sizes))
        if chosen is not None:
            self.status, self.start, self.length = _PARTIAL, chosen.first, chosen.length_bytes
            self.headers["Content-Range"] = chosen.content_range
        if call.routed.query:
            for name, header in _OVERRIDES.items():
                if name in call.routed.query:
                    self.headers[header] = parse_reply_header(call.routed.query[name], name)


def _parse_part(call: Call) -> int | None:
    if "partNumber" not in call.routed.query:
        return None
    if "range" in call.headers:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    part: int = read_input(call)["PartNumber"]
    return part


def _choose_bytes(call: Call, version: Version, part: int | None) -> ByteRange | None:
    if part is not None:
        return find_part(part, version.size_bytes, version.part_sizes)
    header = call.headers.get("range")
    return parse_range(header, version.size_bytes) if header else None


async def head_object(call: Call) -> Reply:
    """Describe an object: no store is asked."""
    is_versioned = bool((await call.require_bucket()).versioning)
    version = await find_version(call)
    encryption = describe_encryption(version, call.headers, call.context.vault)
    refused = _check_conditions(call, version, is_versioned=is_versioned)
    if refused is not None:
        return refused
    selection = Selection(call, version, is_versioned=is_versioned)
    selection.headers.update(encryption)
    return Reply(status=selection.status, headers=selection.headers, length=selection.length)


async def get_object(call: Call) -> Reply:
    """Read an object, or a range of it, from the nearest store that has it."""
    is_versioned = bool((await call.require_bucket()).versioning)
    version = await find_version(call)
    try:
        return await _read(call, version, is_versioned=is_versioned)
    except UnreadableError:
        again = await find_version(call)  # the source asked again already, so this is what there is now
        if again.version_id == version.version_id:
            raise
    return await _read(call, again, is_versioned=is_versioned)


def _check_conditions(call: Call, version: Version, *, is_versioned: bool) -> Reply | None:
    """Return the reply 304, raise for 412, or return None if the read goes on."""
    if _CONDITIONS.isdisjoint(call.headers):
        return None
    try:
        check_read(call.headers, version.etag, version.modified_at)
    except S3Error as problem:
        if problem.status != _NOT_MODIFIED:
            raise
        described = format_attributes(version, with_checksums=False, is_versioned=is_versioned)
        kept = ("ETag", "Last-Modified", "Cache-Control", "Expires", VERSION_ID_HEADER)
        headers = {name: described[name] for name in kept if name in described}
        return Reply(status=_NOT_MODIFIED, headers=headers)
    return None


async def _read(call: Call, version: Version, *, is_versioned: bool) -> Reply:
    context = call.context
    unlocked = unlock_version(version, call.headers, context.vault)
    refused = _check_conditions(call, version, is_versioned=is_versioned)
    if refused is not None:
        return refused
    selection = Selection(call, version, is_versioned=is_versioned)
    headers, length = selection.headers, selection.length
    if unlocked is not None:
        headers.update(unlocked.headers)
    if not length:
        headers[SOURCE_SITE_HEADER] = context.site
        return Reply(status=selection.status, headers=headers)
    opened = await open_range(context, version, unlocked, selection.start, length)
    source = opened.source
    if context.blocks is not None and context.blocks.suits(version, source.length):
        body, headers[SOURCE_SITE_HEADER] = await _read_blocks(context, context.blocks, opened, length)
        return Reply(status=selection.status, headers=headers, stream=body, length=length)
    exchange, replica = await source.open()
    site = context.peers.site_of(replica.store)
    headers[SOURCE_SITE_HEADER] = source.brought_from or site
    own = context.own.store.name
    keep_until = context.keeper.take_read(version, replica, selection.length)
    if unlocked is None and replica.store == own and length <= SMALL_BYTES:
        context.counts.count_read(site, length)
        return Reply(status=selection.status, headers=headers, stream=exchange, length=length)
    stream = ReadStream(source, exchange, replica, context.peers, context.counts)
    if keep_until is not None and source.length == stored_size(version):
        stream.copy = context.copier.begin(version, keep_until)
    body = opened.wrap(stream, context.counts)
    return Reply(status=selection.status, headers=headers, stream=body, length=length)


async def _read_blocks(
    context: Context, blocks: BlockCache, opened: OpenRange, length: int
) -> tuple[ReplyBody, str]:
    """Return a body of bytes that lie at other sites, and the site that they come from."""
    source = opened.source
    version = source.version
    reader = blocks.read(version, source.start, source.length)
    site = await reader.open()
    keep_until = context.keeper.take_read(version, version.replicas[0], length)
    if keep_until is not None and source.length == stored_size(version):
        make_body = partial(blocks.read, version, 0, source.length)
        context.copier.begin_beside(version, keep_until, reader, make_body)
    return opened.wrap(reader, context.counts), site
