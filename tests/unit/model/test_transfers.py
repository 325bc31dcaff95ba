"""Bulk transfers: places, comparing, parts, lanes, bandwidth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.transfers import (
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    Filters,
    Lanes,
    Line,
    Place,
    PlaceKind,
    Reason,
    choose_part_bytes,
    compare,
    decide_lanes,
    parse_place,
    parse_rate,
    plan_parts,
)

MD5 = "0" * 32
OTHER_MD5 = "1" * 32


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://b", Place(kind=PlaceKind.NAME_SPACE, bucket="b")),
        ("s3://b/p/q", Place(kind=PlaceKind.NAME_SPACE, bucket="b", prefix="p/q")),
        ("paris:bucket/p/", Place(kind=PlaceKind.STORE, store="paris", bucket="bucket", prefix="p/")),
        ("paris:bucket", Place(kind=PlaceKind.STORE, store="paris", bucket="bucket")),
        ("file:///a/b%20c", Place(kind=PlaceKind.FOLDER, path="/a/b c")),
        ("file:///a/what?#", Place(kind=PlaceKind.FOLDER, path="/a/what?#")),
    ],
)
def test_a_place_is_read_as_it_is_written(text, place):
    assert parse_place(text) == place
    assert parse_place(str(place).replace(" ", "%20")) == place


@pytest.mark.parametrize("text", ["", "s3://", "b/p", "file:relative", "file://host/x", ":b", "a:", "/tmp/x"])
def test_what_is_no_place_is_refused_with_the_forms(text):
    with pytest.raises(InvalidInputError, match="no place"):
        parse_place(text)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (Line("k", 1, 5.0), None, Reason.MISSING),
        (Line("k", 1, 5.0), Line("k", 2, 9.0), Reason.SIZE),
        (Line("k", 1, 9.0), Line("k", 1, 5.0), Reason.NEWER),
        (Line("k", 1, 5.0), Line("k", 1, 9.0), Reason.SAME),
        (Line("k", 1, 9.0, MD5), Line("k", 1, 5.0, MD5), Reason.SAME),
        (Line("k", 1, 5.0, MD5), Line("k", 1, 5.0, OTHER_MD5), Reason.CONTENT),
        (Line("k", 1, 5.0, MD5), Line("k", 1, 99.0, OTHER_MD5), Reason.SAME),
    ],
)
def test_what_must_be_sent_again(source, target, reason):
    assert compare(source, target) is reason


def test_content_settles_what_times_do_not():
    source, target = Line("k", 1, 5.0), Line("k", 1, 9.0, MD5)
    assert compare(source, target, by_content=True) is Reason.UNSURE
    assert compare(source, target, strictly=True) is Reason.CONTENT


def test_filters_take_what_is_included_and_not_excluded():
    filters = Filters(include=("*.csv", "a/*"), exclude=("*/tmp/*",))
    kept = [key for key in ("x.csv", "a/b/c", "a/tmp/c", "x.txt", "d/e.csv") if filters.matches(key)]
    assert kept == ["x.csv", "a/b/c", "d/e.csv"]
    assert Filters().matches("anything")


@given(st.integers(1, 5 * 1024**4), st.integers(0, 6 * 1024**3))
def test_parts_are_never_too_many_nor_too_small(size_bytes, like_bytes):
    part_bytes = choose_part_bytes(size_bytes, like_bytes)
    assert part_bytes >= MIN_PART_BYTES
    assert -(-size_bytes // part_bytes) <= MAX_PARTS


@given(st.integers(1, 10_000), st.integers(1, 3_000))
def test_parts_cover_an_object_without_gap_or_overlap(size_bytes, part_bytes):
    parts = plan_parts(size_bytes, part_bytes)
    assert [part.start for part in parts] == list(range(0, size_bytes, part_bytes))
    assert sum(part.length for part in parts) == size_bytes
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))


def test_the_parts_of_the_source_are_kept_if_they_can_be():
    assert choose_part_bytes(100 * MIB, 8 * MIB) == 8 * MIB
    assert choose_part_bytes(100 * MIB, 1 * MIB) == 16 * MIB


def test_lanes_open_while_it_gets_faster_and_close_when_a_store_refuses():
    lanes = decide_lanes(Lanes(), 10e6, 0)
    assert lanes.count > Lanes().count
    assert decide_lanes(lanes, 10.1e6, 0).count == Lanes().count
    assert decide_lanes(lanes, 20e6, 3).count == lanes.count // 2


@given(st.lists(st.tuples(st.floats(0, 1e10), st.integers(0, 3)), max_size=60), st.integers(1, 64))
def test_lanes_stay_within_their_limits(rounds, limit):
    lanes = Lanes(count=min(16, limit), best_count=min(16, limit), limit=limit)
    for rate, failures in rounds:
        lanes = decide_lanes(lanes, rate, failures)
        assert 1 <= lanes.count <= limit


@pytest.mark.parametrize(
    ("text", "rate"), [("50M", 50e6), ("1.5G", 1.5e9), ("800k", 8e5), ("100000", 1e5), ("5MB/s", 5e6)]
)
def test_a_bandwidth_is_bytes_per_second(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "-1M", "0", "5X"])
def test_what_is_no_bandwidth_is_refused(text):
    with pytest.raises(InvalidInputError, match="no bandwidth"):
        parse_rate(text)
