"""Lifecycle rules as S3 writes them, and as the model has them; the header that tells when an object expires.

Refusals are S3's own, so that tools which try what a server takes (Terraform, MinIO's client) read them.
Transitions to other storage classes are not there: a rule that asks for one is answered with
`NotImplemented`, never kept without being followed.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from continuum.model.lifecycle import (
    DAY_S,
    Aged,
    Rule,
    Rules,
    find_expiry,
    has_filter_of_content,
    parse_rules,
)
from continuum.model.objects import Bucket, Setting, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.texts import format_http_date

MAX_RULES = 1000
MAX_ID_CHARACTERS = 255
MAX_KEPT = 100
EXPIRATION_HEADER = "x-amz-expiration"

_TRANSITIONS = ("Transitions", "NoncurrentVersionTransitions")
_LAST_INSTANT = 253_402_300_799.0  # the end of the year 9999, the last that an HTTP date can tell


def parse_configuration(documents: Sequence[Mapping[str, Any]]) -> Rules:
    """Return the rules of a lifecycle configuration. Raises `S3Error`."""
    if not 1 <= len(documents) <= MAX_RULES:
        raise S3Error("MalformedXML")
    if len({"Filter" in document for document in documents}) > 1:
        raise S3Error("InvalidRequest", "Filter element can only be used in Lifecycle V2.")
    rules = tuple(map(_parse_rule, documents))
    if len({rule.rule_id for rule in rules}) < len(rules):
        raise _invalid("Rule ID must be unique. Found same ID for more than one rule")
    return rules


def _invalid(message: str) -> S3Error:
    return S3Error("InvalidArgument", message)


def _parse_rule(document: Mapping[str, Any]) -> Rule:
    if any(name in document for name in _TRANSITIONS):
        raise S3Error("NotImplemented", "There is one storage class here, so nothing can be transitioned.")
    if ("Filter" in document) == ("Prefix" in document):
        raise S3Error("MalformedXML")
    rule_id = document.get("ID") or secrets.token_urlsafe(12)
    if len(rule_id) > MAX_ID_CHARACTERS:
        raise _invalid(f"ID length should not exceed allowed limit of {MAX_ID_CHARACTERS}")
    rule = Rule(
        rule_id=rule_id,
        is_enabled=document["Status"] == "Enabled",
        is_old_form="Prefix" in document,
        **_parse_filter(document),
        **_parse_expiration(document.get("Expiration")),
        **_parse_noncurrent(document.get("NoncurrentVersionExpiration")),
        **_parse_uploads(document.get("AbortIncompleteMultipartUpload")),
    )
    _check_actions(rule)
    return rule


def _parse_filter(document: Mapping[str, Any]) -> dict[str, Any]:
    given = document.get("Filter", {"Prefix": document.get("Prefix", "")})
    if len(given) > 1:
        raise S3Error("MalformedXML")
    inner = given.get("And", given)
    if "And" in given and not inner:
        raise S3Error("MalformedXML")
    tags = [inner["Tag"]] if "Tag" in inner else inner.get("Tags", [])
    named = {tag["Key"]: tag["Value"] for tag in tags}
    if len(named) < len(tags):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    larger, smaller = inner.get("ObjectSizeGreaterThan"), inner.get("ObjectSizeLessThan")
    if larger is not None and smaller is not None and larger >= smaller:
        raise S3Error(
            "InvalidRequest", "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."
        )
    return {
        "prefix": inner.get("Prefix"),
        "tags": named,
        "larger_than_bytes": larger,
        "smaller_than_bytes": smaller,
    }


def _parse_expiration(document: Mapping[str, Any] | None) -> dict[str, Any]:
    if document is None:
        return {}
    if len(document) != 1:
        raise S3Error("MalformedXML")
    if "Days" in document:
        return {"expire_after_days": _days(document["Days"], "'Days' for Expiration action")}
    if "Date" in document:
        return {"expire_at": _midnight(document["Date"])}
    return {"removes_lone_markers": document["ExpiredObjectDeleteMarker"]}


def _days(days: int, what: str) -> int:
    if days < 1:
        raise _invalid(f"{what} must be a positive integer")
    return days


def _midnight(date: datetime) -> float:
    instant = date.timestamp()
    if instant % DAY_S:
        raise _invalid("'Date' must be at midnight GMT")
    return instant


def _parse_noncurrent(document: Mapping[str, Any] | None) -> dict[str, Any]:
    if document is None:
        return {}
    if "NoncurrentDays" not in document:
        raise S3Error("MalformedXML")
    what = "'NoncurrentDays' for NoncurrentVersionExpiration action"
    found = {"remove_noncurrent_after_days": _days(document["NoncurrentDays"], what)}
    if "NewerNoncurrentVersions" in document:
        kept = document["NewerNoncurrentVersions"]
        if not 1 <= kept <= MAX_KEPT:
            raise _invalid(
                "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between"
                f" 1 and {MAX_KEPT}"
            )
        found["keep_noncurrent"] = kept
    return found


def _parse_uploads(document: Mapping[str, Any] | None) -> dict[str, Any]:
    if document is None:
        return {}
    if "DaysAfterInitiation" not in document:
        raise S3Error("MalformedXML")
    what = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action"
    return {"abort_uploads_after_days": _days(document["DaysAfterInitiation"], what)}


def _check_actions(rule: Rule) -> None:
    actions = (
        rule.expire_after_days,
        rule.expire_at is not None,
        rule.removes_lone_markers is not None,
        rule.remove_noncurrent_after_days,
        rule.abort_uploads_after_days,
    )
    if not any(actions):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    if rule.keep_noncurrent and rule.is_old_form:
        raise S3Error("InvalidRequest", "NewerNoncurrentVersions requires a Filter element.")
    if has_filter_of_content(rule):
        for given, name in (
            (rule.abort_uploads_after_days, "AbortIncompleteMultipartUpload"),
            (rule.removes_lone_markers is not None, "ExpiredObjectDeleteMarker"),
        ):
            if given:
                raise S3Error(
                    "InvalidRequest", f"{name} cannot be specified with Tags or with the size of objects."
                )


# ---- back to S3's words ----


def format_configuration(rules: Rules) -> list[dict[str, Any]]:
    """Return rules with S3's names."""
    return [_format_rule(rule) for rule in rules]


