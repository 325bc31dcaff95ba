"""Tags of objects and buckets: read from a header or a document, checked as S3 does.

An object has at most 10 tags, a bucket 50. Keys have 1 to 128 characters and values up to 256: letters,
digits, white space and `_.:/=+-@` of any script. Source: Amazon S3 User Guide, "Categorizing your objects
using tags".
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from continuum.store.errors import S3Error

MAX_OBJECT_TAGS = 10
MAX_BUCKET_TAGS = 50
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256
TAGGING_HEADER = "x-amz-tagging"

_SYMBOLS = frozenset("_.:/=+-@\t\n\r\f\v")
_CATEGORIES = frozenset("LNZ")
_RESERVED = "aws:"


def parse_tagging_header(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the tags in `x-amz-tagging` (`a=1&b=2`, percent-encoded). Raises `S3Error`: `InvalidArgument`,
    `InvalidTag`, `BadRequest`."""
    text = headers.get(TAGGING_HEADER)
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_BUCKET_TAGS)
    except ValueError:  # too many, or no UTF-8
        raise _invalid_header(text) from None
    if len({key for key, _ in pairs}) != len(pairs):
        raise _invalid_header(text)
    return _check(pairs)


def _invalid_header(text: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        f"The header '{TAGGING_HEADER}' shall be encoded as UTF-8 then URLEncoded URL query parameters"
        " without tag name duplicates.",
        extra={"ArgumentName": TAGGING_HEADER, "ArgumentValue": text[:200]},
    )


def read_object_tags(tag_set: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the tags of an object in a `TagSet`. Raises `S3Error`: `InvalidTag`, `BadRequest`."""
    return _check([(tag["Key"], tag["Value"]) for tag in tag_set])


def read_bucket_tags(tag_set: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the tags of a bucket in a `TagSet`. Raises `S3Error`: `InvalidTag`, `BadRequest`."""
    pairs = [(tag["Key"], tag["Value"]) for tag in tag_set]
    return _check(pairs, MAX_BUCKET_TAGS, "Bucket tag count cannot be greater than 50")


def format_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a `TagSet`, in the order of their keys."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def _check(
    pairs: list[tuple[str, str]],
    limit: int = MAX_OBJECT_TAGS,
    refusal: str = "Object tags cannot be greater than 10",
) -> dict[str, str]:
    if len(pairs) > limit:
        raise S3Error("BadRequest", refusal)
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not _is_allowed(key):
            raise _invalid_tag("The TagKey you have provided is invalid", key)
        if len(value) > MAX_VALUE_CHARACTERS or not _is_allowed(value):
            raise _invalid_tag("The TagValue you have provided is invalid", key)
        if key.lower().startswith(_RESERVED):
            raise _invalid_tag("System tags cannot be added/updated by requester", key)
        if key in tags:
            raise _invalid_tag("Cannot provide multiple Tags with the same key", key)
        tags[key] = value
    return tags


def _is_allowed(text: str) -> bool:
    return all(
        character in _SYMBOLS or unicodedata.category(character)[0] in _CATEGORIES for character in text
    )


def _invalid_tag(message: str, key: str) -> S3Error:
    return S3Error("InvalidTag", message, extra={"TagKey": key[:MAX_KEY_CHARACTERS]})
