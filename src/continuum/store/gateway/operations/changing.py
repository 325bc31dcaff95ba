"""Changing what may change about a version after it was published, and what is set for a bucket: one
transaction of the locator each."""

from typing import Any

from continuum.model.objects import Setting, Version
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.finding import asked_version_id, not_found, refuse_marker
from continuum.store.gateway.publishing import describe_origin
from continuum.store.locator.messages import ChangeBucket, ChangeObject, NoSuchKeyError


async def change_version(call: Call, **changes: Any) -> Version:
    """Change attributes of the version that the request means (see `ChangeObject`) and return it.

    Raises `S3Error` as `find_version`, and `ObjectLockedError`.
    """
    version_id = asked_version_id(call)
    locations = call.context.locations
    request = ChangeObject(
        origin=describe_origin(call),
        session_id=locations.session_id,
        bucket=call.bucket,
        key=call.key,
        version_id=version_id,
        **changes,
    )
    try:
        version: Version = await locations.change(request, (call.bucket, call.key))
    except NoSuchKeyError:
        raise not_found(call.key, version_id) from None
    if version.is_delete_marker:
        raise refuse_marker(version, version_id)
    return version


async def change_setting(call: Call, setting: Setting, document: bytes | None) -> None:
    """Set a document for the bucket; None takes it away."""
    locations = call.context.locations
    request = ChangeBucket(
        session_id=locations.session_id,
        name=call.bucket,
        settings={} if document is None else {setting.value: document},
        unset=(setting.value,) if document is None else (),
    )
    await locations.change(request, (call.bucket, ""))
