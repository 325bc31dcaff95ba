"""The parameters of an operation, read from a request as the service model places them: query, headers, XML
body.

The result has the names and types that boto3 users know (`MaxKeys` an int, `IfModifiedSince` an aware
datetime, `Metadata` a dict), without the streamed body and without what is not there. Values that cannot be
read are refused with S3's codes, except dates in conditional headers, which HTTP says to ignore (RFC 9110,
13.1). Header values are Latin-1, as on the wire.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import msgspec

from continuum.store.errors import S3Error
from continuum.store.gateway.documents import Element, parse_document
from continuum.store.gateway.routes import Routed
from continuum.store.gateway.shapes import Reference, Shape, input_shape, is_flattened, s3_model, shape_of
from continuum.store.gateway.texts import format_header

METADATA_PREFIX = "x-amz-meta-"
_REGIONS = "BucketLocationConstraint"  # AWS's own list; here a region may have any name
_MAX_INTEGER = 2**31 - 1
_MAX_LONG = 2**63 - 1

Scalar = Callable[[str, str], Any]  # (text, wire name) -> value; None: as if it were not there


class _Plan(msgspec.Struct, frozen=True):
    """How to read one operation's input."""

    query: dict[str, tuple[str, Scalar]]
    headers: dict[str, tuple[str, Scalar]]
    metadata: str
    body: str
    body_name: str
    body_shape: str
    required: tuple[tuple[str, str], ...]


def parse_input(
    operation: str, routed: Routed, headers: Mapping[str, str], body: bytes | None = None
) -> dict[str, Any]:
    """Return the parameters of `operation`. `body` is the whole body of an operation that takes XML, else
    None.

    Raises `S3Error`: `InvalidArgument`, `InvalidRequest` (a required parameter is missing),
    `MissingRequestBodyError`, `MalformedXML`.
    """
    plan = _plan(operation)
    found: dict[str, Any] = {}
    if routed.bucket:
        found["Bucket"] = routed.bucket
    if routed.key:
        found["Key"] = routed.key
    for name, text in routed.query.items():
        if name in plan.query:
            _put(found, *plan.query[name], text, name)
    for name, text in headers.items():
        if name in plan.headers:
            _put(found, *plan.headers[name], text, name)
    if plan.metadata:
        cut = len(METADATA_PREFIX)
        metadata = {name[cut:]: text for name, text in headers.items() if name.startswith(METADATA_PREFIX)}
        if metadata:
            found[plan.metadata] = metadata
    if body and plan.body:
        found[plan.body] = _parse_body(plan, body)
    _check_required(plan, found)
    return found


def _put(found: dict[str, Any], member: str, parse: Scalar, text: str, name: str) -> None:
    value = parse(text, name)
    if value is not None:
        found[member] = value


def _check_required(plan: _Plan, found: Mapping[str, Any]) -> None:
    for member, name in plan.required:
        if member not in found:
            if member == plan.body:
                raise S3Error("MissingRequestBodyError")
            raise S3Error("InvalidRequest", f"Missing required header or parameter for this request: {name}")


def _parse_body(plan: _Plan, body: bytes) -> Any:
    root = parse_document(body)
    if root.name != plan.body_name:
        raise S3Error("MalformedXML")
    return _structure(plan.body_shape, root)


# ---- the plan of an operation ----


@cache
def _plan(operation: str) -> _Plan:
    shape = input_shape(operation)
    query: dict[str, tuple[str, Scalar]] = {}
    headers: dict[str, tuple[str, Scalar]] = {}
    metadata = ""
    for member, at in shape.members.items():
        if at.location == "querystring":
            query[at.location_name] = member, _scalar(at)
        elif at.location == "header":
            headers[at.location_name.lower()] = member, _scalar(at)
        elif at.location == "headers":
            metadata = member
    body, body_shape = _xml_body(shape)
    wire_names = {member: at.location_name or member for member, at in shape.members.items()}
    return _Plan(
        query=query,
        headers=headers,
        metadata=metadata,
        body=body,
        body_name=wire_names.get(body, ""),
        body_shape=body_shape,
        required=tuple(
            (member, wire_names[member]) for member in shape.required if _is_checked(shape, member, body)
        ),
    )


def _xml_body(shape: Shape) -> tuple[str, str]:
    """Return the member that an XML body is, and the name of its shape; empty if the body is no XML."""
    if not shape.payload or shape_of(shape.members[shape.payload]).type != "structure":
        return "", ""
    return shape.payload, shape.members[shape.payload].shape


def _is_checked(shape: Shape, member: str, body: str) -> bool:
    return member == body or shape.members[member].location in {"querystring", "header"}


