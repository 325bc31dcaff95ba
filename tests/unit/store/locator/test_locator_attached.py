"""Attached buckets in the index: pages of scans against writes, jobs and their cursors, copies found bad."""

import msgspec
import pytest
from locator_making import GRACE_S, SEALER, Index, make_store

from continuum.model.errors import ConflictError
from continuum.model.objects import Replica
from continuum.store.locator.index import attached, garbage, jobs, stores, verified, writebacks
from continuum.store.locator.index.objects import add_replica, delete_objects
from continuum.store.locator.index.versions import find_current
from continuum.store.locator.messages import (
    AddReplica,
    ApplyPage,
    AttachBucket,
    Delete,
    DeleteItem,
    DetachBucket,
    FollowObject,
    FoundObject,
    Job,
    MarkReplicas,
    NoSuchKeyError,
    ReplaceReplica,
    ReportJob,
    SettleWriteBack,
    StartJob,
)

CLAIM_S = 60.0


@pytest.fixture
def job(index: Index) -> Job:
    """The scan of the bucket `there`, attached to a store that was added; claimed."""
    store = msgspec.structs.replace(make_store("paris", "cloud"), is_added=True, bucket="")
    stores.add_store(index.connection, SEALER, store)
    request = AttachBucket(name="there", owner="admin", store="paris", bucket="own", prefix="p/")
    attached.attach_bucket(index.connection, request, now=index.now)
    claimed = jobs.claim_job(index.connection, "paris", now=index.now, claim_s=CLAIM_S)
    assert claimed is not None
    return claimed


def apply(
    index: Index,
    job: Job,
    *entries: tuple[str, str],
    gone: tuple[str, ...] = (),
    listed_at: float = 0.0,
    state: str = "running",
) -> dict[str, int]:
    """Give the index a page of (key, ETag) pairs; return the job's counts."""
    page = ApplyPage(
        bucket="there",
        entries=tuple(FoundObject(key, etag, 5, 500.0) for key, etag in entries),
        gone=gone,
        listed_at=listed_at or index.now,
        step=ReportJob(session_id="s-cloud", job_id=job.job_id, cursor="c", state=state),
    )
    attached.apply_page(index.connection, page, now=index.now, grace_s=GRACE_S, claim_s=CLAIM_S)
    return jobs.get_job(index.connection, job.job_id).counts


def listed(index: Index) -> dict[str, str]:
    rows = {key: find_current(index.connection, "there", key) for key in ("a", "b", "c")}
    return {key: row.version.etag for key, row in rows.items() if row is not None}


def settle(index: Index, version_id: str = "", etag: str = "") -> None:
    """Do what waits to be brought to its own name."""
    items = writebacks.claim_write_backs(index.connection, "paris", 10, now=index.now, claim_s=CLAIM_S)
    for item in items:
        request = SettleWriteBack(session_id="s", item_id=item.item_id, version_id=version_id, etag=etag)
        writebacks.settle_write_back(index.connection, request, now=index.now)


