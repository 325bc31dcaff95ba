"""Lifecycle configurations as S3 takes and gives them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from continuum.model.lifecycle import DAY_S, format_rules
from continuum.model.objects import Attributes, Bucket, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.lifecycles import format_configuration, format_expiration, parse_configuration

DAYS = {"Expiration": {"Days": 3}}
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def rule(**given: Any) -> dict[str, Any]:
    return {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}} | DAYS | given


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


@pytest.mark.parametrize(
    "given",
    [
        rule(),
        rule(Status="Disabled"),
        rule(Filter={}),
        rule(Filter={"Tag": {"Key": "a", "Value": "b"}}),
        rule(Filter={"ObjectSizeGreaterThan": 5}),
        rule(Filter={"And": {"Prefix": "p", "Tags": [{"Key": "a", "Value": "b"}]}}),
        rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]}}),
        rule(Filter={"And": {"ObjectSizeGreaterThan": 0, "ObjectSizeLessThan": 5}}),
        without(rule(Prefix="old/"), "Filter"),
        rule(Expiration={"Date": MIDNIGHT.timestamp()}),
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(NoncurrentVersionExpiration={"NoncurrentDays": 4, "NewerNoncurrentVersions": 100}),
        rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}),
    ],
)
def test_a_configuration_comes_back_as_it_was_given(given: dict[str, Any]) -> None:
    asked = dict(given)
    if "Date" in asked.get("Expiration", {}):
        asked["Expiration"] = {"Date": MIDNIGHT}
    assert format_configuration(parse_configuration([asked])) == [given]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "MalformedXML"),
        ([rule()] * 1001, "MalformedXML"),
        ([rule(), rule()], "InvalidArgument"),
        ([rule(ID="i" * 256)], "InvalidArgument"),
        ([without(rule(), "Filter")], "MalformedXML"),
        ([rule(Prefix="both")], "MalformedXML"),
        ([rule(), without(rule(ID="o", Prefix=""), "Filter")], "InvalidRequest"),
        ([without(rule(), "Expiration")], "InvalidRequest"),
        ([rule(Expiration={})], "MalformedXML"),
        ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], "MalformedXML"),
        ([rule(Expiration={"Days": 0})], "InvalidArgument"),
        ([rule(Expiration={"Date": datetime(2026, 11, 24, 1, tzinfo=UTC)})], "InvalidArgument"),
        ([rule(NoncurrentVersionExpiration={"NewerNoncurrentVersions": 2})], "MalformedXML"),
        ([rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})], "InvalidArgument"),
        (
            [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})],
            "InvalidArgument",
        ),
        ([rule(AbortIncompleteMultipartUpload={})], "MalformedXML"),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})], "InvalidArgument"),
        ([rule(Filter={"Prefix": "a", "Tag": {"Key": "a", "Value": "b"}})], "MalformedXML"),
        ([rule(Filter={"And": {}})], "MalformedXML"),
        ([rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "b"}] * 2}})], "InvalidRequest"),
        ([rule(Filter={"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}})], "InvalidRequest"),
        (
            [
                rule(
                    Filter={"Tag": {"Key": "a", "Value": "b"}},
                    AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7},
                )
            ],
            "InvalidRequest",
        ),
        ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], "NotImplemented"),
        ([rule(NoncurrentVersionTransitions=[{}])], "NotImplemented"),
    ],
)
def test_what_s3_refuses_is_refused_with_its_code(given: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(S3Error) as refused:
        parse_configuration(given)
    assert refused.value.code == code


def test_a_rule_without_an_id_gets_one() -> None:
    first, second = parse_configuration([without(rule(), "ID"), without(rule(), "ID")])
    assert first.rule_id
    assert first.rule_id != second.rule_id


def version(**given: Any) -> Version:
    fields = {"bucket": "b", "key": "k", "version_id": "v", "etag": "e", "size_bytes": 1, "modified_at": 0.0}
    return Version(**(fields | given))


def test_the_header_tells_when_an_object_expires_and_why() -> None:
    rules = parse_configuration([rule(ID="1 year/old", Filter={"Tag": {"Key": "a", "Value": "b"}})])
    bucket = Bucket(
        name="b", owner="o", home="edge", created_at=0.0, settings={"lifecycle": format_rules(rules)}
    )
    tagged = version(attributes=Attributes(tags={"a": "b"}), modified_at=DAY_S / 2)
    assert format_expiration(bucket, tagged) == {
        "x-amz-expiration": 'expiry-date="Mon, 05 Jan 1970 00:00:00 GMT", rule-id="1%20year%2Fold"'
    }
    assert format_expiration(bucket, version()) == {}
    never = parse_configuration([rule(Expiration={"Days": 2**31 - 1})])
    assert (
        format_expiration(
            Bucket(
                name="b", owner="o", home="e", created_at=0.0, settings={"lifecycle": format_rules(never)}
            ),
            version(),
        )
        == {}
    )
