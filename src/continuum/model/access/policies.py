"""Policies: JSON documents that allow or deny actions on resources, parsed strictly and evaluated.

A statement applies if its principal, action, resource and all of its conditions do. A statement that denies
beats any that allows. Source: IAM User Guide, "Policy evaluation logic"; Amazon S3 User Guide, "Bucket
policies".

Users are named `NAME`, `arn:aws:iam:::user/NAME` or with the account 000000000000, which is the one account
of a continuum. `NotPrincipal` is refused: with it, who is not named is let in or kept out without anybody
thinking of them; conditions on `aws:username` say the same plainly.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from continuum.model.access.actions import BUCKET_ACTIONS, EVERY_ACTION, OBJECT_ACTIONS
from continuum.model.access.conditions import (
    EXISTING_TAG,
    Condition,
    Context,
    check_variables,
    holds,
    parse_conditions,
)
from continuum.model.access.patterns import matches
from continuum.model.errors import InvalidInputError

MAX_POLICY_BYTES = 20 * 1024
ACCOUNT = "000000000000"
BUCKET_ARN = "arn:aws:s3:::"

_VERSIONS = ("2012-10-17", "2008-10-17")
_USER_ARN = re.compile(rf"arn:aws:iam::(?:{ACCOUNT})?:user/(.+)")
_USER_NAME = re.compile(r"[^*?$:/\s]{1,256}")
_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


class PolicyError(InvalidInputError):
    """A policy cannot be understood as it is."""

    code = "MalformedPolicy"


class Decision(StrEnum):
    """What a policy says of a request."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one resource. `user` is empty for anybody who sent no signature."""

    user: str
    action: str
    resource: str
    context: Context


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """`principals` None: everybody, with a signature or without."""

    is_allowing: bool
    principals: frozenset[str] | None
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    is_not_action: bool = False
    is_not_resource: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`has_variables`: `${…}` stands for what is known of the request (since version 2012-10-17)."""

    statements: tuple[Statement, ...]
    has_variables: bool

    @property
    def denies(self) -> bool:
        """Whether anything is denied, maybe even to the owner."""
        return any(not statement.is_allowing for statement in self.statements)

    @property
    def asks_for_tags(self) -> bool:
        """Whether the tags of the object that is asked for decide."""
        return any(
            condition.key.startswith(EXISTING_TAG)
            for statement in self.statements
            for condition in statement.conditions
        )


# ---- evaluating ----


def evaluate(policy: Policy, asked: Asked) -> Decision:
    """Return what a policy says of a request."""
    variables = None
    if policy.has_variables:
        variables = {name: values[0] for name, values in asked.context.items() if len(values) == 1}
    decision = Decision.SILENT
    for statement in policy.statements:
        if _applies(statement, asked, variables):
            if not statement.is_allowing:
                return Decision.DENY
            decision = Decision.ALLOW
    return decision


def _applies(statement: Statement, asked: Asked, variables: Mapping[str, str] | None) -> bool:
    if statement.principals is not None and asked.user not in statement.principals:
        return False
    action = asked.action.lower()
    if any(matches(pattern, action) for pattern in statement.actions) == statement.is_not_action:
        return False
    named = any(matches(pattern, asked.resource, variables) for pattern in statement.resources)
    if named == statement.is_not_resource:
        return False
    return all(holds(condition, asked.context, variables) for condition in statement.conditions)


# ---- who is let in ----

_FIXING_KEYS = frozenset({"aws:username", "aws:userid", "aws:principalarn"})
_FIXING_OPERATORS = frozenset(
    {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
)
_MIN_PREFIX = {4: 8, 6: 32}


def is_public(policy: Policy) -> bool:
    """Whether a policy lets in everybody: no principal is named and no condition narrows it to fixed users
    or addresses."""
    return any(
        statement.is_allowing
        and statement.principals is None
        and not any(_fixes_who(condition) for condition in statement.conditions)
        for statement in policy.statements
    )


def _fixes_who(condition: Condition) -> bool:
    if condition.if_exists or condition.quantifier == "ForAllValues":
        return False
    if condition.operator == "IpAddress" and condition.key == "aws:sourceip":
        return all(_is_narrow(value) for value in condition.values)
    return (
        condition.operator in _FIXING_OPERATORS
        and condition.key in _FIXING_KEYS
        and not any(set(value) & set("*?$") for value in condition.values)
    )


def _is_narrow(network: str) -> bool:
    address, _, prefix = network.partition("/")
    return not prefix or (prefix.isdigit() and int(prefix) >= _MIN_PREFIX[6 if ":" in address else 4])


# ---- parsing ----


def parse_bucket_policy(document: bytes, bucket: str) -> Policy:
    """Read the policy of a bucket. Raises `PolicyError` with the reason."""
    policy = _parse(document, with_principal=True)
    arn = f"{BUCKET_ARN}{bucket}"
    for statement in policy.statements:
        for resource in statement.resources:
            _check_resource(resource, arn)
        if not statement.is_not_resource and not statement.is_not_action:
            _check_actions_apply(statement, arn)
    return policy


def parse_session_policy(document: bytes) -> Policy:
    """Read a policy that narrows what temporary credentials may do: it has no principal and may name any
    bucket. Raises `PolicyError`."""
    policy = _parse(document, with_principal=False)
    for statement in policy.statements:
        for resource in statement.resources:
            if resource != "*" and not resource.startswith(BUCKET_ARN):
                raise PolicyError(f"the resource {resource[:100]!r} is not of S3")
    return policy


def _parse(document: bytes, *, with_principal: bool) -> Policy:
    if len(document) > MAX_POLICY_BYTES:
        raise PolicyError(f"a policy has at most {MAX_POLICY_BYTES} bytes")
    try:
        found = json.loads(document, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise PolicyError("Policies must be valid JSON and the first byte must be '{'") from None
    if not isinstance(found, dict):
        raise PolicyError("Policies must be valid JSON and the first byte must be '{'")
    _check_elements(found, _ELEMENTS, "a policy")
    version = found.get("Version", _VERSIONS[1])
    if version not in _VERSIONS:
        raise PolicyError("The policy must contain a valid version string")
    statements = found.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError("Missing required field Statement")
    with_variables = version == _VERSIONS[0]
    return Policy(
        statements=tuple(
            _parse_statement(each, with_principal=with_principal, with_variables=with_variables)
            for each in statements
        ),
        has_variables=with_variables,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_elements(found: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    for name in found:
        if name == "NotPrincipal":
            raise PolicyError(
                "NotPrincipal is not supported here: use Principal with a condition on aws:username"
            )
        if name not in known:
            raise PolicyError(f"Unknown field {name[:60]} in {what}")


def _parse_statement(found: Any, *, with_principal: bool, with_variables: bool) -> Statement:
    if not isinstance(found, dict):
        raise PolicyError("a statement must be an object")
    _check_elements(found, _STATEMENT_ELEMENTS, "a statement")
    if found.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("Invalid effect: Allow or Deny")
    if ("Principal" in found) != with_principal:
        raise PolicyError(
            "Missing required field Principal" if with_principal else "a session policy has no Principal"
        )
    if not isinstance(found.get("Sid", ""), str):
        raise PolicyError("Sid must be a text")
    actions, is_not_action = _either(found, "Action")
    resources, is_not_resource = _either(found, "Resource")
    for action in actions:
        _check_action(action)
    try:
        check_variables(list(resources), with_variables=with_variables)
        conditions = parse_conditions(found.get("Condition", {}), with_variables=with_variables)
    except InvalidInputError as problem:
        raise PolicyError(problem.message) from problem
    return Statement(
        is_allowing=found["Effect"] == "Allow",
        principals=_parse_principal(found["Principal"]) if with_principal else None,
        actions=tuple(action.lower() for action in actions),
        resources=resources,
        conditions=conditions,
        is_not_action=is_not_action,
        is_not_resource=is_not_resource,
    )


def _either(found: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], bool]:
    """Return the texts of an element or of its negation; exactly one of both must be there."""
    negated = f"Not{name}"
    if (name in found) == (negated in found):
        raise PolicyError(f"a statement has either {name} or {negated}")
    is_not = negated in found
    return _texts(found[negated if is_not else name], name), is_not


def _texts(value: Any, name: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise PolicyError(f"{name} must be a text or a list of texts")
    return tuple(texts)


def _check_action(action: str) -> None:
    if not any(matches(action.lower(), known.lower()) for known in EVERY_ACTION):
        raise PolicyError(f"Policy has invalid action: {action[:100]}")


def _parse_principal(found: Any) -> frozenset[str] | None:
    if found == "*":
        return None
    if not isinstance(found, dict) or not found or found.keys() - {"AWS", "CanonicalUser"}:
        raise PolicyError('Invalid principal in policy: "*" or {"AWS": …}')
    names = [name for kind, value in found.items() for name in _texts(value, f"Principal {kind}")]
    if "*" in names:
        return None
    return frozenset(parse_user(name) for name in names)


def parse_user(text: str) -> str:
    """Return the name of the user that a principal names. Raises `PolicyError`."""
    found = _USER_ARN.fullmatch(text)
    name = found[1] if found else text
    if not _USER_NAME.fullmatch(name):
        raise PolicyError(f"Invalid principal in policy: {text[:100]}")
    return name


def _check_resource(resource: str, arn: str) -> None:
    rest = resource.removeprefix(arn)
    if rest == resource or (rest and rest[0] not in "/*"):
        raise PolicyError(f"Policy has invalid resource: {resource[:200]}")


def _check_actions_apply(statement: Statement, arn: str) -> None:
    """Refuse actions that none of the statement's resources can be the object of."""
    on_bucket = any(matches(resource, arn) for resource in statement.resources)
    on_objects = any("/" in resource or resource.endswith("*") for resource in statement.resources)
    for pattern in statement.actions:
        fits = (on_bucket and _names_any(pattern, BUCKET_ACTIONS)) or (
            on_objects and _names_any(pattern, OBJECT_ACTIONS)
        )
        if not fits:
            raise PolicyError("Action does not apply to any resource(s) in statement")


def _names_any(pattern: str, actions: frozenset[str]) -> bool:
    return any(matches(pattern, action.lower()) for action in actions)