def test_pages_bring_what_is_new_changed_and_gone(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"), ("b", "1"))
    index.now += 1
    counts = apply(index, job, ("a", "2"), gone=("b",))
    assert listed(index) == {"a": "2"}
    assert (counts["new"], counts["changed"], counts["vanished"]) == (2, 1, 1)


def test_bytes_at_their_own_names_are_never_garbage(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"))
    index.now += 1
    apply(index, job, ("a", "2"))
    index.now += 2 * GRACE_S
    assert not garbage.has_due(index.connection, "paris", now=index.now)


def test_a_write_that_waits_for_its_own_name_is_not_undone_by_a_page(index: Index, job: Job) -> None:
    apply(index, job, ("a", "old"), ("b", "old"))
    index.now += 1
    ours = index.put("a", bucket="there", site="cloud", size_bytes=5)
    before = index.now
    index.now += 1
    apply(index, job, ("a", "old"), listed_at=before)
    assert listed(index)["a"] == ours.etag
    settle(index, ours.version_id, "stored")
    apply(index, job, ("a", "old"), listed_at=before)  # the page is older than what was settled
    assert listed(index)["a"] == ours.etag
    index.now += 1
    assert apply(index, job, ("a", "stored"))["unchanged"] == 3
    apply(index, job, ("a", "outside"))
    assert listed(index)["a"] == "outside"


def test_a_settled_item_of_an_older_write_changes_nothing(index: Index, job: Job) -> None:
    first = index.put("a", bucket="there", site="cloud")
    items = writebacks.claim_write_backs(index.connection, "paris", 10, now=index.now, claim_s=CLAIM_S)
    index.put("a", bucket="there", site="cloud")
    late = SettleWriteBack(session_id="s", item_id=items[0].item_id, version_id=first.version_id, etag="x")
    writebacks.settle_write_back(index.connection, late, now=index.now)
    assert writebacks.count_waiting(index.connection, "there")[0] == 1
    assert job.bucket == "there"


def test_following_describes_changes_and_deletes_one_object(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"))

    def follow(known: str, etag: str) -> str:
        found = FoundObject("a", etag, 5, 500.0) if etag else None
        request = FollowObject(
            session_id="s", bucket="there", key="a", known_etag=known, found=found, metadata={"m": etag}
        )
        answer = attached.follow_object(index.connection, request, now=index.now, grace_s=GRACE_S)
        return f"{answer.version.etag} {answer.version.metadata}" if answer.version else "gone"

    assert follow("1", "1") == "1 {'m': '1'}"
    assert follow("1", "2") == "2 {'m': '2'}"
    assert follow("1", "3") == "2 {'m': '2'}"  # who asks knew less than the index does
    assert follow("2", "") == "gone"
    assert listed(index) == {}


def test_detaching_waits_for_writes_and_then_forgets_everything(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"))
    version = index.put("b", bucket="there", site="cloud")
    request = DetachBucket(name="there")

    def step() -> tuple[int, bool]:
        done = attached.detach_step(index.connection, request, now=index.now, grace_s=GRACE_S)
        return done.waiting, done.is_done

    assert step() == (1, False)
    with pytest.raises(ConflictError, match="being detached"):
        index.put("c", bucket="there", site="cloud")
    settle(index, version.version_id, "stored")
    assert step() == (0, True)
    stores.remove_store(index.connection, "paris")
    assert job.store == "paris"


def test_a_store_s_description_names_what_is_attached_to_it(index: Index, job: Job) -> None:
    described = {each.name: each for each in stores.describe_stores(index.connection, SEALER).stores}
    assert (described["paris"].attached, described["edge"].attached) == ((job.bucket,), ())


def test_overlapping_attachments_are_refused(index: Index, job: Job) -> None:
    for prefix in ("", "p/", "p/q/"):
        request = AttachBucket(name="other", owner="admin", store=job.store, bucket="own", prefix=prefix)
        with pytest.raises(ConflictError):
            attached.attach_bucket(index.connection, request, now=index.now)
    own = AttachBucket(name="other", owner="admin", store="edge", bucket="physical")
    with pytest.raises(ConflictError, match="platform itself"):
        attached.attach_bucket(index.connection, own, now=index.now)


def test_a_deletion_through_a_gateway_is_brought_to_the_own_name(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"))
    request = Delete(session_id="s-cloud", bucket="there", objects=(DeleteItem(key="a"),))
    delete_objects(index.connection, request, now=index.now, grace_s=GRACE_S)
    items = writebacks.claim_write_backs(index.connection, "paris", 10, now=index.now, claim_s=CLAIM_S)
    assert [(item.key, item.physical_key) for item in items] == [("a", "p/a")]


def test_a_job_that_nobody_reports_is_offered_again_with_its_cursor(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"))
    assert not jobs.has_due_job(index.connection, "paris", now=index.now)
    index.now += CLAIM_S + 1
    again = jobs.claim_job(index.connection, "paris", now=index.now, claim_s=CLAIM_S)
    assert again is not None
    assert (again.job_id, again.cursor, again.counts["new"]) == (job.job_id, "c", 1)


def test_a_scan_comes_again_by_itself_and_starts_from_the_beginning(index: Index, job: Job) -> None:
    apply(index, job, ("a", "1"), state="done")
    assert not jobs.has_due_job(index.connection, "paris", now=index.now + 3599)
    again = jobs.claim_job(index.connection, "paris", now=index.now + 3601, claim_s=CLAIM_S)
    assert again is not None
    assert (again.cursor, again.counts, again.state) == ("", {}, "running")


def test_a_verification_of_another_kind_waits_its_turn(index: Index) -> None:
    jobs.start_job(index.connection, StartJob(kind="verify", store="edge"), now=index.now)
    deep = StartJob(kind="verify", store="edge", is_deep=True)
    with pytest.raises(ConflictError):
        jobs.start_job(index.connection, deep, now=index.now)
    joined = jobs.start_job(index.connection, msgspec.structs.replace(deep, joins_any=True), now=index.now)
    jobs.cancel_job(index.connection, joined.job_id, now=index.now)
    assert jobs.start_job(index.connection, deep, now=index.now).is_deep


def test_a_copy_that_was_found_bad_is_not_served_until_it_is_replaced(index: Index) -> None:
    version = index.put()
    bad = version.replicas[0]
    mark = MarkReplicas(session_id="s-edge", store="edge", bucket="physical", bad=(bad.key, "unknown"))
    marked, objects = verified.mark_replicas(index.connection, mark, now=index.now)
    assert (marked.keys, objects) == ((bad.key,), [("bucket", "key")])
    assert index.look_up().replicas == ()
    copy = Replica(store="edge", bucket="physical", key="s-edge/new", created_at=0.0)
    request = ReplaceReplica(
        session_id="s-edge", bucket="bucket", key="key", version_id=version.version_id, replica=copy
    )
    verified.replace_replica(index.connection, request, now=index.now, grace_s=GRACE_S)
    assert [replica.key for replica in index.look_up().replicas] == ["s-edge/new"]
    assert garbage.is_discarded(index.connection, "edge", "physical", bad.key)
    with pytest.raises(ConflictError):
        verified.replace_replica(index.connection, request, now=index.now, grace_s=GRACE_S)


def test_a_copy_elsewhere_may_be_added_while_one_is_bad(index: Index) -> None:
    version = index.put()
    mark = MarkReplicas(session_id="s-edge", store="edge", bucket="physical", bad=(version.replicas[0].key,))
    verified.mark_replicas(index.connection, mark, now=index.now)
    copy = Replica(store="cloud", bucket="physical", key="s-cloud/copy", created_at=0.0)
    request = AddReplica(
        session_id="s-cloud",
        bucket="bucket",
        key="key",
        version_id=version.version_id,
        etag=version.etag,
        replica=copy,
    )
    add_replica(index.connection, request, now=index.now)
    good = msgspec.structs.replace(mark, bad=(), good=mark.bad)
    verified.mark_replicas(index.connection, good, now=index.now)
    assert {replica.store for replica in index.look_up().replicas} == {"edge", "cloud"}


def test_an_object_that_is_gone_cannot_be_repaired(index: Index) -> None:
    version = index.put()
    index.delete(DeleteItem(key="key"))
    copy = Replica(store="edge", bucket="physical", key="s-edge/new", created_at=0.0)
    request = ReplaceReplica(
        session_id="s-edge", bucket="bucket", key="key", version_id=version.version_id, replica=copy
    )
    with pytest.raises(NoSuchKeyError):
        verified.replace_replica(index.connection, request, now=index.now, grace_s=GRACE_S)
