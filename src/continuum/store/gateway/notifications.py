"""Notification configurations as S3 writes them, and as the model has them.

A configuration names targets by ARN; which there are is known to the locator. What never happens here
(restores, transitions, S3's own replication, EventBridge) is answered with `NotImplemented`, so that nobody
waits for an event that cannot come.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any

from continuum.model.notifications import Rule, Rules, is_known, overlap, parse_arn
from continuum.model.objects import MAX_KEY_BYTES
from continuum.store.errors import S3Error

MAX_RULES = 100  # as many as S3 takes in a bucket
MAX_ID_CHARACTERS = 255

_KINDS = (("TopicConfigurations", "TopicArn"), ("QueueConfigurations", "QueueArn"))
_ELSEWHERE = ("LambdaFunctionConfigurations", "EventBridgeConfiguration")


def parse_configuration(document: Mapping[str, Any], targets: Collection[str]) -> Rules:
    """Return the rules of a configuration; none for an empty one, which ends notifications.

    `targets` are the names that there are. Raises `S3Error`.
    """
    for name in _ELSEWHERE:
        if name in document:
            raise S3Error("NotImplemented", f"{name} is not implemented here.", hint="name a topic")
    rules = tuple(_parse_rules(document))
    if len(rules) > MAX_RULES:
        raise _invalid(f"at most {MAX_RULES} configurations", str(len(rules)))
    if len({rule.rule_id for rule in rules}) < len(rules):
        raise _invalid("Same ID used for multiple configurations. IDs must be unique", "")
    for rule in rules:
        if rule.target not in targets:
            raise _invalid("Unable to validate the following destination configurations", rule.arn)
    for first, second in combinations(rules, 2):
        if overlap(first, second):
            raise _invalid(
                "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
                second.rule_id,
            )
    return rules


def _invalid(message: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentValue": value[:200]})


def _parse_rules(document: Mapping[str, Any]) -> Iterator[Rule]:
    for kind, arn_name in _KINDS:
        for given in document.get(kind, ()):
            yield _parse_rule(given, given[arn_name])


def _parse_rule(given: Mapping[str, Any], arn: str) -> Rule:
    rule_id = given.get("Id") or secrets.token_urlsafe(12)
    if len(rule_id) > MAX_ID_CHARACTERS:
        raise _invalid("The ID is too long", rule_id)
    if parse_arn(arn) is None:
        raise _invalid("The ARN is not well formed", arn)
    events = tuple(given["Events"])
    if not events:
        raise S3Error("MalformedXML")
    for event in events:
        if not is_known(event):
            raise S3Error("NotImplemented", f"Events {event} do not happen here.")
    return Rule(rule_id=rule_id, arn=arn, events=events, **_parse_filter(given.get("Filter", {})))


def _parse_filter(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for rule in document.get("Key", {}).get("FilterRules", ()):
        name = rule.get("Name", "").lower()
        if name not in {"prefix", "suffix"}:
            raise _invalid("filter rule name must be either prefix or suffix", name)
        if name in found:
            raise _invalid(f"Cannot specify more than one {name} rule in a filter.", name)
        value = rule.get("Value", "")
        if len(value.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
            raise _invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", name)
        found[name] = value
    return found


def format_configuration(rules: Rules) -> dict[str, Any]:
    """Return rules with S3's names."""
    output: dict[str, Any] = {}
    for rule in rules:
        kind, arn_name = _KINDS[rule.arn.startswith("arn:continuum:sqs:")]
        told: dict[str, Any] = {"Id": rule.rule_id, arn_name: rule.arn, "Events": list(rule.events)}
        filters = [
            {"Name": name, "Value": value}
            for name, value in (("prefix", rule.prefix), ("suffix", rule.suffix))
            if value is not None
        ]
        if filters:
            told["Filter"] = {"Key": {"FilterRules": filters}}
        output.setdefault(kind, []).append(told)
    return output
