"""What is known of a request, by the names that the conditions of policies use."""

import time
from datetime import UTC, datetime

from continuum.model.access.conditions import EXISTING_TAG, KEYS, REQUEST_TAG
from continuum.model.access.policies import ACCOUNT
from continuum.store.authorizations import ALGORITHM, parse_timestamp
from continuum.store.gateway.calls import Call
from continuum.store.gateway.permissions import Need
from continuum.store.gateway.tags import parse_tagging_header

_FROM_QUERY = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}
_LOCK_HEADERS = {
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
}
_CONDITIONS = frozenset({"if-match", "if-none-match"})
_TAGGING = frozenset({"s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"})


def describe_request(
    call: Call, need: Need, existing_tags: dict[str, str], request_tags: dict[str, str] | None
) -> dict[str, tuple[str, ...]]:
    """Return the values of all condition keys that a request has. `request_tags` None: those of its
    header."""
    now = time.time()
    request, headers = call.request, call.headers
    known = {
        "aws:sourceip": request.client_address,
        "aws:securetransport": "true" if request.is_secure else "false",
        "aws:currenttime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(int(now)),
        "aws:referer": headers.get("referer", ""),
        "aws:useragent": headers.get("user-agent", ""),
        "s3:versionid": need.version_id,
        **_describe_sender(call, now),
    }
    found: dict[str, tuple[str, ...]] = {name: (value,) for name, value in known.items() if value}
    for name, value in headers.items():
        if name.startswith("x-amz-") or name in _CONDITIONS:
            key = _LOCK_HEADERS.get(name, f"s3:{name}")
            if key in KEYS:
                found[key] = (value,)
    for name, key in _FROM_QUERY.items():
        if name in call.routed.query:
            found[key] = (call.routed.query[name],)
    for name, value in existing_tags.items():
        found[f"{EXISTING_TAG}{name}"] = (value,)
    if need.action in _TAGGING:
        tags = parse_tagging_header(headers) if request_tags is None else request_tags
        found |= {f"{REQUEST_TAG}{name}": (value,) for name, value in tags.items()}
        if tags:
            found["s3:requestobjecttagkeys"] = tuple(tags)
    return found


def _describe_sender(call: Call, now: float) -> dict[str, str]:
    if call.user.is_anonymous:
        return {}
    name = call.user.name
    sent_at = parse_timestamp(call.verified.timestamp)
    presigned = "X-Amz-Signature" in call.routed.query
    return {
        "aws:username": name,
        "aws:userid": name,
        "aws:principalarn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "s3:authtype": call.auth_type or ("REST-QUERY-STRING" if presigned else "REST-HEADER"),
        "s3:signatureversion": ALGORITHM,
        "s3:signatureage": str(max(int((now - sent_at) * 1000), 0)) if presigned and sent_at else "",
    }
