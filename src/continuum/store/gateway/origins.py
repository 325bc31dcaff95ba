"""Requests of scripts from other origins: preflight requests are answered, and replies carry what lets a
browser show them to the script.

A preflight request is not signed (browsers cannot) and tells nothing but the bucket's own rules.
"""

from functools import lru_cache

import msgspec

from continuum.model.cors import CorsRule, find_rule, format_cors_headers
from continuum.model.errors import ContinuumError
from continuum.model.objects import Bucket, Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Context
from continuum.store.gateway.connections import Request
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.routes import route

PREFLIGHT = "OPTIONS"
_MAX_REQUESTED = 100


@lru_cache(maxsize=1024)
def open_cors(document: bytes) -> tuple[CorsRule, ...]:
    """Return the rules of a bucket as they were kept."""
    return msgspec.json.decode(document, type=tuple[CorsRule, ...])


def _rules(bucket: Bucket) -> tuple[CorsRule, ...]:
    document = bucket.settings.get(Setting.CORS)
    return open_cors(document) if document else ()


async def answer_preflight(request: Request, context: Context, domain: str) -> Reply:
    """Answer `OPTIONS`. Raises `S3Error`: `AccessForbidden`, `BadRequest`, and what names no bucket."""
    headers = request.headers
    bucket_name = route("GET", request.raw_path, b"", headers, domain=domain).bucket
    origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if not method:
        raise S3Error("BadRequest", "Invalid Access-Control-Request-Method: null")
    listed = headers.get("access-control-request-headers", "").split(",")
    requested = [name.strip() for name in listed if name.strip()]
    rules = _rules(await context.locations.get_bucket(bucket_name)) if bucket_name else ()
    if not rules:
        raise S3Error("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
    rule = find_rule(rules, origin, method, requested) if len(requested) <= _MAX_REQUESTED else None
    if rule is None:
        raise S3Error("AccessForbidden", extra={"Method": method[:20], "ResourceType": "OBJECT"})
    told = format_cors_headers(rule, origin)
    if requested:
        told["Access-Control-Allow-Headers"] = ", ".join(requested).lower()
    return Reply(headers=told)


async def tell_origin(request: Request, reply: Reply, context: Context, bucket_name: str) -> None:
    """Add to a reply what lets the browser show it to the script that asked; nothing if no rule fits."""
    if not bucket_name or request.method == PREFLIGHT:
        return
    try:
        bucket = await context.locations.get_bucket(bucket_name)
    except ContinuumError:
        return  # the reply tells already what is wrong
    rule = find_rule(_rules(bucket), request.headers["origin"], request.method)
    if rule is not None:
        reply.headers = {**reply.headers, **format_cors_headers(rule, request.headers["origin"])}
