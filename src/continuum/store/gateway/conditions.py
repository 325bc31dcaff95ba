"""Conditional requests: what `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since` decide.

For reads the precedence is that of RFC 9110, 13.2.2: a date counts only where the corresponding tag condition
is absent. A read whose object the client has already is answered with 304, any other condition that does not
hold with 412. Copies have the same four conditions over their source (`x-amz-copy-source-if-…`) and always
412. Writes know `If-None-Match: *` and `If-Match`; the locator decides them in its transaction. Dates that
cannot be read are ignored.
"""

from collections.abc import Mapping

import msgspec

from continuum.store.errors import S3Error
from continuum.store.gateway.inputs import parse_instant
from continuum.store.gateway.texts import format_http_date

_PREFIX_COPY = "x-amz-copy-source-if-"
_PREFIX_READ = "if-"


class WriteConditions(msgspec.Struct, frozen=True, kw_only=True):
    """Under which conditions a version may be published. `if_match` is an ETag without quotes, or empty."""

    if_none_match: bool = False
    if_match: str = ""


def check_read(headers: Mapping[str, str], etag: str, modified_at: float) -> None:
    """Raise `S3Error` `NotModified` (304) or `PreconditionFailed` (412) if a read's conditions do not hold.

    `etag` is without quotes, `modified_at` in seconds since the epoch. The error of a 304 carries both as
    headers.
    """
    failed = _find_failed(headers, _PREFIX_READ, etag, modified_at)
    if failed in {"none-match", "modified-since"}:
        headers = {"ETag": f'"{etag}"', "Last-Modified": format_http_date(modified_at)}
        raise S3Error("NotModified", headers=headers)
    if failed:
        raise _failed(f"If-{failed.title()}")


def check_copy_source(headers: Mapping[str, str], etag: str, modified_at: float) -> None:
    """Raise `S3Error` `PreconditionFailed` if the conditions of a copy on its source do not hold."""
    failed = _find_failed(headers, _PREFIX_COPY, etag, modified_at)
    if failed:
        raise _failed(f"{_PREFIX_COPY}{failed}")


def _failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", extra={"Condition": condition})


def _find_failed(headers: Mapping[str, str], prefix: str, etag: str, modified_at: float) -> str:
    """Return the condition that does not hold (without its prefix), else ''."""
    match = headers.get(f"{prefix}match")
    if match is not None:
        if not matches_etag(match, etag):
            return "match"
    elif _is_later(modified_at, headers.get(f"{prefix}unmodified-since")):
        return "unmodified-since"
    none_match = headers.get(f"{prefix}none-match")
    if none_match is not None:
        return "none-match" if matches_etag(none_match, etag) else ""
    since = headers.get(f"{prefix}modified-since")
    return "modified-since" if _is_later(modified_at, since) is False else ""


def _is_later(modified_at: float, date: str | None) -> bool | None:
    """Whether the object changed after a date; None if there is no date that can be read. Dates have whole
    seconds."""
    instant = parse_instant(date) if date is not None else None
    return None if instant is None else modified_at // 1 > instant.timestamp()


def matches_etag(condition: str, etag: str) -> bool:
    """Whether a list of ETags, quoted or (as some clients send them) not, or `*`, has this one."""
    tags = [tag.strip() for tag in condition.split(",")]
    return any(tag == "*" or tag.removeprefix("W/").strip('"') == etag for tag in tags)


def parse_write_conditions(headers: Mapping[str, str]) -> WriteConditions:
    """Return the conditions of a write. Raises `S3Error` for what S3 does not know either: `If-None-Match`
    with an ETag."""
    if "if-modified-since" in headers or "if-unmodified-since" in headers:
        raise _not_implemented("If-Modified-Since and If-Unmodified-Since")
    none_match, match = headers.get("if-none-match"), headers.get("if-match")
    if none_match is not None and none_match.strip() != "*":
        raise _not_implemented("If-None-Match with an ETag")
    if none_match is not None and match is not None:
        raise _not_implemented("If-None-Match together with If-Match")
    if match is not None and not match.strip(' "'):
        raise S3Error("InvalidArgument", "If-Match needs an ETag", extra={"ArgumentName": "If-Match"})
    return WriteConditions(
        if_none_match=none_match is not None, if_match=match.strip().strip('"') if match else ""
    )


def _not_implemented(header: str) -> S3Error:
    return S3Error("NotImplemented", extra={"Header": header})
