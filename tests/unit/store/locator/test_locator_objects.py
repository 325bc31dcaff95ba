"""What a commit, a delete, a look-up and a further replica do to the index."""

import msgspec
import pytest
from locator_making import GRACE_S, Index

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.objects import Replica
from continuum.store.locator.index import buckets, garbage, objects, sessions, uploads
from continuum.store.locator.index.versions import find_by_id, purge_versions
from continuum.store.locator.messages import (
    AbortUpload,
    AddReplica,
    BucketExistsError,
    BucketNotEmptyError,
    BucketOwnedByYouError,
    CreateBucket,
    DeleteItem,
    DiscardObject,
    GetUpload,
    Locate,
    LookUp,
    NoSuchBucketError,
    NoSuchKeyError,
    NoSuchUploadError,
    PreconditionFailedError,
    SessionEndedError,
)


def due_garbage(index: Index, store: str = "edge") -> list[str]:
    claimed = garbage.claim_garbage(index.connection, store, 100, now=index.now, claim_s=60)
    return [item.key for item in claimed.items]


# ---- commit ----


def test_what_was_committed_is_found_with_all_it_carries(index: Index) -> None:
    request = index.make_commit("a/ü", part_sizes=(5, 7))
    published = index.commit(request)
    assert index.look_up("a/ü") == published
    assert published == msgspec.structs.replace(request.version, modified_at=index.now)
    assert published.replicas[0].created_at == index.now


def test_an_overwrite_hides_the_old_version_at_once_and_discards_its_bytes_after_the_grace(
    index: Index,
) -> None:
    old = index.put("key")
    new = index.put("key")
    assert index.look_up("key") == new
    assert due_garbage(index) == []
    index.now += GRACE_S
    assert due_garbage(index) == [old.replicas[0].key]


def test_a_version_is_always_later_than_the_one_it_replaces(index: Index) -> None:
    first, second = index.put("key"), index.put("key")
    index.now -= 100  # the hub's clock was set back
    third = index.put("key")
    assert first.modified_at < second.modified_at < third.modified_at


def test_the_same_commit_again_has_the_same_answer_and_changes_nothing(index: Index) -> None:
    request = index.make_commit(if_none_match=True)
    published = index.commit(request)
    index.now += 5
    assert index.commit(request) == published
    assert due_garbage(index) == []


def test_a_late_repetition_of_a_replaced_commit_does_not_bring_it_back(index: Index) -> None:
    request = index.make_commit()
    published = index.commit(request)
    newer = index.put()
    assert index.commit(request) == published
    assert index.look_up() == newer


def test_a_version_id_cannot_be_taken_for_another_object(index: Index) -> None:
    version = index.put("key")
    with pytest.raises(ConflictError):
        index.put("other", version_id=version.version_id)


def test_if_none_match_writes_only_where_nothing_is(index: Index) -> None:
    index.put("key", if_none_match=True)
    with pytest.raises(PreconditionFailedError):
        index.put("key", if_none_match=True)
    index.delete(DeleteItem(key="key"))
    index.put("key", if_none_match=True)


def test_if_match_writes_only_over_that_version(index: Index) -> None:
    with pytest.raises(NoSuchKeyError):
        index.put("key", if_match="e")
    first = index.put("key")
    second = index.put("key", if_match=first.etag)
    with pytest.raises(PreconditionFailedError):
        index.put("key", if_match=first.etag)
    assert index.put("key", if_match="*").modified_at > second.modified_at


def test_a_commit_needs_a_bucket(index: Index) -> None:
    with pytest.raises(NoSuchBucketError):
        index.put(bucket="nowhere")


def test_a_commit_of_an_ended_or_unknown_session_is_refused(index: Index) -> None:
    request = index.make_commit()
    sessions.end_session(index.connection, "s-edge", now=index.now)
    with pytest.raises(SessionEndedError):
        index.commit(request)
    with pytest.raises(SessionEndedError):
        index.commit(msgspec.structs.replace(request, session_id="nobody"))


def test_bytes_under_somebody_elses_prefix_cannot_be_committed(index: Index) -> None:
    replica = Replica(store="edge", bucket="physical", key="s-cloud/1", created_at=0)
    with pytest.raises(InvalidInputError):
        index.put(replicas=(replica,))


@pytest.mark.parametrize("count", [0, 2])
def test_a_commit_has_exactly_one_replica(index: Index, count: int) -> None:
    replica = Replica(store="edge", bucket="physical", key="s-edge/1", created_at=0)
    with pytest.raises(InvalidInputError):
        index.put(replicas=(replica,) * count)


