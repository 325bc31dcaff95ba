"""PutObject."""

import time

from continuum.model.objects import Version
from continuum.store.gateway.attributes import describe_write, format_checksums, tell_version
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import ChecksumType, require_digest
from continuum.store.gateway.conditions import parse_write_conditions
from continuum.store.gateway.encrypting import choose_protection
from continuum.store.gateway.lifecycles import format_expiration
from continuum.store.gateway.publishing import (
    make_version_id,
    own_replica,
    publish,
    refuse_early,
    removed_on_failure,
)
from continuum.store.gateway.receiving import DEFAULT_CHECKSUM, Payload, write_body
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.sealing import Sealing


async def put_object(call: Call) -> Reply:
    """Write an object: its bytes to the own store under a new physical key, then one commit."""
    context = call.context
    bucket = await call.require_bucket()
    conditions = parse_write_conditions(call.headers)
    described = describe_write(call, bucket)
    if described.attributes.retention_mode or described.attributes.legal_hold:
        require_digest(call.headers)
    protection = choose_protection(call.headers, bucket, context.vault)
    payload = Payload(call, default_checksum=DEFAULT_CHECKSUM)
    sealing = Sealing(protection, payload.content_md5)
    refuse_early(call, conditions)
    physical = context.locations.make_physical_key()
    own = context.own
    with removed_on_failure(call, physical):
        stored_etag, checksums = await write_body(
            call, payload, own, physical.key, own.store.bucket, sealer=sealing.sealer
        )
        etag = sealing.choose_etag(stored_etag)
        version = Version(
            bucket=call.bucket,
            key=call.key,
            version_id=make_version_id(),
            etag=etag,
            size_bytes=payload.length,
            modified_at=time.time(),
            headers=described.headers,
            metadata=described.metadata,
            checksums=checksums,
            checksum_type=ChecksumType.FULL_OBJECT.value,
            replicas=(own_replica(call, physical.key),),
            owner=call.user.name,
            attributes=described.attributes,
            encryption=sealing.describe(stored_etag, context.vault),
        )
        published = await publish(call, version, session_id=physical.session_id, conditions=conditions)
    headers = {
        "ETag": f'"{etag}"',
        **format_checksums(checksums, ChecksumType.FULL_OBJECT.value),
        **tell_version(bucket, published),
        **sealing.headers,
        **format_expiration(bucket, published),
    }
    return Reply(headers=headers)
