"""Lifecycle rules over the index: found page by page, decided again where they are carried out."""

import msgspec
import pytest
from locator_making import GRACE_S, Index

from continuum.model.lifecycle import DAY_S, Rule, format_rules
from continuum.model.objects import Attributes, Setting, Versioning
from continuum.store.locator.index import buckets, expiring, lifecycles, listing, uploads
from continuum.store.locator.index.expiring import Done, Piece, find_due, find_due_uploads, find_rules
from continuum.store.locator.index.lifecycles import Progress
from continuum.store.locator.messages import (
    ChangeBucket,
    DeleteItem,
    LifecycleCounts,
    NoSuchKeyError,
)

LATER = 1_000.0 + 10 * DAY_S


def set_rules(index: Index, *rules: Rule, versioning: Versioning | None = None) -> None:
    buckets.change_bucket(
        index.connection,
        ChangeBucket(name="bucket", versioning=versioning, settings={Setting.LIFECYCLE: format_rules(rules)}),
    )


def rule(**given) -> Rule:
    return Rule(**({"rule_id": "r", "is_enabled": True, "prefix": ""} | given))


def find_all(index: Index, now: float = LATER) -> list[Piece]:
    pieces: list[Piece] = []
    rules = find_rules(index.connection, "bucket")[1]
    start: Piece | None = None
    while True:
        found = find_due(index.connection, "bucket", rules, start, now=now)
        pieces += found.pieces
        start = found.following
        if start is None:
            return pieces


def expire(index: Index, pieces: list[Piece], at: float = LATER) -> Done:
    return expiring.expire_pieces(index.connection, "bucket", pieces, at=at, now=index.now, grace_s=GRACE_S)


def history(index: Index, key: str = "key") -> list[tuple[str, bool]]:
    rows = index.connection.rows(
        expiring.LIST_AGED_OF_KEY, bucket="bucket", key=key, below=listing.NEWEST, count=100
    )
    return [(row[6], bool(row[4])) for row in rows]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "PAGE_ROWS", 3)


def test_an_object_that_is_due_is_deleted_and_its_bytes_are_garbage(index: Index) -> None:
    index.put("old")
    set_rules(index, rule(expire_after_days=1, prefix="o"))
    index.put("other")
    index.put("out")
    index.put("kept")
    done = expire(index, find_all(index))
    assert done.counts == LifecycleCounts(expired=3)
    assert done.keys == ("old", "other", "out")
    with pytest.raises(NoSuchKeyError):
        index.look_up("old")
    assert index.look_up("kept")
    assert find_all(index) == []


def test_what_was_overwritten_since_it_was_found_is_kept(index: Index) -> None:
    set_rules(index, rule(expire_after_days=1))
    index.put()
    found = find_all(index)
    index.now = LATER
    new = index.put()
    assert expire(index, found).lines == ()
    assert index.look_up() == new


def test_rules_that_were_taken_away_since_do_nothing(index: Index) -> None:
    set_rules(index, rule(expire_after_days=1))
    index.put()
    found = find_all(index)
    buckets.change_bucket(index.connection, ChangeBucket(name="bucket", unset=(Setting.LIFECYCLE,)))
    assert expire(index, found) == Done(LifecycleCounts(), ())
    assert index.look_up()


def test_where_versions_are_kept_expiry_is_a_marker_and_noncurrent_ones_go(index: Index) -> None:
    set_rules(
        index,
        rule(expire_after_days=2, remove_noncurrent_after_days=1, keep_noncurrent=1),
        versioning=Versioning.ENABLED,
    )
    first, second, third = index.put(), index.put(), index.put()
    done = expire(index, find_all(index))
    assert done.counts == LifecycleCounts(expired=1, removed=1)
    left = history(index)
    assert [marker for _, marker in left] == [True, False, False]
    assert [name for name, _ in left[1:]] == [third.version_id, second.version_id]
    assert first.version_id not in dict(left)