def test_two_versions_cannot_share_their_bytes(index: Index) -> None:
    version = index.put("key")
    with pytest.raises(ConflictError):
        index.put("other", replicas=version.replicas)


def discard(index: Index, key: str) -> None:
    request = DiscardObject(session_id="s-edge", store="edge", bucket="physical", key=key)
    garbage.discard_object(index.connection, request, now=index.now, grace_s=GRACE_S)


def test_bytes_that_were_discarded_cannot_be_committed_any_more(index: Index) -> None:
    request = index.make_commit()
    discard(index, request.version.replicas[0].key)
    with pytest.raises(ConflictError):
        index.commit(request)


def test_bytes_that_were_committed_after_all_are_not_discarded(index: Index) -> None:
    version = index.put()
    discard(index, version.replicas[0].key)
    index.now += GRACE_S
    assert due_garbage(index) == []


def test_a_version_is_remembered_until_it_is_purged(index: Index) -> None:
    request = index.make_commit()
    index.commit(request)
    index.delete(DeleteItem(key="key"))
    assert purge_versions(index.connection, before=index.now) == 0
    assert find_by_id(index.connection, request.version.version_id) is not None
    assert purge_versions(index.connection, before=index.now + 1) == 1
    assert find_by_id(index.connection, request.version.version_id) is None


# ---- look up, locate, replicas ----


def test_a_missing_key_and_a_missing_bucket_are_told_apart(index: Index) -> None:
    with pytest.raises(NoSuchKeyError):
        index.look_up("nothing")
    with pytest.raises(NoSuchBucketError):
        objects.look_up(index.connection, LookUp(bucket="nowhere", key="key"))


def test_a_version_without_versioning_is_called_null_and_nothing_else(index: Index) -> None:
    version = index.put("key")
    assert index.look_up("key", "null") == version
    assert version.public_id == "null"
    for other in (version.version_id, "another"):
        with pytest.raises(NoSuchKeyError):
            index.look_up("key", other)


def add_replica(index: Index, etag: str, version_id: str, number: int = 1) -> None:
    replica = Replica(store="cloud", bucket="physical", key=f"s-cloud/copy{number}", created_at=index.now + 1)
    request = AddReplica(
        session_id="s-cloud", bucket="bucket", key="key", version_id=version_id, etag=etag, replica=replica
    )
    objects.add_replica(index.connection, request, now=index.now)


def test_a_further_copy_is_listed_after_the_first_and_saying_it_again_changes_nothing(index: Index) -> None:
    version = index.put("key")
    for _ in range(2):
        add_replica(index, version.etag, version.version_id)
    assert [replica.store for replica in index.look_up().replicas] == ["edge", "cloud"]
    located = objects.locate(index.connection, Locate(objects=(("bucket", "key"), ("bucket", "no"))))
    assert [(place.exists, place.sites) for place in located.locations] == [
        (True, ("cloud", "edge")),
        (False, ()),
    ]
    assert located.locations[0].size_bytes == version.size_bytes


def test_a_second_copy_in_one_store_is_refused(index: Index) -> None:
    version = index.put("key")
    add_replica(index, version.etag, version.version_id)
    with pytest.raises(ConflictError):
        add_replica(index, version.etag, version.version_id, number=2)


def test_a_copy_of_what_was_overwritten_meanwhile_is_refused(index: Index) -> None:
    version = index.put("key")
    index.put("key")
    with pytest.raises(NoSuchKeyError):
        add_replica(index, version.etag, version.version_id)


# ---- delete ----


def test_deleting_says_for_each_object_what_became_of_it(index: Index) -> None:
    version = index.put("key")
    other = index.put("other")
    codes = index.delete(
        DeleteItem(key="nothing"),
        DeleteItem(key="key", if_match="another"),
        DeleteItem(key="key", version_id="another"),
        DeleteItem(key="other", if_match=other.etag),
    )
    assert codes == ["", "PreconditionFailed", "", ""]
    assert index.look_up("key") == version
    with pytest.raises(NoSuchKeyError):
        index.look_up("other")


def test_all_copies_of_a_deleted_object_are_discarded_where_they_are(index: Index) -> None:
    version = index.put("key")
    add_replica(index, version.etag, version.version_id)
    assert index.delete(DeleteItem(key="key", version_id="null", if_match="*")) == [""]
    index.now += GRACE_S
    assert due_garbage(index, "edge") == [version.replicas[0].key]
    assert due_garbage(index, "cloud") == ["s-cloud/copy1"]


# ---- buckets ----


