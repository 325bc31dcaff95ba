"""Tags of objects and of buckets."""

from typing import Any

import msgspec

from continuum.model.objects import Bucket, Setting, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.authorizing import require
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting, change_version
from continuum.store.gateway.operations.finding import find_version
from continuum.store.gateway.permissions import list_needs
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.tags import format_tags, read_bucket_tags, read_object_tags

_decode = msgspec.json.Decoder(dict[str, str]).decode


async def put_object_tagging(call: Call) -> Reply:
    """Replace the tags of a version."""
    bucket = await call.require_bucket()
    tags = read_object_tags(await _read_tag_set(call))
    for need in list_needs(call.routed, call.headers):
        await require(call, need, tags)  # once more, for a policy may ask for the tags
    return answer(call, _tell_version(bucket, await change_version(call, tags=tags)))


async def get_object_tagging(call: Call) -> Reply:
    """Tell the tags of a version."""
    bucket = await call.require_bucket()
    version = await find_version(call)
    tags = format_tags(version.attributes.tags)
    return answer(call, _tell_version(bucket, version) | {"TagSet": tags})


async def delete_object_tagging(call: Call) -> Reply:
    """Take all tags of a version away."""
    bucket = await call.require_bucket()
    return answer(call, _tell_version(bucket, await change_version(call, tags={})))


def _tell_version(bucket: Bucket, version: Version) -> dict[str, Any]:
    return {"VersionId": version.public_id} if bucket.versioning else {}


async def put_bucket_tagging(call: Call) -> Reply:
    """Replace the tags of a bucket."""
    await call.require_bucket()
    tags = read_bucket_tags(await _read_tag_set(call))
    await change_setting(call, Setting.TAGGING, msgspec.json.encode(tags))
    return Reply(status=204)  # S3's own, though the model says nothing


async def get_bucket_tagging(call: Call) -> Reply:
    """Tell the tags of a bucket, if it has some."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.TAGGING)
    if document is None:
        raise S3Error("NoSuchTagSet", extra={"BucketName": call.bucket})
    return answer(call, {"TagSet": format_tags(_decode(document))})


async def delete_bucket_tagging(call: Call) -> Reply:
    """Take all tags of a bucket away."""
    await call.require_bucket()
    await change_setting(call, Setting.TAGGING, None)
    return answer(call)


async def _read_tag_set(call: Call) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] = read_input(call, await read_document(call))["Tagging"]["TagSet"]
    return tags
