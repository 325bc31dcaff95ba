"""The policy documents of browser uploads: until when, and what fields and file they allow. Pure.

Every field of the form must be allowed by a condition. Source: Amazon S3 API Reference, "Browser-based
uploads using POST (AWS Signature Version 4)", "POST policy".
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from continuum.store.errors import S3Error

UNCHECKED = frozenset({"policy", "x-amz-signature", "file"})
IGNORED = "x-ignore-"
_OPERATORS = frozenset({"eq", "starts-with"})
_RANGE = "content-length-range"


class Rule(msgspec.Struct, frozen=True):
    """`eq` or `starts-with` on a field, lower-case."""

    operator: str
    field: str
    value: str


class FormPolicy(msgspec.Struct, frozen=True):
    """What a form may hold, until `expires_at`."""

    expires_at: float
    rules: tuple[Rule, ...]
    min_bytes: int = 0
    max_bytes: int | None = None


def parse_form_policy(document: bytes) -> FormPolicy:
    """Read a policy. Raises `S3Error` `InvalidPolicyDocument`."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        raise _invalid("it is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("conditions"), list):
        raise _invalid("it needs an expiration and conditions")
    if found.keys() - {"expiration", "conditions"}:
        raise _invalid("it has an unknown element")
    rules: list[Rule] = []
    smallest, largest = 0, None
    for condition in found["conditions"]:
        if isinstance(condition, list) and condition and condition[0] == _RANGE:
            smallest, largest = _parse_range(condition)
        else:
            rules += _parse_condition(condition)
    return FormPolicy(_parse_expiration(found.get("expiration")), tuple(rules), smallest, largest)


def _invalid(reason: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {reason}.")


def _parse_expiration(text: Any) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise _invalid("the expiration is no date such as 2026-11-23T12:00:00Z") from None
    return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).timestamp()


def _parse_range(condition: list[Any]) -> tuple[int, int]:
    numbers = [str(number) for number in condition[1:]]
    if len(numbers) != len(("min", "max")) or not all(n.isascii() and n.isdigit() for n in numbers):
        raise _invalid(f"{_RANGE} has two numbers")
    return int(numbers[0]), int(numbers[1])


def _parse_condition(condition: Any) -> list[Rule]:
    if isinstance(condition, dict) and all(isinstance(value, str) for value in condition.values()):
        return [Rule("eq", name.lower(), value) for name, value in condition.items()]
    if (
        isinstance(condition, list)
        and len(condition) == len(("operator", "field", "value"))
        and all(isinstance(part, str) for part in condition)
        and condition[0].lower() in _OPERATORS
        and condition[1].startswith("$")
    ):
        return [Rule(condition[0].lower(), condition[1][1:].lower(), condition[2])]
    raise _invalid("a condition is not understood")


def check_form(policy: FormPolicy, fields: Mapping[str, str], file_bytes: int, now: float) -> None:
    """Raise `S3Error` unless the policy allows a form: `AccessDenied`, `EntityTooSmall`, `EntityTooLarge`.

    `fields` have lower-case names and hold the `bucket`.
    """
    if now >= policy.expires_at:
        raise _denied("Policy expired.")
    for rule in policy.rules:
        value = fields.get(rule.field, "")
        if not (value == rule.value if rule.operator == "eq" else value.startswith(rule.value)):
            raise _denied(f'Policy Condition failed: ["{rule.operator}", "${rule.field}", "{rule.value}"]')
    allowed = {rule.field for rule in policy.rules}
    for name in fields:
        if name not in allowed and name not in UNCHECKED | {"bucket"} and not name.startswith(IGNORED):
            raise _denied(f"Extra input fields: {name[:60]}")
    if file_bytes < policy.min_bytes:
        sizes = {"ProposedSize": str(file_bytes), "MinSizeAllowed": str(policy.min_bytes)}
        raise S3Error("EntityTooSmall", extra=sizes)
    if policy.max_bytes is not None and file_bytes > policy.max_bytes:
        sizes = {"ProposedSize": str(file_bytes), "MaxSizeAllowed": str(policy.max_bytes)}
        raise S3Error("EntityTooLarge", extra=sizes)


def _denied(reason: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {reason}")