def _scalar(at: Reference) -> Scalar:
    shape = shape_of(at)
    if shape.type == "list":
        return _parse_comma_list
    if at.location_name.startswith("response-") and shape.type == "string":
        return parse_reply_header
    if shape.enum:
        return _enumerated(frozenset(shape.enum))
    return _SCALARS[shape.type]


def _enumerated(allowed: frozenset[str]) -> Scalar:
    def parse(text: str, name: str) -> str:
        if text not in allowed:
            code = "InvalidStorageClass" if name == "x-amz-storage-class" else "InvalidArgument"
            raise _invalid(name, text, f"Invalid value for {name}", code)
        return text

    return parse


def _invalid(name: str, text: str, message: str, code: str = "InvalidArgument") -> S3Error:
    return S3Error(code, message, extra={"ArgumentName": name, "ArgumentValue": text[:200]})


# ---- scalars ----


def _parse_string(text: str, _name: str) -> str:
    return text


def parse_reply_header(text: str, name: str) -> str:
    """Return text for a header of the reply, its bytes as Latin-1. Refuses what could end the header."""
    value = format_header(text)
    if value is None:
        raise _invalid(name, text, f"{name} has characters that no header can have")
    return value


def _parse_comma_list(text: str, _name: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _parse_integer(text: str, name: str, largest: int = _MAX_INTEGER) -> int:
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) <= len(str(largest)) + 1):
        raise _invalid(name, text, f"Provided {name} not an integer or within integer range")
    number = int(text)
    if not 0 <= number <= largest:
        raise _invalid(name, text, f"Argument {name} must be an integer between 0 and {largest}")
    return number


def _parse_long(text: str, name: str) -> int:
    return _parse_integer(text, name, _MAX_LONG)


def _parse_boolean(text: str, name: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise _invalid(name, text, f"{name} must be true or false")
    return text.lower() == "true"


def _parse_blob(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _invalid(name, text, f"{name} must be base64") from None


def parse_instant(text: str) -> datetime | None:
    """Return the instant of an HTTP date or of an ISO 8601 timestamp, in UTC; None if it is neither."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            instant = parse(text.strip())
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError, TypeError):
            continue
    return None


def _parse_timestamp(text: str, _name: str) -> datetime | None:
    return parse_instant(text)


_SCALARS: dict[str, Scalar] = {
    "string": _parse_string,
    "integer": _parse_integer,
    "long": _parse_long,
    "boolean": _parse_boolean,
    "blob": _parse_blob,
    "timestamp": _parse_timestamp,
}


# ---- values in an XML body ----


def _structure(shape_name: str, element: Element) -> dict[str, Any]:
    """Read a structure; unknown elements are skipped, as by S3, a member that is there twice or missing is an
    error."""
    members = _members_by_element(shape_name)
    found = _attributes(shape_name, element) if element.attributes else {}
    for child in element.children:
        if child.name not in members:
            continue
        member, at, is_item = members[child.name]
        if is_item:
            found.setdefault(member, []).append(_value(at, child))
        elif member in found:
            raise S3Error("MalformedXML")
        else:
            found[member] = _value(at, child)
    if any(member not in found for member in s3_model().shapes[shape_name].required):
        raise S3Error("MalformedXML")
    return found


def _attributes(shape_name: str, element: Element) -> dict[str, Any]:
    """Read the members that are attributes (`xsi:type` of a grantee)."""
    return {
        member: element.attributes[local]
        for member, at in s3_model().shapes[shape_name].members.items()
        if at.xml_attribute and (local := at.location_name.rpartition(":")[2]) in element.attributes
    }


@cache
def _members_by_element(shape_name: str) -> dict[str, tuple[str, Reference, bool]]:
    """Return for each element of a structure its member, what it refers to, and whether it is one item of a
    flattened list."""
    members: dict[str, tuple[str, Reference, bool]] = {}
    for member, at in s3_model().shapes[shape_name].members.items():
        item = shape_of(at).member
        if item is not None and is_flattened(at):
            members[at.location_name or member] = member, item, True
        else:
            members[at.location_name or member] = member, at, False
    return members


def _value(at: Reference, element: Element) -> Any:
    shape = shape_of(at)
    if shape.type == "structure":
        return _structure(at.shape, element)
    if shape.member is not None:
        return [_value(shape.member, child) for child in element.children]
    try:
        value = _SCALARS[shape.type](element.text, element.name)
    except S3Error:
        raise S3Error("MalformedXML") from None
    if value is None or (shape.enum and value not in shape.enum and at.shape != _REGIONS):
        raise S3Error("MalformedXML")
    return value
