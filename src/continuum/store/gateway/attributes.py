"""What an object is besides its bytes: content headers, user metadata, and the headers that tell them
again."""

import time
from collections.abc import Mapping

import msgspec

from continuum.model.objects import Attributes, Bucket, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.acls import describe_acl
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import PREFIX
from continuum.store.gateway.locks import describe_lock, format_lock
from continuum.store.gateway.tags import parse_tagging_header
from continuum.store.gateway.wire import METADATA_PREFIX, format_http_date

MAX_METADATA_BYTES = 2048
VERSION_ID_HEADER = "x-amz-version-id"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"

CONTENT_HEADERS = {
    "content-type": "Content-Type",
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "expires": "Expires",
}

# Asked for, these change what is kept or how. Ignoring them would lose what the client relies on.
_REFUSED = (
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
)


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a write says of the new version besides its bytes."""

    headers: dict[str, str]
    metadata: dict[str, str]
    attributes: Attributes


def describe_write(call: Call, bucket: Bucket) -> Described:
    """Return what PutObject, CreateMultipartUpload or CopyObject say of the version that they make.

    Raises `S3Error` for what cannot be kept.
    """
    headers, metadata = parse_attributes(call.headers)
    attributes = describe_lock(call.headers, bucket, time.time())
    tags = parse_tagging_header(call.headers)
    if tags:
        attributes = msgspec.structs.replace(attributes, tags=tags)
    acl = describe_acl(call.headers, bucket, call.user.name)
    if acl:
        attributes = msgspec.structs.replace(attributes, acl=acl)
    return Described(headers=headers, metadata=metadata, attributes=attributes)


def parse_attributes(headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return content headers and user metadata of a write. Raises `S3Error` `MetadataTooLarge`,
    `NotImplemented`."""
    for name in _REFUSED:
        if name in headers:
            raise S3Error("NotImplemented", extra={"Header": name})
    content: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if name in CONTENT_HEADERS:
            content[name] = value
        elif name.startswith(METADATA_PREFIX):
            metadata[name[len(METADATA_PREFIX) :]] = value
    if metadata and sum(len(name) + len(value) for name, value in metadata.items()) > MAX_METADATA_BYTES:
        raise S3Error("MetadataTooLarge", extra={"MaxSizeAllowed": str(MAX_METADATA_BYTES)})
    if "content-encoding" in content:
        _strip_aws_chunked(content)
    return content, metadata


def _strip_aws_chunked(content: dict[str, str]) -> None:
    """`aws-chunked` says how the body travelled, not what the object is."""
    codings = [coding.strip() for coding in content["content-encoding"].split(",")]
    kept = ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")
    if kept:
        content["content-encoding"] = kept
    else:
        del content["content-encoding"]


def format_attributes(
    version: Version, *, with_checksums: bool, is_versioned: bool = False
) -> dict[str, str]:
    """Return the headers that describe a version in the reply to GET or HEAD, all but its length.

    `is_versioned`: the bucket keeps versions, or did; then also a version that is `null` has an id.
    """
    headers = {
        "ETag": f'"{version.etag}"',
        "Last-Modified": format_http_date(version.modified_at),
        "Accept-Ranges": "bytes",
        "Content-Type": DEFAULT_CONTENT_TYPE,
    }
    for name, value in version.headers.items():
        headers[CONTENT_HEADERS.get(name, name)] = value
    for name, value in version.metadata.items():
        headers[f"{METADATA_PREFIX}{name}"] = value
    if with_checksums and version.checksums:
        headers.update(format_checksums(version.checksums, version.checksum_type))
    if is_versioned or not version.is_null:
        headers[VERSION_ID_HEADER] = version.public_id
    attributes = version.attributes
    if attributes.tags or attributes.retention_mode or attributes.legal_hold:
        headers.update(_format_changeable(attributes))
    return headers


def _format_changeable(attributes: Attributes) -> dict[str, str]:
    headers = format_lock(attributes)
    if attributes.tags:
        headers["x-amz-tagging-count"] = str(len(attributes.tags))
    return headers


def tell_version(bucket: Bucket, version: Version) -> dict[str, str]:
    """Return the header that tells the id of a version; none where the bucket never kept versions."""
    return {VERSION_ID_HEADER: version.public_id} if bucket.versioning or not version.is_null else {}


def format_checksums(checksums: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return the headers that tell checksums."""
    if not checksums:
        return {}
    headers = {f"{PREFIX}{algorithm}": value for algorithm, value in checksums.items()}
    if kind:
        headers[f"{PREFIX}type"] = kind
    return headers
