"""Replies, written as the service model places their members: status, headers, XML body.

Takes the names and types that boto3 users know; instants may be aware datetimes or seconds since the epoch.
Streamed bodies are not written here, their headers are. Each operation's writer is put together once, so that
a reply costs little more than the strings it consists of; pages of lists have a shorter way still (`pages`).
Text is escaped such that any key can be in a document: characters that XML 1.0 does not know are written as
numeric references, as S3 does; clients that cannot read these ask for `encoding-type=url`, which is the
caller's to apply (`encode_key`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from continuum.store.errors import status_of
from continuum.store.gateway.inputs import METADATA_PREFIX
from continuum.store.gateway.pages import objects_writer, versions_writer
from continuum.store.gateway.shapes import (
    XML_NAMESPACE,
    Reference,
    is_flattened,
    output_shape,
    s3_model,
    shape_of,
    timestamp_format,
)
from continuum.store.gateway.texts import escape_text, format_http_date, format_iso8601

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'

# The model does not name the root elements of replies (botocore does not look at them, other clients do).
# Source: "Response Syntax" of each operation in the Amazon S3 API Reference.
_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketLocation": "LocationConstraint",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectTagging": "Tagging",
    "GetBucketTagging": "Tagging",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
}

Writer = Callable[[Any], str]


class _Plan(msgspec.Struct, frozen=True):
    """How to write one operation's output. `root` empty: no XML body."""

    status: int
    headers: dict[str, tuple[str, Writer]]
    metadata: str
    root: str
    payload: str
    body: dict[str, Writer]


def format_output(operation: str, output: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (S3's spelling) and body of a reply. Members that are None are left out."""
    plan = _plan(operation)
    headers: dict[str, str] = {}
    for member, value in output.items():
        if member in plan.headers and value is not None:
            name, write = plan.headers[member]
            headers[name] = write(value)
    if plan.metadata:
        headers.update({f"{METADATA_PREFIX}{n}": text for n, text in output.get(plan.metadata, {}).items()})
    if not plan.root:
        return plan.status, headers, b""
    headers["Content-Type"] = "application/xml"
    return plan.status, headers, _document(plan, output).encode("utf-8", "surrogatepass")


def _document(plan: _Plan, output: Mapping[str, Any]) -> str:
    if plan.payload:
        output = output.get(plan.payload) or {}
    texts = [write(output[member]) for member, write in plan.body.items() if output.get(member) is not None]
    return f'{_XML}<{plan.root} xmlns="{XML_NAMESPACE}">{"".join(texts)}</{plan.root}>'


def format_error(
    code: str, message: str, resource: str, request_id: str, extra: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Return status and XML body of an error. `extra` are further elements (`BucketName`, `ArgumentName`
    …)."""
    texts = {"Code": code, "Message": message, **(extra or {}), "Resource": resource, "RequestId": request_id}
    elements = "".join([f"<{name}>{escape_text(text)}</{name}>" for name, text in texts.items()])
    return status_of(code), f"{_XML}<Error>{elements}</Error>".encode("utf-8", "surrogatepass")


def encode_key(text: str) -> str:
    """Encode a key, prefix, delimiter or marker for a reply to a request with `encoding-type=url`."""
    return quote(text, safe="/-_.~", errors="surrogatepass")


# ---- the plan of an operation ----


@cache
def _plan(operation: str) -> _Plan:
    shape = output_shape(operation)
    headers: dict[str, tuple[str, Writer]] = {}
    metadata = ""
    for member, at in shape.members.items():
        if at.location == "header":
            headers[member] = at.location_name, _header_writer(at)
        elif at.location == "headers":
            metadata = member
    root, body = _body(operation)
    return _Plan(
        status=s3_model().operations[operation].http.response_code,
        headers=headers,
        metadata=metadata,
        root=root,
        payload=shape.payload if root else "",
        body=body,
    )


def _body(operation: str) -> tuple[str, dict[str, Writer]]:
    """Return the root element and the writers of the members of an operation's XML body, if it has one."""
    shape = output_shape(operation)
    if operation == "GetBucketLocation":  # its only member is the text of the root element
        return "LocationConstraint", {"LocationConstraint": escape_text}
    if shape.payload:
        at = shape.members[shape.payload]
        if shape_of(at).type != "structure":
            return "", {}
        return at.location_name or shape.payload, _member_writers(at.shape)
    members = {member: at for member, at in shape.members.items() if not at.location}
    if not members:
        return "", {}
    writers = {member: _writer(member, at) for member, at in members.items()}
    if "Contents" in writers:
        writers["Contents"] = objects_writer(_member_writers("Object"))
    if "Versions" in writers:
        writers["Versions"] = versions_writer(_member_writers("ObjectVersion"))
    return _ROOTS.get(operation, f"{operation}Result"), writers


def _member_writers(shape_name: str) -> dict[str, Writer]:
    return {member: _writer(member, at) for member, at in s3_model().shapes[shape_name].members.items()}


def _header_writer(at: Reference) -> Writer:
    shape = shape_of(at)
    if shape.type == "list":
        return ",".join
    return (
        _format_timestamp_as(timestamp_format(at))
        if shape.type == "timestamp"
        else _SCALARS.get(shape.type, str)
    )


def _writer(member: str, at: Reference) -> Writer:
    """Return what writes a member with the element around it."""
    name, shape = at.location_name or member, shape_of(at)
    if shape.member is not None and is_flattened(at):
        item = _element(name, _content_writer(shape.member))
        return lambda values: "".join([item(value) for value in values])
    if at.shape == "Grantee":
        return _grantee_writer(name)
    return _element(name, _content_writer(at))


def _grantee_writer(name: str) -> Writer:
    """Return what writes S3's only structure with an attribute."""
    write = _structure_writer("Grantee")

    def write_grantee(values: Mapping[str, Any]) -> str:
        kind = escape_text(values["Type"])
        rest = write({member: value for member, value in values.items() if member != "Type"})
        return f'<{name} xmlns:xsi="{_XSI}" xsi:type="{kind}">{rest}</{name}>'

    return write_grantee


def _content_writer(at: Reference) -> Writer:
    shape = shape_of(at)
    if shape.type == "structure":
        return _structure_writer(at.shape)
    if shape.member is not None:
        item = _element(shape.member.location_name or "member", _content_writer(shape.member))
        return lambda values: "".join([item(value) for value in values])
    if shape.type == "timestamp":
        return _format_timestamp_as(timestamp_format(at))
    return _SCALARS.get(shape.type, escape_text)


def _structure_writer(shape_name: str) -> Writer:
    writers = _member_writers(shape_name)

    def write(values: Mapping[str, Any]) -> str:
        return "".join([write(values[m]) for m, write in writers.items() if values.get(m) is not None])

    return write


def _element(name: str, write: Writer) -> Writer:
    start, end = f"<{name}>", f"</{name}>"
    return lambda value: f"{start}{write(value)}{end}"


def _format_timestamp_as(form: str) -> Writer:
    formatted = format_http_date if form == "rfc822" else format_iso8601

    def write(value: datetime | float | str) -> str:
        if isinstance(value, str):  # as a client once gave it (Expires)
            return value
        return formatted(value.timestamp() if isinstance(value, datetime) else value)

    return write


def _format_boolean(value: bool) -> str:
    return "true" if value else "false"


_SCALARS: dict[str, Writer] = {"boolean": _format_boolean, "integer": str, "long": str}
