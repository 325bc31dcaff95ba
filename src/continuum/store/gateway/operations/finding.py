"""The version that a request means: the newest of its key, or the one of its `versionId`; never a delete
marker.

What S3 says of delete markers is said here once: without a version id the object is not there (404, and a
header tells that a marker is why), with the marker's own id only DELETE is allowed (405).
"""

from re import compile as regex

from continuum.model.objects import NULL_VERSION, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import VERSION_ID_HEADER
from continuum.store.gateway.calls import Call
from continuum.store.gateway.following import describe
from continuum.store.gateway.wire import format_http_date
from continuum.store.locator.messages import NoSuchKeyError

DELETE_MARKER_HEADER = "x-amz-delete-marker"

_VERSION_ID = regex(r"[0-9a-f]{32}")  # as `make_version_id` makes them


def parse_version_id(text: str, name: str = "versionId") -> str:
    """Return a version id that may exist. Raises `S3Error` `InvalidArgument` for one that cannot."""
    if text == NULL_VERSION or _VERSION_ID.fullmatch(text):
        return text
    message = "Invalid version id specified" if text else "Version id cannot be the empty string"
    raise S3Error("InvalidArgument", message, extra={"ArgumentName": name, "ArgumentValue": text[:128]})


def asked_version_id(call: Call) -> str:
    """Return the version id that the request names, empty for the newest. Raises `S3Error`
    `InvalidArgument`."""
    text = call.routed.query.get("versionId") if call.routed.query else None
    return "" if text is None else parse_version_id(text)


async def find_version(call: Call) -> Version:
    """Return the version that the request means.

    Raises `S3Error`: `NoSuchKey`, `NoSuchVersion`, `InvalidArgument`, and `MethodNotAllowed` for a delete
    marker.
    """
    version_id = asked_version_id(call)
    try:
        version = await call.context.locations.look_up(call.bucket, call.key, version_id)
    except NoSuchKeyError:
        raise not_found(call.key, version_id) from None
    if version.is_delete_marker:
        raise refuse_marker(version, version_id)
    return version if version.is_described else await require_described(call, version, version_id)


async def require_described(call: Call, version: Version, version_id: str = "") -> Version:
    """Return an attached object as its store describes it now. Raises `S3Error` if it is gone."""
    context = call.context
    described = await describe(version, context.peers, context.locations)
    if described is None or (version_id and described.version_id != version.version_id):
        raise not_found(version.key, version_id)
    return described


def not_found(key: str, version_id: str) -> S3Error:
    """Return the error for what is not there."""
    if version_id:
        return S3Error("NoSuchVersion", extra={"Key": key, "VersionId": version_id})
    return S3Error("NoSuchKey", extra={"Key": key})


def refuse_marker(marker: Version, version_id: str) -> S3Error:
    """Return the error for a delete marker, found under `version_id` or (empty) as the newest."""
    headers = {DELETE_MARKER_HEADER: "true", VERSION_ID_HEADER: marker.public_id}
    if not version_id:
        return S3Error("NoSuchKey", extra={"Key": marker.key}, headers=headers)
    headers |= {"Last-Modified": format_http_date(marker.modified_at), "Allow": "DELETE"}
    return S3Error("MethodNotAllowed", extra={"ResourceType": "DeleteMarker"}, headers=headers)