def _format_rule(rule: Rule) -> dict[str, Any]:
    document: dict[str, Any] = {"ID": rule.rule_id, "Status": "Enabled" if rule.is_enabled else "Disabled"}
    if rule.is_old_form:
        document["Prefix"] = rule.prefix or ""
    else:
        document["Filter"] = _format_filter(rule)
    if rule.expire_after_days:
        document["Expiration"] = {"Days": rule.expire_after_days}
    elif rule.expire_at is not None:
        document["Expiration"] = {"Date": rule.expire_at}
    elif rule.removes_lone_markers is not None:
        document["Expiration"] = {"ExpiredObjectDeleteMarker": rule.removes_lone_markers}
    if rule.remove_noncurrent_after_days:
        noncurrent = {"NoncurrentDays": rule.remove_noncurrent_after_days}
        if rule.keep_noncurrent:
            noncurrent["NewerNoncurrentVersions"] = rule.keep_noncurrent
        document["NoncurrentVersionExpiration"] = noncurrent
    if rule.abort_uploads_after_days:
        document["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_uploads_after_days}
    return document


def _format_filter(rule: Rule) -> dict[str, Any]:
    tags = [{"Key": name, "Value": value} for name, value in rule.tags.items()]
    given: dict[str, Any] = {
        "Prefix": rule.prefix,
        "Tags": tags or None,
        "ObjectSizeGreaterThan": rule.larger_than_bytes,
        "ObjectSizeLessThan": rule.smaller_than_bytes,
    }
    found = {name: value for name, value in given.items() if value is not None}
    if len(found) + max(len(tags) - 1, 0) > 1:
        return {"And": found}
    return {"Tag": tags[0]} if tags else found


# ---- when an object expires ----


def format_expiration(bucket: Bucket, version: Version) -> dict[str, str]:
    """Return the header that tells when a current version expires, if it does."""
    document = bucket.settings.get(Setting.LIFECYCLE)
    if document is None:
        return {}
    expiry = find_expiry(
        _recall_rules(document),
        version.key,
        Aged(
            number=0,
            modified_at=version.modified_at,
            size_bytes=version.size_bytes,
            tags=version.attributes.tags,
            is_delete_marker=version.is_delete_marker,
        ),
    )
    if expiry is None or expiry.at > _LAST_INSTANT:
        return {}
    date = format_http_date(expiry.at)
    return {EXPIRATION_HEADER: f'expiry-date="{date}", rule-id="{quote(expiry.rule_id, safe="")}"'}


def tell_expiration(bucket: Bucket, version: Version) -> dict[str, str]:
    """Return the same as a member of an operation's output."""
    header = format_expiration(bucket, version)
    return {"Expiration": header[EXPIRATION_HEADER]} if header else {}


_recall_rules = lru_cache(maxsize=256)(parse_rules)