def test_a_bucket_is_made_once(index: Index) -> None:
    with pytest.raises(BucketOwnedByYouError):
        index.create_bucket("bucket")
    with pytest.raises(BucketExistsError):
        index.create_bucket("bucket", owner="somebody")
    with pytest.raises(InvalidInputError):
        buckets.create_bucket(index.connection, CreateBucket(name="Bad_Name", owner="a", home="edge"), now=1)


def test_buckets_are_listed_by_name_of_one_owner_or_of_all(index: Index) -> None:
    index.create_bucket("another", owner="somebody")
    listed = {
        owner: buckets.list_buckets(index.connection, owner).buckets for owner in ("", "somebody", "no")
    }
    assert [bucket.name for bucket in listed[""]] == ["another", "bucket"]
    assert [bucket.name for bucket in listed["somebody"]] == ["another"]
    assert listed["no"] == ()


def test_only_an_empty_bucket_can_be_deleted(index: Index) -> None:
    index.put("key")
    with pytest.raises(BucketNotEmptyError):
        buckets.delete_bucket(index.connection, "bucket")
    index.delete(DeleteItem(key="key"))
    request = index.make_upload()
    uploads.create_upload(index.connection, request, now=index.now)
    with pytest.raises(BucketNotEmptyError):
        buckets.delete_bucket(index.connection, "bucket")
    abort(index, request.upload.upload_id)
    buckets.delete_bucket(index.connection, "bucket")
    with pytest.raises(NoSuchBucketError):
        buckets.delete_bucket(index.connection, "bucket")


# ---- uploads ----


def abort(index: Index, upload_id: str) -> None:
    request = AbortUpload(session_id="s-edge", bucket="bucket", key="key", upload_id=upload_id)
    uploads.abort_upload(index.connection, request, now=index.now, grace_s=GRACE_S)


def test_an_upload_is_found_until_a_commit_completes_it(index: Index) -> None:
    request = index.make_upload()
    begun = uploads.create_upload(index.connection, request, now=index.now)
    assert begun.created_at == index.now
    question = GetUpload(bucket="bucket", key="key", upload_id=begun.upload_id)
    assert uploads.get_upload(index.connection, question) == (begun, index.now)
    replica = Replica(store="edge", bucket="physical", key=begun.physical_key, created_at=index.now)
    completing = index.make_commit(site="cloud", upload_id=begun.upload_id, replicas=(replica,))
    published = index.commit(completing)
    assert index.look_up() == published == index.commit(completing)
    with pytest.raises(NoSuchUploadError):
        uploads.get_upload(index.connection, question)


def test_completing_an_upload_twice_with_different_versions_is_refused(index: Index) -> None:
    begun = uploads.create_upload(index.connection, index.make_upload(), now=index.now)
    replica = Replica(store="edge", bucket="physical", key=begun.physical_key, created_at=index.now)
    index.put(upload_id=begun.upload_id, replicas=(replica,))
    with pytest.raises(NoSuchUploadError):
        index.put(upload_id=begun.upload_id, replicas=(replica,))


def test_a_completed_object_must_be_where_its_upload_was(index: Index) -> None:
    begun = uploads.create_upload(index.connection, index.make_upload(), now=index.now)
    with pytest.raises(InvalidInputError):
        index.put(upload_id=begun.upload_id)


def test_an_aborted_upload_leaves_its_parts_and_its_object_to_the_collector(index: Index) -> None:
    begun = uploads.create_upload(index.connection, index.make_upload(), now=index.now)
    abort(index, begun.upload_id)
    index.now += GRACE_S
    claimed = garbage.claim_garbage(index.connection, "edge", 10, now=index.now, claim_s=60)
    assert [(item.key, item.store_upload_id) for item in claimed.items] == [
        (begun.physical_key, begun.store_upload_id),
        (begun.physical_key, ""),
    ]
    with pytest.raises(NoSuchUploadError):
        abort(index, begun.upload_id)


def test_idle_uploads_are_aborted_and_touched_ones_are_not(index: Index) -> None:
    idle = uploads.create_upload(index.connection, index.make_upload(), now=index.now)
    used = uploads.create_upload(index.connection, index.make_upload(), now=index.now)
    uploads.touch_upload(index.connection, used.upload_id, now=index.now + 100)
    aborted = uploads.abort_idle_uploads(
        index.connection, before=index.now + 50, limit=10, now=index.now, grace_s=GRACE_S
    )
    assert aborted == (idle,)


def test_beginning_an_upload_again_has_the_same_answer(index: Index) -> None:
    request = index.make_upload()
    begun = uploads.create_upload(index.connection, request, now=index.now)
    assert uploads.create_upload(index.connection, request, now=index.now + 5) == begun
