"""Who wants to be told what about a bucket: rules, and whether one is about an event.

Events have S3's names without the leading `s3:` (`ObjectCreated:Put`); rules may end in `*`. A target is
named by an ARN, `arn:continuum:sns:::NAME` (or `sqs`, for tools that know queues only); what is behind a
name is for the continuum's admins to say. Source: Amazon S3 User Guide, "Event notification types and
destinations", "Configuring event notifications using object key name filtering".
"""

import re
from collections.abc import Iterable

import msgspec

TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_ARN = re.compile(r"arn:continuum:(sns|sqs):[^:]*:[^:]*:([^:]+)")
_PREFIX = "s3:"

CREATED_PUT = "ObjectCreated:Put"
CREATED_POST = "ObjectCreated:Post"
CREATED_COPY = "ObjectCreated:Copy"
CREATED_UPLOAD = "ObjectCreated:CompleteMultipartUpload"
REMOVED = "ObjectRemoved:Delete"
REMOVED_BY_MARKER = "ObjectRemoved:DeleteMarkerCreated"
EXPIRED = "LifecycleExpiration:Delete"
EXPIRED_BY_MARKER = "LifecycleExpiration:DeleteMarkerCreated"
TAGGED = "ObjectTagging:Put"
UNTAGGED = "ObjectTagging:Delete"
ACL_PUT = "ObjectAcl:Put"

EVENTS = frozenset(
    {
        CREATED_PUT,
        CREATED_POST,
        CREATED_COPY,
        CREATED_UPLOAD,
        REMOVED,
        REMOVED_BY_MARKER,
        EXPIRED,
        EXPIRED_BY_MARKER,
        TAGGED,
        UNTAGGED,
        ACL_PUT,
    }
)
"""What happens here. S3 knows of more: of restores, transitions and its replication."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the target of `arn` of these events (`s3:ObjectCreated:*`) about keys with prefix and suffix.

    `prefix` and `suffix` None: none was given.
    """

    rule_id: str
    arn: str
    events: tuple[str, ...]
    prefix: str | None = None
    suffix: str | None = None

    @property
    def target(self) -> str:
        """The name of the target."""
        return parse_arn(self.arn) or ""


Rules = tuple[Rule, ...]
_decode = msgspec.json.Decoder(Rules).decode


def format_rules(rules: Rules) -> bytes:
    """Return the document that a bucket keeps its rules in."""
    return msgspec.json.encode(rules)


def parse_rules(document: bytes) -> Rules:
    """Return the rules of a bucket's document."""
    return _decode(document)


def format_arn(name: str) -> str:
    """Return the ARN of a target."""
    return f"arn:continuum:sns:::{name}"


def parse_arn(arn: str) -> str | None:
    """Return the name of the target that an ARN is of; None if it is none of ours."""
    match = _ARN.fullmatch(arn)
    return match[2] if match and TARGET_NAME.fullmatch(match[2]) else None


def is_known(pattern: str) -> bool:
    """Whether an event, or some event of a pattern, can happen here."""
    return any(_fits(pattern, event) for event in EVENTS)


def _fits(pattern: str, event: str) -> bool:
    if not pattern.startswith(_PREFIX):
        return False
    wanted = pattern[len(_PREFIX) :]
    return event == wanted or (wanted.endswith(":*") and event.startswith(wanted[:-1]))


def concerns(rule: Rule, event: str, key: str) -> bool:
    """Whether the rule's target is to be told of this event."""
    return (
        key.startswith(rule.prefix or "")
        and key.endswith(rule.suffix or "")
        and any(_fits(pattern, event) for pattern in rule.events)
    )


def find_targets(rules: Iterable[Rule], event: str, key: str) -> tuple[Rule, ...]:
    """Return the rules that tell of an event, each target once."""
    found: dict[str, Rule] = {}
    for rule in rules:
        if concerns(rule, event, key):
            found.setdefault(rule.target, rule)
    return tuple(found.values())


def overlap(first: Rule, second: Rule) -> bool:
    """Whether some event about some key would be for both, which S3 refuses."""
    return (
        _extends(first.prefix or "", second.prefix or "")
        and _extends((first.suffix or "")[::-1], (second.suffix or "")[::-1])
        and any(
            _fits(one, event) and _fits(other, event)
            for event in EVENTS
            for one in first.events
            for other in second.events
        )
    )


def _extends(first: str, second: str) -> bool:
    return first.startswith(second) or second.startswith(first)
