"""What becomes of versions by the age that a bucket's lifecycle rules give them.

Pure: rules, the versions of one key and an instant go in, decisions come out, so that what a run will do can
be shown before it does it, and the transaction that removes something decides again by the same function.

Ages are counted as S3 counts them: the days are added to the instant from which they run, and the sum is
rounded up to the next midnight UTC. A current version ages from its own instant, a noncurrent one from the
instant of the version that replaced it. Locks are not looked at here: whoever removes respects them.
Source: Amazon S3 User Guide, "Lifecycle configuration elements", "Expiring objects".
"""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

DAY_S = 86_400.0


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule. Days 0 and instants None: the rule has no such action.

    `prefix` None: none was given. Sizes are exclusive, as in S3. `is_old_form` remembers that the prefix
    stood in the rule itself and not in a filter. `removes_lone_markers` is S3's `ExpiredObjectDeleteMarker`.
    """

    rule_id: str
    is_enabled: bool
    prefix: str | None = None
    tags: dict[str, str] = {}
    larger_than_bytes: int | None = None
    smaller_than_bytes: int | None = None
    is_old_form: bool = False
    expire_after_days: int = 0
    expire_at: float | None = None
    removes_lone_markers: bool | None = None
    remove_noncurrent_after_days: int = 0
    keep_noncurrent: int = 0
    abort_uploads_after_days: int = 0


Rules = tuple[Rule, ...]
_decode = msgspec.json.Decoder(Rules).decode


def format_rules(rules: Rules) -> bytes:
    """Return the document that a bucket keeps its rules in."""
    return msgspec.json.encode(rules)


def parse_rules(document: bytes) -> Rules:
    """Return the rules of a bucket's document."""
    return _decode(document)


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """What rules look at in a version. `number` is the caller's name for it."""

    number: int
    modified_at: float
    size_bytes: int = 0
    tags: dict[str, str] = {}
    is_delete_marker: bool = False


class Above(msgspec.Struct, frozen=True):
    """What is newer than the versions at hand: how many, and the instant of the oldest of them."""

    count: int = 0
    modified_at: float = 0.0


class Action(StrEnum):
    """What is done to a version."""

    EXPIRE = "expire"  # the current one: as a deletion without version id does
    REMOVE = "remove"  # a noncurrent one, for good
    REMOVE_MARKER = "remove marker"  # a delete marker under which nothing is left


class Decision(msgspec.Struct, frozen=True):
    """What to do to the version `number`, and which rule says so."""

    action: Action
    number: int
    rule_id: str


class Expiry(msgspec.Struct, frozen=True):
    """When a version expires, and by which rule."""

    at: float
    rule_id: str


def round_up_to_midnight(instant: float) -> float:
    """Return the first midnight UTC that is not before `instant`."""
    return math.ceil(instant / DAY_S) * DAY_S


def due_at(since: float, days: int) -> float:
    """Return when something that ages from `since` is `days` old, as S3 counts."""
    return round_up_to_midnight(since + days * DAY_S)


def decide(
    rules: Iterable[Rule],
    key: str,
    versions: Sequence[Aged],
    now: float,
    *,
    above: Above | None = None,
    is_end: bool = True,
) -> tuple[Decision, ...]:
    """Return what to do to `versions` of `key`, which are in order, the newest first.

    A key with many versions may be looked at piece by piece: `above` tells of those before this piece, and
    `is_end` whether the oldest version is in it.
    """
    newer = above or Above()
    enabled = [rule for rule in rules if rule.is_enabled]
    found = []
    for position, version in enumerate(versions, start=newer.count):
        if position:
            rule_id = _removing_rule(enabled, key, version, newer, now)
            decision = Decision(Action.REMOVE, version.number, rule_id) if rule_id is not None else None
        elif version.is_delete_marker:
            is_lone = is_end and len(versions) == 1
            decision = _decide_marker(enabled, key, version, now) if is_lone else None
        else:
            decision = _decide_current(enabled, key, version, now)
        if decision is not None:
            found.append(decision)
        newer = Above(position + 1, version.modified_at)
    return tuple(found)


def _decide_current(rules: Iterable[Rule], key: str, version: Aged, now: float) -> Decision | None:
    expiry = find_expiry(rules, key, version)
    if expiry is None or expiry.at > now:
        return None
    return Decision(Action.EXPIRE, version.number, expiry.rule_id)


def _decide_marker(rules: Iterable[Rule], key: str, marker: Aged, now: float) -> Decision | None:
    for rule in rules:
        is_old = bool(rule.expire_after_days) and due_at(marker.modified_at, rule.expire_after_days) <= now
        if (rule.removes_lone_markers or is_old) and applies(rule, key, marker):
            return Decision(Action.REMOVE_MARKER, marker.number, rule.rule_id)
    return None


def _removing_rule(rules: Iterable[Rule], key: str, version: Aged, newer: Above, now: float) -> str | None:
    for rule in rules:
        days = rule.remove_noncurrent_after_days
        if (
            days
            and newer.count - 1 >= rule.keep_noncurrent  # the current one does not count
            and due_at(newer.modified_at, days) <= now
            and applies(rule, key, version)
        ):
            return rule.rule_id
    return None


def find_expiry(rules: Iterable[Rule], key: str, version: Aged) -> Expiry | None:
    """Return when a current version expires first. A delete marker does not expire."""
    if version.is_delete_marker:
        return None
    found = [
        Expiry(at, rule.rule_id)
        for rule in rules
        if (at := _expiry_by(rule, version)) is not None and rule.is_enabled and applies(rule, key, version)
    ]
    return min(found, key=lambda expiry: expiry.at) if found else None


def _expiry_by(rule: Rule, version: Aged) -> float | None:
    if rule.expire_after_days:
        return due_at(version.modified_at, rule.expire_after_days)
    return rule.expire_at


def applies(rule: Rule, key: str, version: Aged) -> bool:
    """Whether the rule is about this version. A delete marker has neither tags nor a size."""
    if rule.prefix and not key.startswith(rule.prefix):
        return False
    if version.is_delete_marker:
        return not has_filter_of_content(rule)
    if rule.larger_than_bytes is not None and version.size_bytes <= rule.larger_than_bytes:
        return False
    if rule.smaller_than_bytes is not None and version.size_bytes >= rule.smaller_than_bytes:
        return False
    return not rule.tags or rule.tags.items() <= version.tags.items()


def has_filter_of_content(rule: Rule) -> bool:
    """Whether the rule asks for tags or sizes."""
    return bool(rule.tags) or rule.larger_than_bytes is not None or rule.smaller_than_bytes is not None


def find_aborting_rule(rules: Iterable[Rule], key: str, created_at: float, now: float) -> str | None:
    """Return the id of the rule by which an upload that was begun at `created_at` is aborted now."""
    for rule in rules:
        days = rule.abort_uploads_after_days
        is_about = rule.is_enabled and bool(days) and key.startswith(rule.prefix or "")
        if is_about and due_at(created_at, days) <= now:
            return rule.rule_id
    return None
