"""Deleting objects: one transaction of the locator; the bytes are collected later."""

from typing import Any

from continuum.store.errors import ERRORS, S3Error
from continuum.store.gateway.authorizing import may
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import require_list_digest
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.finding import asked_version_id, parse_version_id
from continuum.store.gateway.permissions import Need
from continuum.store.gateway.publishing import describe_origin, make_version_id
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import Delete, Deleted, DeleteItem, DeleteResult

MAX_KEYS = 1000


async def delete_object(call: Call) -> Reply:
    """Delete an object; one that is not there is deleted already."""
    await call.require_access()
    wanted = read_input(call)
    item = DeleteItem(
        key=call.key,
        version_id=asked_version_id(call),
        if_match=wanted.get("IfMatch", "").strip('"'),
        marker_id=make_version_id(),
        bypass_governance=wanted.get("BypassGovernanceRetention", False),
    )
    result = (await _delete(call, (item,)))[0]
    if result.error_code:
        code = result.error_code if result.error_code in ERRORS else "InternalError"
        raise S3Error(code, result.message)
    return answer(call, _describe(result))


async def delete_objects(call: Call) -> Reply:
    """Delete up to 1,000 objects or versions, each with a result of its own."""
    await call.require_access()
    require_list_digest(call.headers)
    wanted = read_input(call, await read_document(call))
    document = wanted["Delete"]
    objects: list[dict[str, Any]] = document["Objects"]
    if not 1 <= len(objects) <= MAX_KEYS:
        raise S3Error("MalformedXML")
    bypass = wanted.get("BypassGovernanceRetention", False)
    items = [await _refuse(call, _read_item(item, bypass=bypass)) for item in objects]
    valid = tuple(item for item in items if isinstance(item, DeleteItem))
    done = iter(await _delete(call, valid) if valid else ())
    results = [next(done) if isinstance(item, DeleteItem) else item for item in items]
    output: dict[str, Any] = {"Errors": [_error(result) for result in results if result.error_code]}
    if not document.get("Quiet"):
        output["Deleted"] = [_deleted(result) for result in results if not result.error_code]
    return answer(call, output)


def _read_item(item: dict[str, Any], *, bypass: bool) -> DeleteItem | DeleteResult:
    """Return what to delete, or the error of an item whose version id cannot exist."""
    version_id = item.get("VersionId", "")
    try:
        if "VersionId" in item:
            parse_version_id(version_id)
    except S3Error as problem:
        return DeleteResult(
            key=item["Key"], version_id=version_id, error_code=problem.code, message=problem.message
        )
    return DeleteItem(
        key=item["Key"],
        version_id=version_id,
        if_match=item.get("ETag", "").strip('"'),
        marker_id=make_version_id(),
        bypass_governance=bypass,
    )


def _describe(result: DeleteResult) -> dict[str, Any]:
    """What S3 says of one deletion: the version that is gone, or the delete marker that hides the object."""
    told: dict[str, Any] = {}
    if result.is_delete_marker:
        told["DeleteMarker"] = True
    if result.version_id or result.marker_id:
        told["VersionId"] = result.version_id or result.marker_id
    return told


def _deleted(result: DeleteResult) -> dict[str, Any]:
    line: dict[str, Any] = {"Key": result.key}
    if result.version_id:
        line["VersionId"] = result.version_id
    if result.is_delete_marker:
        line |= {"DeleteMarker": True, "DeleteMarkerVersionId": result.version_id or result.marker_id}
    return line


async def _refuse(call: Call, item: DeleteItem | DeleteResult) -> DeleteItem | DeleteResult:
    """Return the item, or an error if the sender of the request may not delete it. To delete a version for
    good is another right, to break a lock a further one."""
    if isinstance(item, DeleteResult):
        return item
    needs = [
        Need(
            "s3:DeleteObjectVersion" if item.version_id else "s3:DeleteObject",
            call.bucket,
            item.key,
            item.version_id,
        )
    ]
    if item.bypass_governance:
        needs.append(Need("s3:BypassGovernanceRetention", call.bucket, item.key, item.version_id))
    for need in needs:
        if not await may(call, need):
            return DeleteResult(
                key=item.key, version_id=item.version_id, error_code="AccessDenied", message="Access Denied"
            )
    return item


def _error(result: DeleteResult) -> dict[str, str]:
    line = {"Key": result.key, "Code": result.error_code, "Message": result.message}
    return line | {"VersionId": result.version_id} if result.version_id else line


async def _delete(call: Call, items: tuple[DeleteItem, ...]) -> tuple[DeleteResult, ...]:
    locations = call.context.locations
    request = Delete(
        session_id=locations.session_id,
        bucket=call.bucket,
        objects=items,
        owner=call.user.name,
        origin=describe_origin(call),
    )
    done: Deleted = await locations.change(request, *[(call.bucket, item.key) for item in items])
    return done.results