def test_a_lone_marker_goes_and_a_key_is_forgotten(index: Index) -> None:
    set_rules(index, rule(removes_lone_markers=True), versioning=Versioning.ENABLED)
    version = index.put()
    index.delete(DeleteItem(key="key", marker_id="m"))
    assert find_all(index) == []
    index.delete(DeleteItem(key="key", version_id=version.version_id))
    assert expire(index, find_all(index)).counts == LifecycleCounts(removed_markers=1)
    assert history(index) == []


def test_a_locked_version_is_kept_and_counted(index: Index) -> None:
    set_rules(index, rule(remove_noncurrent_after_days=1), versioning=Versioning.ENABLED)
    for attributes in (
        Attributes(legal_hold=True),
        Attributes(retention_mode="GOVERNANCE", retain_until=LATER),
        Attributes(),
        Attributes(),
    ):
        index.put(attributes=attributes)
    assert expire(index, find_all(index)).counts == LifecycleCounts(removed=1, locked=2)
    assert len(history(index)) == 3


def test_tags_decide(index: Index) -> None:
    set_rules(index, rule(expire_after_days=1, tags={"keep": "no"}))
    index.put("a", attributes=Attributes(tags={"keep": "no"}))
    index.put("b", attributes=Attributes(tags={"keep": "yes"}))
    assert [piece.key for piece in find_all(index)] == ["a"]


@pytest.mark.usefixtures("small_pages")
def test_pages_cut_neither_keys_nor_long_histories(index: Index) -> None:
    set_rules(index, rule(remove_noncurrent_after_days=1, keep_noncurrent=2), versioning=Versioning.ENABLED)
    for key, count in (("a", 1), ("b", 2), ("c", 3), ("long", 11), ("z", 4)):
        for _ in range(count):
            index.put(key)
    total = LifecycleCounts()
    for piece in find_all(index):  # one by one, as a run that is cut off and goes on
        total = expiring.add_counts(total, expire(index, [piece]).counts)
    assert total == LifecycleCounts(removed=8 + 1)
    assert [len(history(index, key)) for key in ("a", "b", "c", "long", "z")] == [1, 2, 3, 3, 3]


@pytest.mark.usefixtures("small_pages")
def test_a_piece_whose_newer_versions_are_gone_is_left_for_the_next_run(index: Index) -> None:
    set_rules(index, rule(remove_noncurrent_after_days=1), versioning=Versioning.ENABLED)
    put = [index.put() for _ in range(5)]
    found = find_all(index)
    for version in put[2:]:
        index.delete(DeleteItem(key="key", version_id=version.version_id))
    expire(index, [piece for piece in found if piece.above_count])
    assert [name for name, _ in history(index)] == [put[1].version_id, put[0].version_id]


def test_uploads_are_aborted_and_what_they_left_is_garbage(index: Index) -> None:
    set_rules(index, rule(abort_uploads_after_days=1, prefix="k"))
    for key, upload_id in (("key", "u1"), ("other", "u2")):
        uploads.create_upload(index.connection, index.make_upload(key, upload_id), now=index.now)
    rules = find_rules(index.connection, "bucket")[1]
    found = find_due_uploads(index.connection, "bucket", rules, ("", ""), now=LATER)
    assert [(line.key, line.version_id) for line in found.lines] == [("key", "u1")]
    done = expiring.abort_uploads(
        index.connection, "bucket", found.lines, at=LATER, now=index.now, grace_s=GRACE_S
    )
    assert done.counts == LifecycleCounts(aborted=1)
    again = find_due_uploads(index.connection, "bucket", rules, ("", ""), now=LATER)
    assert (again.lines, again.uploads) == ((), 0)


def test_a_run_is_noted_until_its_bucket_goes(index: Index) -> None:
    set_rules(index, rule(expire_after_days=1))
    run = Progress(bucket="bucket", begun_at=1.0, cursor=b"c", counts=LifecycleCounts(expired=2))
    lifecycles.note_run(index.connection, run)
    assert lifecycles.list_runs(index.connection, now=2.0) == (run,)
    assert lifecycles.list_runs(index.connection, now=0.5) == (Progress(bucket="bucket"),)
    lifecycles.note_run(index.connection, msgspec.structs.replace(run, bucket="gone"))
    assert lifecycles.list_runs(index.connection, now=2.0) == (run,)
