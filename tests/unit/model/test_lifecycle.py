"""What lifecycle rules decide, by table and against a plain reading of S3's words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.lifecycle import (
    DAY_S,
    Above,
    Action,
    Aged,
    Decision,
    Rule,
    decide,
    due_at,
    find_aborting_rule,
    find_expiry,
    format_rules,
    parse_rules,
)

NOON = 10.5 * DAY_S  # noon of day 10


def rule(**given: Any) -> Rule:
    return Rule(**({"rule_id": "r", "is_enabled": True, "prefix": ""} | given))


def version(number: int = 1, at: float = NOON, **given: Any) -> Aged:
    return Aged(number=number, modified_at=at, size_bytes=given.pop("size_bytes", 100), **given)


def test_days_are_counted_to_the_next_midnight() -> None:
    # Amazon's own example: created 15 January 10:30, three days: 19 January 00:00
    assert due_at(15 * DAY_S + 10.5 * 3600, 3) == 19 * DAY_S
    assert due_at(15 * DAY_S, 3) == 18 * DAY_S


@pytest.mark.parametrize(("now", "is_due"), [(12 * DAY_S - 1, False), (12 * DAY_S, True), (99 * DAY_S, True)])
def test_a_current_version_expires_once_its_days_are_over(now: float, is_due: bool) -> None:
    found = decide([rule(expire_after_days=1)], "k", [version()], now)
    assert found == ((Decision(Action.EXPIRE, 1, "r"),) if is_due else ())


def test_a_date_expires_old_and_new_objects_alike() -> None:
    by_date = rule(expire_at=20 * DAY_S)
    assert decide([by_date], "k", [version()], 20 * DAY_S - 1) == ()
    assert decide([by_date], "k", [version(at=30 * DAY_S)], 30 * DAY_S)[0].action is Action.EXPIRE


def test_of_several_rules_the_earliest_expires() -> None:
    rules = [rule(rule_id="late", expire_after_days=9), rule(rule_id="soon", expire_after_days=2)]
    expiry = find_expiry(rules, "k", version())
    assert expiry is not None
    assert (expiry.rule_id, expiry.at) == ("soon", 13 * DAY_S)


@pytest.mark.parametrize(
    ("given", "key", "is_about"),
    [
        ({"is_enabled": False}, "a/1", False),
        ({"prefix": "a/"}, "a/1", True),
        ({"prefix": "a/"}, "b/1", False),
        ({"tags": {"x": "1"}}, "a/1", True),
        ({"tags": {"x": "2"}}, "a/1", False),
        ({"tags": {"x": "1", "y": "1"}}, "a/1", False),
        ({"larger_than_bytes": 99}, "a/1", True),
        ({"larger_than_bytes": 100}, "a/1", False),
        ({"smaller_than_bytes": 101}, "a/1", True),
        ({"smaller_than_bytes": 100}, "a/1", False),
    ],
)
def test_filters(given: dict[str, Any], key: str, is_about: bool) -> None:
    found = decide([rule(expire_after_days=1, **given)], key, [version(tags={"x": "1"})], 99 * DAY_S)
    assert bool(found) == is_about


def test_noncurrent_versions_age_from_what_replaced_them_and_some_are_kept() -> None:
    history = [version(4, 40 * DAY_S), version(3, 30 * DAY_S), version(2, 20 * DAY_S), version(1, 10 * DAY_S)]
    noncurrent = rule(remove_noncurrent_after_days=5)
    assert [d.number for d in decide([noncurrent], "k", history, 46 * DAY_S)] == [3, 2, 1]
    assert [d.number for d in decide([noncurrent], "k", history, 44 * DAY_S)] == [2, 1]
    keeping = rule(remove_noncurrent_after_days=5, keep_noncurrent=2)
    assert [d.number for d in decide([keeping], "k", history, 99 * DAY_S)] == [1]


def test_a_marker_goes_only_when_nothing_is_under_it() -> None:
    marker = version(2, is_delete_marker=True)
    lone = rule(removes_lone_markers=True)
    assert decide([lone], "k", [marker, version(1)], 99 * DAY_S) == ()
    assert decide([lone], "k", [marker], NOON) == (Decision(Action.REMOVE_MARKER, 2, "r"),)
    assert decide([lone], "k", [marker], NOON, is_end=False) == ()
    old = rule(expire_after_days=1)
    assert decide([old], "k", [marker], NOON) == ()
    assert decide([old], "k", [marker], 12 * DAY_S)[0].action is Action.REMOVE_MARKER


def test_uploads_age_from_their_beginning() -> None:
    rules = [rule(abort_uploads_after_days=1, prefix="a")]
    assert find_aborting_rule(rules, "a", NOON, 12 * DAY_S) == "r"
    assert find_aborting_rule(rules, "a", NOON, 12 * DAY_S - 1) is None
    assert find_aborting_rule(rules, "b", NOON, 99 * DAY_S) is None


days = st.integers(0, 3)
some_rules = st.lists(
    st.builds(
        Rule,
        rule_id=st.sampled_from("abc"),
        is_enabled=st.booleans(),
        prefix=st.sampled_from(["", "k", "other", None]),
        tags=st.sampled_from([{}, {"x": "1"}]),
        smaller_than_bytes=st.sampled_from([None, 2]),
        expire_after_days=days,
        expire_at=st.sampled_from([None, 3 * DAY_S]),
        removes_lone_markers=st.sampled_from([None, True, False]),
        remove_noncurrent_after_days=days,
        keep_noncurrent=st.integers(0, 2),
        abort_uploads_after_days=days,
    ),
    max_size=3,
).map(tuple)
histories = st.lists(
    st.builds(
        Aged,
        number=st.just(0),
        modified_at=st.floats(0, 5 * DAY_S),
        size_bytes=st.integers(0, 3),
        tags=st.sampled_from([{}, {"x": "1"}]),
        is_delete_marker=st.booleans(),
    ),
    min_size=1,
    max_size=6,
).map(
    lambda found: [
        Aged(
            number=len(found) - place,
            modified_at=at,
            size_bytes=each.size_bytes,
            tags={} if each.is_delete_marker else each.tags,
            is_delete_marker=each.is_delete_marker,
        )
        for place, (each, at) in enumerate(
            zip(found, sorted((one.modified_at for one in found), reverse=True), strict=True)
        )
    ]
)
instants = st.floats(0, 12 * DAY_S)


@settings(max_examples=200, deadline=None)
@given(some_rules, histories, instants, st.integers(1, 5))
def test_a_history_in_pieces_is_decided_as_a_whole(rules, history, now, size) -> None:
    whole = decide(rules, "k", history, now)
    above, pieces = Above(), ()
    for first in range(0, len(history), size):
        piece = history[first : first + size]
        pieces += decide(rules, "k", piece, now, above=above, is_end=first + size >= len(history))
        above = Above(first + len(piece), piece[-1].modified_at)
    assert pieces == whole


@settings(max_examples=200, deadline=None)
@given(some_rules, histories, instants, st.floats(0, 5 * DAY_S))
def test_what_is_due_stays_due_and_every_decision_has_a_rule_of_its_kind(rules, history, now, later) -> None:
    decisions = decide(rules, "k", history, now)
    assert {d.number for d in decisions} <= {d.number for d in decide(rules, "k", history, now + later)}
    by_number = {each.number: each for each in history}
    assert len({d.number for d in decisions}) == len(decisions)
    for decision in decisions:
        assert any(each.rule_id == decision.rule_id and each.is_enabled for each in rules)
        is_current = decision.number == history[0].number
        assert is_current == (decision.action is not Action.REMOVE)
        is_marker = by_number[decision.number].is_delete_marker
        if is_current:
            assert is_marker == (decision.action is Action.REMOVE_MARKER)
            assert not is_marker or len(history) == 1


@settings(max_examples=100, deadline=None)
@given(some_rules)
def test_rules_come_back_from_their_document(rules) -> None:
    assert parse_rules(format_rules(rules)) == rules
