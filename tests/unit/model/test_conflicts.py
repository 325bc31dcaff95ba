"""Who becomes current when two writes met, and what the other one is called."""

import pytest

from continuum.model.conflicts import (
    Meeting,
    decide_write,
    is_conflict_of,
    may_delete,
    name_aside,
    name_conflict,
)
from continuum.model.objects import MAX_KEY_BYTES, Version, parse_bucket_name


def make(version_id: str = "x", modified_at: float = 100.0, *, is_delete_marker: bool = False) -> Version:
    return Version(
        bucket="bucket",
        key="key",
        version_id=version_id,
        etag="e",
        size_bytes=1,
        modified_at=modified_at,
        is_delete_marker=is_delete_marker,
    )


@pytest.mark.parametrize(
    ("newest", "at", "connected_until", "is_conditional", "meeting"),
    [
        (None, 110.0, 50.0, False, Meeting.PLAIN),
        (make(is_delete_marker=True), 90.0, 50.0, True, Meeting.PLAIN),
        (make("base"), 90.0, 50.0, True, Meeting.PLAIN),
        (make(modified_at=40.0), 110.0, 50.0, False, Meeting.PLAIN),  # it would have replaced that anyway
        (make(modified_at=40.0), 110.0, 50.0, True, Meeting.OLDER),
        (make(), 110.0, 50.0, False, Meeting.NEWER),
        (make(), 110.0, 50.0, True, Meeting.OLDER),
        (make(), 100.0, 50.0, False, Meeting.OLDER),
        (make(), 90.0, 50.0, False, Meeting.OLDER),
    ],
)
def test_the_later_write_is_current_unless_it_was_conditional(
    newest: Version | None, at: float, connected_until: float, is_conditional: bool, meeting: Meeting
) -> None:
    decided = decide_write(
        newest, base="base", at=at, connected_until=connected_until, is_conditional=is_conditional
    )
    assert decided is meeting


def test_a_deletion_takes_away_only_what_its_writer_knew() -> None:
    assert may_delete(make("base"), base="base", connected_until=50.0, is_conditional=True)
    assert may_delete(make(modified_at=40.0), base="base", connected_until=50.0, is_conditional=False)
    assert not may_delete(make(modified_at=40.0), base="base", connected_until=50.0, is_conditional=True)
    assert not may_delete(make(), base="base", connected_until=50.0, is_conditional=False)


def test_the_other_one_is_named_after_where_and_when_it_was_written() -> None:
    assert name_conflict("a/b.csv", "edge", 0.0) == "a/b.csv.conflict-edge-19700101T000000Z"
    assert name_conflict("a", "edge", 0.0, 3) == "a.conflict-edge-19700101T000000Z-3"
    assert is_conflict_of(name_conflict("a/b.csv", "edge", 0.0, 3), "a/b.csv")
    assert not is_conflict_of("a/b.csv", "a/b.csv")
    assert not is_conflict_of(name_conflict("other", "edge", 0.0), "a/b.csv")


@pytest.mark.parametrize("key", ["k" * MAX_KEY_BYTES, "é" * (MAX_KEY_BYTES // 2), "\U0001f600" * 256])
def test_a_long_key_is_cut_between_characters(key: str) -> None:
    name = name_conflict(key, "edge", 0.0)
    assert MAX_KEY_BYTES - 3 <= len(name.encode()) <= MAX_KEY_BYTES
    assert is_conflict_of(name, key)


@pytest.mark.parametrize("bucket", ["abc", "a" * 63, "a" * 46 + "-." + "a" * 10])
def test_a_bucket_beside_a_lost_one_has_a_name_that_s3_allows(bucket: str) -> None:
    assert parse_bucket_name(name_aside(bucket, "0123456789abcdef")).endswith("-aside-01234567")
