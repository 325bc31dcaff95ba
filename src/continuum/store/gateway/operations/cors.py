"""The rules of a bucket for scripts of other origins."""

from typing import Any

import msgspec

from continuum.model.cors import CorsRule, check_rules
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting
from continuum.store.gateway.origins import open_cors
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply


async def put_bucket_cors(call: Call) -> Reply:
    """Set the rules."""
    await call.require_bucket()
    given = read_input(call, await read_document(call))["CORSConfiguration"]["CORSRules"]
    rules = tuple(_read(rule) for rule in given)
    try:
        check_rules(rules)
    except InvalidInputError as problem:
        raise S3Error("InvalidRequest", problem.message) from problem
    await change_setting(call, Setting.CORS, msgspec.json.encode(rules))
    return answer(call)


def _read(rule: dict[str, Any]) -> CorsRule:
    return CorsRule(
        origins=tuple(rule["AllowedOrigins"]),
        methods=tuple(rule["AllowedMethods"]),
        headers=tuple(rule.get("AllowedHeaders", ())),
        exposed=tuple(rule.get("ExposeHeaders", ())),
        max_age_s=rule.get("MaxAgeSeconds"),
        name=rule.get("ID", ""),
    )


async def get_bucket_cors(call: Call) -> Reply:
    """Tell the rules."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.CORS)
    if document is None:
        raise S3Error("NoSuchCORSConfiguration", extra={"BucketName": bucket.name})
    return answer(call, {"CORSRules": [_write(rule) for rule in open_cors(document)]})


def _write(rule: CorsRule) -> dict[str, Any]:
    return {
        "ID": rule.name or None,
        "AllowedHeaders": rule.headers,
        "AllowedMethods": rule.methods,
        "AllowedOrigins": rule.origins,
        "ExposeHeaders": rule.exposed,
        "MaxAgeSeconds": rule.max_age_s,
    }


async def delete_bucket_cors(call: Call) -> Reply:
    """Take the rules away."""
    await call.require_bucket()
    await change_setting(call, Setting.CORS, None)
    return answer(call)
