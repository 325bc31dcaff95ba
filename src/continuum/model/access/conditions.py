"""Conditions of policies: operators over what is known of a request.

Of several values in a condition one suffices (of a negated operator none may hold). A key that the request
does not have makes a positive operator fail and a negated one hold, `…IfExists` holds then, `ForAllValues`
holds, `ForAnyValue` fails. Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from continuum.model.access.patterns import find_variables, matches, resolve
from continuum.model.errors import InvalidInputError

Context = Mapping[str, tuple[str, ...]]
"""Values by the lower-case name of their key; a key that is not there is not known of the request."""

KEYS = frozenset(
    {
        *("aws:sourceip", "aws:securetransport", "aws:currenttime", "aws:epochtime", "aws:username"),
        *("aws:userid", "aws:principalarn", "aws:referer", "aws:useragent"),
        *("s3:prefix", "s3:delimiter", "s3:max-keys", "s3:versionid", "s3:authtype", "s3:signatureage"),
        *("s3:signatureversion", "s3:x-amz-acl", "s3:x-amz-grant-read", "s3:x-amz-grant-write"),
        *("s3:x-amz-grant-read-acp", "s3:x-amz-grant-write-acp", "s3:x-amz-grant-full-control"),
        *("s3:x-amz-copy-source", "s3:x-amz-metadata-directive", "s3:x-amz-server-side-encryption"),
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        *("s3:x-amz-storage-class", "s3:x-amz-content-sha256", "s3:x-amz-object-ownership"),
        *("s3:object-lock-mode", "s3:object-lock-retain-until-date", "s3:object-lock-legal-hold"),
        *("s3:requestobjecttagkeys", "s3:if-match", "s3:if-none-match"),
    }
)
EXISTING_TAG = "s3:existingobjecttag/"
REQUEST_TAG = "s3:requestobjecttag/"

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_QUANTIFIERS = ("ForAllValues", "ForAnyValue")

Match = Callable[[str, str, Mapping[str, str] | None], bool]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One key under one operator. `operator` is without quantifier and `IfExists`."""

    operator: str
    key: str
    values: tuple[str, ...]
    quantifier: str = ""
    if_exists: bool = False

    @property
    def is_negated(self) -> bool:
        """Whether the operator holds for what its values do not describe."""
        return _OPERATORS[self.operator].is_negated


class _Operator(msgspec.Struct, frozen=True):
    match: Match
    is_negated: bool = False
    check: Callable[[str], object] | None = None


def parse_conditions(document: Any, *, with_variables: bool) -> tuple[Condition, ...]:
    """Read a `Condition` element. Raises `InvalidInputError` for whatever is not understood."""
    if not isinstance(document, dict):
        raise InvalidInputError("Condition must be an object")
    found: list[Condition] = []
    for name, keys in document.items():
        if not isinstance(keys, dict) or not keys:
            raise InvalidInputError(f"the condition {name[:60]} must be an object of keys and values")
        for key, values in keys.items():
            found.append(_parse_condition(name, key, values, with_variables=with_variables))
    return tuple(found)


def _parse_condition(name: str, key: str, values: Any, *, with_variables: bool) -> Condition:
    quantifier, _, rest = name.rpartition(":")
    operator = rest.removesuffix("IfExists")
    if (
        operator not in _OPERATORS
        or quantifier not in {"", *_QUANTIFIERS}
        or (operator == "Null" and name != operator)
    ):
        raise InvalidInputError(f"there is no condition operator {name[:60]!r}")
    given = values if isinstance(values, list) else [values]
    condition = Condition(
        operator=operator,
        key=_parse_key(key),
        values=tuple(_parse_value(value) for value in given),
        quantifier=quantifier,
        if_exists=rest != operator,
    )
    if not condition.values:
        raise InvalidInputError(f"the condition {name} on {key[:60]} has no value")
    check_variables([*condition.values], with_variables=with_variables)
    check = _OPERATORS[operator].check
    if check is not None:
        for value in condition.values:
            check(value)
    return condition


def _parse_key(text: str) -> str:
    """Return the key in lower case, but for the name of a tag."""
    name, slash, tag = text.partition("/")
    key = f"{name.lower()}{slash}{tag}"
    if key in KEYS or (f"{name.lower()}/" in {EXISTING_TAG, REQUEST_TAG} and tag):
        return key
    raise InvalidInputError(f"there is no condition key {text[:80]!r} here")


def _parse_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    raise InvalidInputError("the values of conditions are texts, numbers or booleans")


