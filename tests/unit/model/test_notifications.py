"""Which rules tell of which events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.notifications import (
    EVENTS,
    Rule,
    concerns,
    find_targets,
    format_arn,
    format_rules,
    is_known,
    overlap,
    parse_arn,
    parse_rules,
)


def rule(*events: str, name: str = "t", **given: str) -> Rule:
    return Rule(rule_id=name, arn=format_arn(name), events=events or ("s3:ObjectCreated:*",), **given)


@pytest.mark.parametrize(
    ("wanted", "event", "key", "is_told"),
    [
        (rule(), "ObjectCreated:Put", "a", True),
        (rule(), "ObjectRemoved:Delete", "a", False),
        (rule("s3:ObjectCreated:Copy"), "ObjectCreated:Put", "a", False),
        (rule("s3:ObjectRemoved:*"), "ObjectRemoved:DeleteMarkerCreated", "a", True),
        (rule(prefix="in/"), "ObjectCreated:Put", "in/a", True),
        (rule(prefix="in/"), "ObjectCreated:Put", "out/a", False),
        (rule(suffix=".jpg"), "ObjectCreated:Put", "a.jpg", True),
        (rule(prefix="in/", suffix=".jpg"), "ObjectCreated:Put", "in/a.png", False),
    ],
)
def test_a_rule_is_about_events_and_keys(wanted: Rule, event: str, key: str, is_told: bool) -> None:
    assert concerns(wanted, event, key) == is_told


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:continuum:sns:::photos", "photos"),
        ("arn:continuum:sqs:eu:123:photos", "photos"),
        ("arn:aws:sns:::photos", None),
        ("arn:continuum:sns:::", None),
        ("arn:continuum:lambda:::photos", None),
        ("arn:continuum:sns:::../x", None),
    ],
)
def test_an_arn_names_a_target_of_ours(arn: str, name: str | None) -> None:
    assert parse_arn(arn) == name


def test_what_never_happens_is_not_known() -> None:
    assert is_known("s3:ObjectCreated:*")
    assert is_known("s3:LifecycleExpiration:Delete")
    assert not is_known("s3:ObjectRestore:*")
    assert not is_known("ObjectCreated:*")


def test_a_target_is_told_once() -> None:
    rules = [rule(), rule("s3:ObjectCreated:Put"), rule(name="other")]
    assert [each.target for each in find_targets(rules, "ObjectCreated:Put", "k")] == ["t", "other"]


texts = st.text(alphabet="ab", max_size=3)
patterns = st.sampled_from(["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"])
some_rules = st.builds(
    Rule,
    rule_id=st.just("r"),
    arn=st.just(format_arn("t")),
    events=st.tuples(patterns),
    prefix=texts,
    suffix=texts,
)


@given(some_rules, some_rules, st.text(alphabet="ab", max_size=8), st.sampled_from(sorted(EVENTS)))
def test_rules_that_do_not_overlap_are_never_about_the_same(one: Rule, other: Rule, key: str, event: str):
    if concerns(one, event, key) and concerns(other, event, key):
        assert overlap(one, other)
        assert overlap(other, one)


@given(st.lists(some_rules).map(tuple))
def test_rules_come_back_from_their_document(rules) -> None:
    assert parse_rules(format_rules(rules)) == rules
