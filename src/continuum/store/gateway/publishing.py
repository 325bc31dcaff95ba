"""Publishing what was written: one commit makes a version visible everywhere, or nothing does."""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator

from continuum.model.errors import UnavailableError
from continuum.model.objects import Replica, Setting, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.conditions import WriteConditions, matches_etag
from continuum.store.gateway.locations import PhysicalKey
from continuum.store.locator.messages import Commit, Origin
from continuum.store.stores.exchanges import StoreUnreachableError


def make_version_id() -> str:
    """Return an id that no other version has."""
    return secrets.token_hex(16)


def derive_version_id(upload_id: str) -> str:
    """Return the id of the version that a multipart upload becomes; nobody can tell the upload from it."""
    return hashlib.sha256(upload_id.encode()).hexdigest()[:32]


def refuse_early(call: Call, conditions: WriteConditions) -> None:
    """Raise `PreconditionFailed` if it is already known that the write's conditions do not hold.

    What is remembered is certain; the locator decides all other cases when the version is committed.
    """
    if not conditions.if_none_match and not conditions.if_match:
        return
    known = call.context.locations.recall_version(call.bucket, call.key)
    if known is None or known.is_delete_marker:
        return
    if conditions.if_none_match:
        raise S3Error("PreconditionFailed", extra={"Condition": "If-None-Match"})
    if not matches_etag(conditions.if_match, known.etag):
        raise S3Error("PreconditionFailed", extra={"Condition": "If-Match"})


@contextlib.contextmanager
def removed_on_failure(call: Call, physical: PhysicalKey) -> Iterator[None]:
    """Remove what was written under a physical key if the block fails; if its commit may have succeeded, the
    locator decides."""
    discarding = call.context.discarding
    try:
        yield
    except StoreUnreachableError:
        raise  # nothing was written
    except BaseException:
        discarding.begin(physical)
        raise


class UncertainError(UnavailableError):
    """The locator did not say whether it committed."""


async def publish(
    call: Call,
    version: Version,
    *,
    session_id: str,
    conditions: WriteConditions,
    upload_id: str = "",
) -> Version:
    """Commit a version. Raises the locator's decision, or `UncertainError` if it gave none."""
    request = Commit(
        session_id=session_id,
        version=version,
        if_none_match=conditions.if_none_match,
        if_match=conditions.if_match,
        upload_id=upload_id,
        origin=describe_origin(call),
    )
    try:
        with call.context.discarding.doubting(version.replicas[0].key):
            return await call.context.locations.publish(request)
    except UnavailableError as problem:
        raise UncertainError(problem.message, hint=problem.hint) from problem


def describe_origin(call: Call) -> Origin:
    """Return who asks, for those who are told of changes; nothing where nobody is."""
    bucket = call.context.locations.recall_bucket(call.bucket)
    if bucket is not None and Setting.NOTIFICATION not in bucket.settings:
        return Origin()
    request = call.request
    return Origin(call.routed.operation, call.user.name, request.client_address, request.request_id)


def own_replica(call: Call, key: str) -> Replica:
    """Return the replica that was just written to the own store."""
    store = call.context.own.store
    return Replica(store=store.name, bucket=store.bucket, key=key, created_at=time.time())