def check_variables(texts: list[str], *, with_variables: bool) -> None:
    """Refuse variables that stand for nothing here."""
    for text in texts if with_variables else ():
        for name in find_variables(text):
            if name not in KEYS or name == "s3:requestobjecttagkeys":
                raise InvalidInputError(f"there is no variable ${{{name[:60]}}} here")


def holds(condition: Condition, context: Context, variables: Mapping[str, str] | None) -> bool:
    """Whether a condition holds for what is known of a request."""
    values = context.get(condition.key)
    if condition.operator == "Null":
        return any((value.lower() == "true") == (not values) for value in condition.values)
    operator = _OPERATORS[condition.operator]
    if not values:
        if condition.if_exists or condition.quantifier == "ForAllValues":
            return True
        return operator.is_negated and condition.quantifier != "ForAnyValue"

    def fits(value: str) -> bool:
        return any(operator.match(wanted, value, variables) for wanted in condition.values)

    if condition.quantifier == "ForAllValues" or (operator.is_negated and not condition.quantifier):
        return all(fits(value) != operator.is_negated for value in values)
    return any(fits(value) != operator.is_negated for value in values)


# ---- comparing ----


def _equals(wanted: str, value: str, variables: Mapping[str, str] | None) -> bool:
    return resolve(wanted, variables) == value


def _equals_ignoring_case(wanted: str, value: str, variables: Mapping[str, str] | None) -> bool:
    text = resolve(wanted, variables)
    return text is not None and text.casefold() == value.casefold()


def _comparing(parse: Callable[[str], float | None], compare: Callable[[float, float], bool]) -> Match:
    def match(wanted: str, value: str, _: Mapping[str, str] | None) -> bool:
        left, right = parse(value), parse(wanted)
        return left is not None and right is not None and compare(left, right)

    return match


def _find_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _find_instant(text: str) -> float | None:
    if _NUMBER.fullmatch(text) and "-" not in text:
        return float(text)
    try:
        instant = datetime.fromisoformat(text)
        return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_in_network(wanted: str, value: str, _: Mapping[str, str] | None) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address) in ipaddress.ip_network(wanted, strict=False)


def _same_truth(wanted: str, value: str, _: Mapping[str, str] | None) -> bool:
    return wanted.lower() == value.lower()


def _check_number(text: str) -> None:
    if _find_number(text) is None:
        raise InvalidInputError(f"{text[:60]!r} is no number")


def _check_instant(text: str) -> None:
    if _find_instant(text) is None:
        raise InvalidInputError(f"{text[:60]!r} is no date, such as 2026-11-23T00:00:00Z")


def _check_truth(text: str) -> None:
    if text.lower() not in {"true", "false"}:
        raise InvalidInputError(f"{text[:60]!r} is neither true nor false")


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInputError(f"{text[:60]!r} is no range of addresses, such as 192.0.2.0/24") from None


_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], bool]] = {
    "Equals": (lambda left, right: left == right, False),
    "NotEquals": (lambda left, right: left == right, True),
    "LessThan": (lambda left, right: left < right, False),
    "LessThanEquals": (lambda left, right: left <= right, False),
    "GreaterThan": (lambda left, right: left > right, False),
    "GreaterThanEquals": (lambda left, right: left >= right, False),
}

_OPERATORS: dict[str, _Operator] = {
    "StringEquals": _Operator(_equals),
    "StringNotEquals": _Operator(_equals, is_negated=True),
    "StringEqualsIgnoreCase": _Operator(_equals_ignoring_case),
    "StringNotEqualsIgnoreCase": _Operator(_equals_ignoring_case, is_negated=True),
    "StringLike": _Operator(matches),
    "StringNotLike": _Operator(matches, is_negated=True),
    "ArnEquals": _Operator(matches),
    "ArnLike": _Operator(matches),
    "ArnNotEquals": _Operator(matches, is_negated=True),
    "ArnNotLike": _Operator(matches, is_negated=True),
    "Bool": _Operator(_same_truth, check=_check_truth),
    "Null": _Operator(_same_truth, check=_check_truth),
    "IpAddress": _Operator(_is_in_network, check=_check_network),
    "NotIpAddress": _Operator(_is_in_network, is_negated=True, check=_check_network),
    **{
        f"Numeric{name}": _Operator(_comparing(_find_number, compare), negated, _check_number)
        for name, (compare, negated) in _COMPARISONS.items()
    },
    **{
        f"Date{name}": _Operator(_comparing(_find_instant, compare), negated, _check_instant)
        for name, (compare, negated) in _COMPARISONS.items()
    },
}
