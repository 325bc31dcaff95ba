"""Which operation of S3 a request asks for, decided from method, path, query and one header.

The rules come from the service model: the method, whether a bucket or a key is named, the literal parameters
of the operation's URI (`?acl`, `?list-type=2`), parameters that it requires (`uploadId`), and
`x-amz-copy-source`. The rule with most conditions wins. So every operation of S3 is known by its name, also
those that are answered with `NotImplemented`. A parameter that makes some other operation (a sub-resource) is
never ignored: `PUT /bucket/key?uploadId=…` without a part number must not overwrite the object.
"""

from collections.abc import Mapping
from functools import cache
from re import compile as regex
from urllib.parse import unquote_to_bytes

import msgspec

from continuum.model.objects import MAX_KEY_BYTES
from continuum.store.errors import S3Error
from continuum.store.gateway.shapes import Operation, input_shape, s3_model

_BUCKET = regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,254}")
_COPY_SOURCE = "x-amz-copy-source"

# Not operations of an S3 endpoint of this kind: S3 Express's list of buckets, which has the same request as
# ListBuckets, and the answers of
# Object Lambda functions, which go to another host.
_ELSEWHERE = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})


class Routed(msgspec.Struct, frozen=True):
    """What a request asks for. `query` has decoded names and values; of a name given twice the first
    counts."""

    operation: str
    bucket: str = ""
    key: str = ""
    query: dict[str, str] = {}


class _Rule(msgspec.Struct, frozen=True):
    operation: str
    literals: dict[str, str]
    required: frozenset[str]
    copies: bool
    known: frozenset[str]

    def fits(self, query: Mapping[str, str], copies: bool) -> bool:
        return (
            self.copies <= copies
            and self.required <= query.keys()
            and all(name in query and value in {"", query[name]} for name, value in self.literals.items())
        )

    @property
    def weight(self) -> int:
        return len(self.literals) + len(self.required) + self.copies


class _Rules(msgspec.Struct, frozen=True):
    by_place: dict[tuple[str, str], tuple[_Rule, ...]]
    plain: dict[tuple[str, str, bool], str]  # those that ask nothing of the query: the inner loop's short way
    sub_resources: frozenset[str]


def route(
    method: str, raw_path: bytes, raw_query: bytes, headers: Mapping[str, str], *, domain: str = ""
) -> Routed:
    """Return the operation that a request asks for, its bucket and key and its query.

    The path names bucket and key (`/bucket/key`); with a `domain`, a host `bucket.domain` names the bucket
    and the path the key alone. Browser uploads (a POST to a bucket) are routed as `PostObject`, which the
    model does not know. Raises `S3Error`: `MethodNotAllowed`, `InvalidURI`, `InvalidBucketName`,
    `KeyTooLongError`, `InvalidArgument`.
    """
    bucket, key = _split_path(raw_path, headers.get("host", ""), domain)
    place = "object" if key else "bucket" if bucket else "service"
    query = parse_query(raw_query) if raw_query else {}
    operation = _choose(method, place, query, _COPY_SOURCE in headers)
    return Routed(operation, bucket, key, query)


def _split_path(raw_path: bytes, host: str, domain: str) -> tuple[str, str]:
    if not raw_path.startswith(b"/"):
        raise S3Error("InvalidURI")
    name = host.partition(":")[0].lower()
    if domain and name.endswith(f".{domain}"):
        bucket, raw_key = name[: -len(domain) - 1], raw_path[1:]
    else:
        raw_bucket, _, raw_key = raw_path[1:].partition(b"/")
        bucket = _decode(raw_bucket)
    if bucket and not _BUCKET.fullmatch(bucket):
        raise S3Error("InvalidBucketName", extra={"BucketName": bucket[:255]})
    if raw_key and not bucket:
        raise S3Error("InvalidURI")
    return bucket, _decode_key(raw_key)


def _decode(raw: bytes) -> str:
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None


def _decode_key(raw: bytes) -> str:
    if len(raw) > 3 * MAX_KEY_BYTES:
        raise _key_too_long(len(raw))
    key = _decode(raw)
    if len(raw) > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES:
        raise _key_too_long(len(key.encode()))
    return key


def _key_too_long(size_bytes: int) -> S3Error:
    return S3Error("KeyTooLongError", extra={"Size": str(size_bytes), "MaxSizeAllowed": str(MAX_KEY_BYTES)})


def parse_query(raw_query: bytes) -> dict[str, str]:
    """Decode a query; `+` stands for a space, a name without `=` has the value ''. Of a name given twice the
    first counts."""
    query: dict[str, str] = {}
    for part in raw_query.replace(b"+", b"%20").split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            query.setdefault(_decode(name), _decode(value))
    return query


def _choose(method: str, place: str, query: Mapping[str, str], copies: bool) -> str:
    rules = _rules()
    if not query and (plain := rules.plain.get((method, place, copies))):
        return plain
    for rule in rules.by_place.get((method, place), ()):
        if rule.fits(query, copies):
            if query:
                _refuse_other_sub_resources(rule, query, rules.sub_resources)
            return rule.operation
    if (method, place) == ("POST", "bucket") and not query.keys() & rules.sub_resources:
        return "PostObject"
    raise S3Error("MethodNotAllowed", extra={"Method": method[:20], "ResourceType": place.upper()})


def _refuse_other_sub_resources(rule: _Rule, query: Mapping[str, str], sub_resources: frozenset[str]) -> None:
    for name in query:
        if name in sub_resources and name not in rule.known:
            raise S3Error(
                "InvalidArgument",
                f"{rule.operation} does not take the query parameter {name}.",
                extra={"ArgumentName": name, "ArgumentValue": query[name][:200]},
            )


@cache
def _rules() -> _Rules:
    by_place: dict[tuple[str, str], list[_Rule]] = {}
    for operation in s3_model().operations.values():
        if operation.name not in _ELSEWHERE and not operation.deprecated:
            path = operation.http.request_uri.partition("?")[0]
            place = "object" if "{Key+}" in path else "bucket" if "{Bucket}" in path else "service"
            by_place.setdefault((operation.http.method, place), []).append(_rule(operation))
    for rules in by_place.values():
        rules.sort(key=lambda rule: -rule.weight)
    every = [rule for rules in by_place.values() for rule in rules]
    return _Rules(
        by_place={place: tuple(rules) for place, rules in by_place.items()},
        plain={
            (*place, copies): rule.operation
            for place, rules in by_place.items()
            for copies in (False, True)
            for rule in reversed(rules)
            if rule.fits({}, copies)
        },
        sub_resources=frozenset(name for rule in every for name in (*rule.literals, *rule.required)) - {"id"},
    )


def _rule(operation: Operation) -> _Rule:
    shape = input_shape(operation.name)
    parts = [part.partition("=") for part in operation.http.request_uri.partition("?")[2].split("&")]
    literals = {name: value for name, _, value in parts if name}
    in_query = {
        member: at.location_name for member, at in shape.members.items() if at.location == "querystring"
    }
    required = frozenset(in_query[member] for member in shape.required if member in in_query)
    copies = any(shape.members[member].location_name == _COPY_SOURCE for member in shape.required)
    return _Rule(operation.name, literals, required, copies, frozenset(in_query.values()) | literals.keys())
