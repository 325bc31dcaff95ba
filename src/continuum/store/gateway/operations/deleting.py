"""Deleting objects: one transaction of the locator; the bytes are collected later."""

from typing import Any

from continuum.store.errors import ERRORS, S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
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
        version_id=wanted.get("VersionId", ""),
        if_match=wanted.get("IfMatch", "").strip('"'),
    )
    result = (await _delete(call, (item,)))[0]
    if result.error_code:
        code = result.error_code if result.error_code in ERRORS else "InternalError"
        raise S3Error(code, result.message)
    return answer(call)


async def delete_objects(call: Call) -> Reply:
    """Delete up to 1,000 objects, each with a result of its own."""
    await call.require_access()
    document = read_input(call, await read_document(call))["Delete"]
    objects: list[dict[str, Any]] = document["Objects"]
    if not 1 <= len(objects) <= MAX_KEYS:
        raise S3Error("MalformedXML")
    items = tuple(
        DeleteItem(
            key=item["Key"],
            version_id=item.get("VersionId", ""),
            if_match=item.get("ETag", "").strip('"'),
        )
        for item in objects
    )
    results = await _delete(call, items)
    output: dict[str, Any] = {"Errors": [_error(result) for result in results if result.error_code]}
    if not document.get("Quiet"):
        output["Deleted"] = [{"Key": result.key} for result in results if not result.error_code]
    return answer(call, output)


def _error(result: DeleteResult) -> dict[str, str]:
    return {"Key": result.key, "Code": result.error_code, "Message": result.message}


async def _delete(call: Call, items: tuple[DeleteItem, ...]) -> tuple[DeleteResult, ...]:
    locations = call.context.locations
    request = Delete(session_id=locations.session_id, bucket=call.bucket, objects=items)
    done: Deleted = await locations.change(request, *[(call.bucket, item.key) for item in items])
    return done.results
