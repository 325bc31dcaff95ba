"""Uploads of browsers: a form posted to a bucket, allowed by a signed policy document in it, or by the bucket
to everybody.

The form becomes a PutObject: its fields are the headers, its file the body, which is streamed.
"""

import base64
import binascii
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from continuum.model.objects import ANONYMOUS, MAX_KEY_BYTES, User
from continuum.store.authorizations import ALGORITHM, UNSIGNED_PAYLOAD, parse_timestamp
from continuum.store.canonical import encode_path
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import CONTENT_HEADERS
from continuum.store.gateway.authenticating import find_user
from continuum.store.gateway.authorizing import authorize
from continuum.store.gateway.calls import Call, Context
from continuum.store.gateway.connections import Request
from continuum.store.gateway.formpolicies import check_form, parse_form_policy
from continuum.store.gateway.forms import Form, FormBody, parse_boundary
from continuum.store.gateway.operations.writing import put_object
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.routes import Routed
from continuum.store.gateway.texts import escape_text, format_header
from continuum.store.gateway.tokens import HEADER, check_token
from continuum.store.gateway.wire import parse_input
from continuum.store.signing import VerifiedRequest, signing_key

_CREDENTIAL = re.compile(r"(.+)/([0-9]{8})/([^/]*)/s3/aws4_request")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_KEPT = ("host", "referer", "user-agent")
_SIGNING = frozenset({"x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", HEADER})
_STATUSES = {"200": 200, "201": 201, "204": 204}


async def post_object(context: Context, request: Request, routed: Routed) -> Reply:
    """Answer a form that was posted to a bucket. Raises `S3Error` and what PutObject raises."""
    body = FormBody(request.body, parse_boundary(request.headers.get("content-type", "")))
    form = await body.read_form()
    now = time.time()
    user = await _authenticate(context, form.fields, now)
    size_bytes = body.length or 0
    if "policy" in form.fields:
        document = _decode_policy(form.fields["policy"])
        check_form(parse_form_policy(document), form.fields | {"bucket": routed.bucket}, size_bytes, now)
    key = _choose_key(form)
    call = Call(
        context=context,
        request=_make_request(request, body, form),
        routed=Routed("PutObject", routed.bucket, key),
        user=user,
        verified=_verified(form.fields),
        auth_type="POST",
    )
    await authorize(call)
    done = await put_object(call)
    return _tell(call, done, form.fields)


def _choose_key(form: Form) -> str:
    if not form.fields.get("key"):
        raise S3Error("UserKeyMustBeSpecified")
    name = form.file_name.replace("\\", "/").rpartition("/")[2]
    key = form.fields["key"].replace("${filename}", name)
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", extra={"MaxSizeAllowed": str(MAX_KEY_BYTES)})
    if "\0" in key:
        raise S3Error("InvalidArgument", extra={"ArgumentName": "key"})
    return key


# ---- who ----


async def _authenticate(context: Context, fields: Mapping[str, str], now: float) -> User:
    """Return who signed the policy; nobody if there is neither policy nor signature."""
    if not (_SIGNING | {"policy", "signature", "awsaccesskeyid"}) & fields.keys():
        return ANONYMOUS
    if "signature" in fields or "awsaccesskeyid" in fields:
        raise S3Error("InvalidRequest", "Please use AWS4-HMAC-SHA256.")
    for name in ("policy", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date"):
        if not fields.get(name):
            raise S3Error("InvalidArgument", f"Bucket POST must contain a field named '{name}'.")
    credential = _CREDENTIAL.fullmatch(fields["x-amz-credential"])
    timestamp = fields["x-amz-date"]
    if fields["x-amz-algorithm"] != ALGORITHM or credential is None or parse_timestamp(timestamp) is None:
        raise S3Error("InvalidArgument", "The form's signature is malformed.")
    access_key, date, region = credential.groups()
    if timestamp[:8] != date:
        raise S3Error("InvalidArgument", "X-Amz-Date and the date of X-Amz-Credential differ.")
    user = await find_user(access_key, context.locations)
    key = signing_key(user.secret_key, date, region)
    signature = hmac.digest(key, fields["policy"].encode(), "sha256").hex()
    if not hmac.compare_digest(signature.encode(), fields["x-amz-signature"].encode()):
        raise S3Error("SignatureDoesNotMatch", extra={"AWSAccessKeyId": access_key[:128]})
    check_token(user, fields.get(HEADER, ""), now)
    return user


def _decode_policy(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: it is not base64.") from None


def _verified(fields: Mapping[str, str]) -> VerifiedRequest:
    return VerifiedRequest(
        access_key="",
        signing_key=b"",
        seed_signature="",
        scope="",
        timestamp=fields.get("x-amz-date", ""),
        payload_hash=UNSIGNED_PAYLOAD,
    )


# ---- as a PutObject ----


def _make_request(request: Request, body: FormBody, form: Form) -> Request:
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    if form.file_type:
        headers["content-type"] = _header(form.file_type, "content-type")
    for name, text in form.fields.items():
        if name in CONTENT_HEADERS or (name.startswith("x-amz-") and name not in _SIGNING):
            if not _NAME.fullmatch(name):
                raise S3Error("InvalidArgument", "A field's name cannot be that of a header.")
            headers[name] = _header(text, name)
    if "acl" in form.fields:
        headers["x-amz-acl"] = _header(form.fields["acl"], "acl")
    if "tagging" in form.fields:
        headers["x-amz-tagging"] = _tagging_header(form.fields["tagging"])
    return request.replaced(headers, body)


def _header(text: str, name: str) -> str:
    value = format_header(text)
    if value is None:
        raise S3Error("InvalidArgument", f"The field {name[:60]} has characters that no header can have.")
    return value


def _tagging_header(document: str) -> str:
    routed = Routed("PutObjectTagging", "b", "k")
    tags: list[dict[str, Any]] = parse_input(routed.operation, routed, {}, document.encode())["Tagging"][
        "TagSet"
    ]
    return urlencode([(tag["Key"], tag["Value"]) for tag in tags])


# ---- the reply ----


def _tell(call: Call, done: Reply, fields: Mapping[str, str]) -> Reply:
    etag = done.headers.get("ETag", "")
    redirect = fields.get("success_action_redirect") or fields.get("redirect") or ""
    if redirect.startswith(("http://", "https://")) and redirect.isascii() and redirect.isprintable():
        told = urlencode({"bucket": call.bucket, "key": call.key, "etag": etag})
        target = f"{redirect}{'&' if '?' in redirect else '?'}{told}"
        return Reply(status=303, headers={**done.headers, "Location": target})
    scheme = "https" if call.request.is_secure else "http"
    location = f"{scheme}://{call.headers.get('host', '')}/{call.bucket}/{encode_path(call.key)}"
    status = _STATUSES.get(fields.get("success_action_status", ""), 204)
    headers = {**done.headers, "Location": location}
    if status != _STATUSES["201"]:
        return Reply(status=status, headers=headers)
    texts = {"Location": location, "Bucket": call.bucket, "Key": call.key, "ETag": etag}
    elements = "".join(f"<{name}>{escape_text(text)}</{name}>" for name, text in texts.items())
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{elements}</PostResponse>'
    return Reply(
        status=status, headers={**headers, "Content-Type": "application/xml"}, body=document.encode()
    )
