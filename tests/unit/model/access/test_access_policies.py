"""Bucket policies: refused or understood, and evaluated as IAM does."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.access import (
    Asked,
    Decision,
    PolicyError,
    evaluate,
    is_public,
    parse_bucket_policy,
    parse_session_policy,
)

ALLOW_READ = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::b/*",
}


def policy(*statements: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **changes}).encode()


def ask(document: bytes, user: str = "", action: str = "s3:GetObject", key: str = "k", **context: str) -> str:
    known = {name.replace("__", ":"): (value,) for name, value in context.items()}
    if user:
        known["aws:username"] = (user,)
    resource = f"arn:aws:s3:::b/{key}" if key else "arn:aws:s3:::b"
    return evaluate(
        parse_bucket_policy(document, "b"),
        Asked(user=user, action=action, resource=resource, context=known),
    ).value


def with_condition(**condition: Any) -> bytes:
    return policy(
        {**ALLOW_READ, "Condition": {name.replace("__", ":"): keys for name, keys in condition.items()}}
    )


def test_an_allowed_action_is_allowed_and_others_are_not_spoken_of() -> None:
    assert ask(policy(ALLOW_READ)) == "allow"
    assert ask(policy(ALLOW_READ), action="s3:PutObject") == "silent"
    assert ask(policy(ALLOW_READ), key="") == "silent"


def test_a_denial_beats_whatever_allows() -> None:
    deny = {**ALLOW_READ, "Effect": "Deny", "Resource": "arn:aws:s3:::b/secret/*"}
    for document in (policy(ALLOW_READ, deny), policy(deny, ALLOW_READ)):
        assert ask(document, key="secret/x") == "deny"
        assert ask(document, key="open") == "allow"


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "ann"},
        {"AWS": ["bob", "arn:aws:iam:::user/ann"]},
        {"AWS": "arn:aws:iam::000000000000:user/ann"},
        {"CanonicalUser": "ann"},
    ],
)
def test_principals_are_users_by_name(principal: Any) -> None:
    document = policy({**ALLOW_READ, "Principal": principal})
    assert ask(document, "ann") == "allow"
    assert ask(document, "eve") == "silent"
    assert ask(document) == "silent"


def test_actions_and_resources_can_be_named_by_what_they_are_not() -> None:
    document = policy(
        {"Effect": "Deny", "Principal": "*", "NotAction": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "S3:getobject", "NotResource": "arn:aws:s3:::b/x*"},
    )
    assert ask(document, action="s3:PutObject") == "deny"
    assert ask(document) == "allow"
    assert ask(document, key="x1") == "silent"


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws__sourceip": "10.1.2.3"}, "allow"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws__sourceip": "::ffff:10.1.2.3"}, "allow"),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.1", "2001:db8::/32"]}}, {"aws__sourceip": "1::"}, "silent"),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws__sourceip": "11.1.2.3"}, "allow"),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws__securetransport": "false"}, "allow"),
        ({"Bool": {"aws:SecureTransport": True}}, {"aws__securetransport": "false"}, "silent"),
        ({"StringEquals": {"s3:x-amz-acl": ["a", "b"]}}, {"s3__x-amz-acl": "b"}, "allow"),
        ({"StringEquals": {"s3:x-amz-acl": "a"}}, {}, "silent"),
        ({"StringNotEquals": {"s3:x-amz-acl": "a"}}, {}, "allow"),
        ({"StringEqualsIfExists": {"s3:x-amz-acl": "a"}}, {}, "allow"),
        ({"StringNotEquals": {"s3:x-amz-acl": ["a", "b"]}}, {"s3__x-amz-acl": "b"}, "silent"),
        ({"StringLike": {"aws:Referer": "https://x.org/*"}}, {"aws__referer": "https://x.org/p"}, "allow"),
        ({"StringNotLike": {"aws:Referer": "https://x.org/*"}}, {"aws__referer": "https://x.org/"}, "silent"),
        ({"StringEqualsIgnoreCase": {"aws:UserAgent": "Curl"}}, {"aws__useragent": "cURL"}, "allow"),
        ({"Null": {"s3:x-amz-acl": "true"}}, {}, "allow"),
        ({"Null": {"s3:x-amz-acl": "false"}}, {}, "silent"),
        ({"NumericLessThanEquals": {"s3:max-keys": 10}}, {"s3__max-keys": "10"}, "allow"),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3__max-keys": "1e1"}, "silent"),
        (
            {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
            {"aws__currenttime": "2026-01-01T00:00:01Z"},
            "allow",
        ),
        (
            {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}},
            {"aws__currenttime": "2026-01-01T00:00:01Z"},
            "silent",
        ),
        (
            {"StringEquals": {"s3:ExistingObjectTag/Kind": "open"}},
            {"s3__existingobjecttag/Kind": "open"},
            "allow",
        ),
        ({"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": "a"}}, {}, "silent"),
        ({"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": "a"}}, {}, "allow"),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, str], expected: str) -> None:
    assert ask(policy({**ALLOW_READ, "Condition": condition}), **context) == expected


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), "allow"),
        ("ForAllValues:StringEquals", ("a", "c"), "silent"),
        ("ForAnyValue:StringEquals", ("c", "b"), "allow"),
        ("ForAnyValue:StringNotEquals", ("a", "c"), "allow"),
        ("ForAllValues:StringNotEquals", ("a", "c"), "silent"),
        ("StringNotEquals", ("a", "c"), "silent"),
    ],
)
def test_conditions_over_several_values(name: str, values: tuple[str, ...], expected: str) -> None:
    document = policy({**ALLOW_READ, "Condition": {name: {"s3:RequestObjectTagKeys": ["a", "b"]}}})
    asked = Asked(
        user="",
        action="s3:GetObject",
        resource="arn:aws:s3:::b/k",
        context={"s3:requestobjecttagkeys": values},
    )
    assert evaluate(parse_bucket_policy(document, "b"), asked).value == expected


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = {"StringEquals": {"s3:x-amz-acl": "a", "aws:Referer": "r"}}
    document = policy({**ALLOW_READ, "Condition": both})
    assert ask(document, **{"s3__x-amz-acl": "a"}) == "silent"
    assert ask(document, **{"s3__x-amz-acl": "a", "aws__referer": "r"}) == "allow"


def test_variables_give_every_user_a_folder() -> None:
    home = {**ALLOW_READ, "Resource": "arn:aws:s3:::b/home/${aws:username}/*"}
    assert ask(policy(home), "ann", key="home/ann/x") == "allow"
    assert ask(policy(home), "eve", key="home/ann/x") == "silent"
    assert ask(policy(home), key="home//x") == "silent"
    assert ask(policy(home, Version="2008-10-17"), "ann", key="home/ann/x") == "silent"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"null",
        b'{"Statement": []}',
        b'{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}',
        b"[" * 15_000,
        b'{"Statement":' + b"[" * 15_000,
        b'{"Version": NaN}',
        b"\xff\xfe",
        b" " * 20_481,
        policy(ALLOW_READ, Version="2020-01-01"),
        policy(ALLOW_READ, Extra=1),
        policy({**ALLOW_READ, "Effect": "allow"}),
        policy({**ALLOW_READ, "Effect": ["Allow"]}),
        policy({**ALLOW_READ, "Sid": {}}),
        policy({**ALLOW_READ, "Principal": {"Federated": "x"}}),
        policy({**ALLOW_READ, "Principal": {"AWS": "arn:aws:iam::123456789012:user/ann"}}),
        policy({**ALLOW_READ, "Principal": {"AWS": "arn:aws:iam:::role/x"}}),
        policy({**ALLOW_READ, "Principal": {"AWS": "a*"}}),
        policy({**ALLOW_READ, "Principal": {"AWS": []}}),
        policy({**ALLOW_READ, "Principal": "ann"}),
        policy({name: value for name, value in ALLOW_READ.items() if name != "Principal"}),
        policy({**{n: v for n, v in ALLOW_READ.items() if n != "Principal"}, "NotPrincipal": {"AWS": "ann"}}),
        policy({**ALLOW_READ, "Action": "s3:Fly"}),
        policy({**ALLOW_READ, "Action": "ec2:RunInstances"}),
        policy({**ALLOW_READ, "Action": 3}),
        policy({**ALLOW_READ, "NotAction": "s3:GetObject"}),
        policy({**ALLOW_READ, "Action": "s3:ListBucket"}),
        policy({**ALLOW_READ, "Resource": "arn:aws:s3:::b"}),
        policy({**ALLOW_READ, "Resource": "arn:aws:s3:::bb/*"}),
        policy({**ALLOW_READ, "Resource": "arn:aws:s3:::other/*"}),
        policy({**ALLOW_READ, "Resource": "*"}),
        policy({**ALLOW_READ, "Resource": "arn:aws:s3:::b/${aws:secret}"}),
        with_condition(StringSimilar={"s3:prefix": "x"}),
        with_condition(NullIfExists={"s3:prefix": "true"}),
        with_condition(ForSomeValues__StringEquals={"s3:prefix": "x"}),
        with_condition(StringEquals={"s3:unknown": "x"}),
        with_condition(StringEquals={"s3:ExistingObjectTag/": "x"}),
        with_condition(StringEquals={"s3:prefix": []}),
        with_condition(StringEquals={"s3:prefix": {"a": 1}}),
        with_condition(StringEquals={}),
        with_condition(IpAddress={"aws:SourceIp": "10.0.0.0/99"}),
        with_condition(DateLessThan={"aws:CurrentTime": "tomorrow"}),
        with_condition(NumericEquals={"s3:max-keys": "many"}),
        with_condition(Bool={"aws:SecureTransport": "maybe"}),
        policy({**ALLOW_READ, "Condition": []}),
    ],
)
def test_what_is_not_understood_is_refused(document: bytes) -> None:
    with pytest.raises(PolicyError):
        parse_bucket_policy(document, "b")


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Version", "Statement", "Effect", "Principal", "Action", "Resource", "Condition"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_understood_or_refused(document: Any) -> None:
    with contextlib.suppress(PolicyError):
        parse_bucket_policy(json.dumps(document).encode(), "b")


EFFECTS = st.sampled_from(["Allow", "Deny"])
PARTS = st.sampled_from(["*", "a", "b", "a*"])


@settings(max_examples=50)
@given(st.lists(st.tuples(EFFECTS, PARTS, st.sampled_from(["ann", "bob"])), min_size=1, max_size=6))
def test_the_order_of_statements_never_matters(drawn: list[tuple[str, str, str]]) -> None:
    statements = [
        {
            "Effect": effect,
            "Principal": {"AWS": user},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::b/{key}",
        }
        for effect, key, user in drawn
    ]
    for key in ("a", "b", "ab"):
        answer = ask(policy(*statements), "ann", key=key)
        assert answer == ask(policy(*reversed(statements)), "ann", key=key)
        meant = [e for e, k, u in drawn if u == "ann" and (k in {"*", key} or (k == "a*" and key[0] == "a"))]
        assert answer == ("deny" if "Deny" in meant else "allow" if meant else "silent")


def test_a_policy_is_public_unless_something_says_who() -> None:
    def public(**changes: Any) -> bool:
        return is_public(parse_bucket_policy(policy({**ALLOW_READ, **changes}), "b"))

    assert public()
    assert public(Principal={"AWS": "*"})
    assert public(Condition={"StringLike": {"aws:Referer": "https://x.org/*"}})
    assert public(Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}})
    assert public(Condition={"StringEqualsIfExists": {"aws:username": "ann"}})
    assert public(Condition={"StringLike": {"aws:username": "*"}})
    assert not public(Principal={"AWS": "ann"})
    assert not public(Effect="Deny")
    assert not public(Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    assert not public(Condition={"StringEquals": {"aws:username": "ann"}})


def test_a_session_policy_has_no_principal_and_may_name_any_bucket() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    found = parse_session_policy(policy(statement))
    asked = Asked(user="ann", action="s3:PutObject", resource="arn:aws:s3:::x/y", context={})
    assert evaluate(found, asked) is Decision.ALLOW
    with pytest.raises(PolicyError):
        parse_session_policy(policy({**statement, "Principal": "*"}))
    with pytest.raises(PolicyError):
        parse_session_policy(policy({**statement, "Resource": "arn:aws:sqs:::q"}))
