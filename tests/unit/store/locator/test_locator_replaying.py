"""What gateways wrote while they were away: taken in once, in order, and nothing lost whatever it meets."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from locator_making import GRACE_S, Index

from continuum.model.errors import ConflictError
from continuum.model.objects import Replica, Version, Versioning
from continuum.store.locator.index import buckets, counts, journals, listing, replaying
from continuum.store.locator.index.garbage import filter_orphans
from continuum.store.locator.messages import (
    ChangeBucket,
    ChangeObject,
    Commit,
    CountObjects,
    Delete,
    DeleteItem,
    FilterOrphans,
    FinishJournal,
    JournalRecord,
    Journals,
    ListObjects,
    ListVersions,
    NoSuchKeyError,
    Replay,
    Replayed,
)

JOURNAL = "0123456789abcdef0123456789abcdef"
BEFORE = 900.0  # what is older than this the gateway could know


class Journal:
    """Records of a gateway of `edge` that was away, numbered as they are made."""

    def __init__(self, index: Index, journal_id: str = JOURNAL) -> None:
        self.index = index
        self.journal_id = journal_id
        self._numbers = itertools.count(1)

    def record(self, at: float, base: str = "", **change: Any) -> JournalRecord:
        bucket = buckets.find_bucket(self.index.connection, "bucket")
        return JournalRecord(
            number=next(self._numbers),
            at=at,
            connected_until=BEFORE,
            bucket_owner=bucket.owner if bucket else "admin",
            bucket_created_at=bucket.created_at if bucket else 1.0,
            base=base,
            **change,
        )

    def put(self, key: str, at: float, base: str = "", **options: Any) -> JournalRecord:
        commit = self.index.make_commit(key, **options)
        name = f"{self.journal_id}/{commit.version.version_id}"
        replica = Replica(store="edge", bucket="physical", key=name, created_at=at)
        version = msgspec.structs.replace(commit.version, replicas=(replica,), modified_at=at)
        commit = msgspec.structs.replace(commit, version=version, session_id=self.journal_id)
        return self.record(at, base, commit=commit)

    def delete(self, key: str, at: float, base: str = "", version_id: str = "") -> JournalRecord:
        item = DeleteItem(key=key, version_id=version_id, marker_id=f"marker{at}")
        request = Delete(session_id=self.journal_id, bucket="bucket", objects=(item,))
        return self.record(at, base, deletion=request)

    def replay(self, *records: JournalRecord) -> Replayed:
        request = Replay(
            session_id="s-edge", journal_id=self.journal_id, records=records, waiting=len(records)
        )
        return replaying.replay(self.index.connection, request, now=self.index.now, grace_s=GRACE_S)[0]


@pytest.fixture
def journal(index: Index) -> Journal:
    return Journal(index)


def read(index: Index, what: Any, request: Any) -> Any:
    """Read in a transaction of its own, between those of the test."""
    index.connection.say("COMMIT")
    try:
        return what(index.connection, request)
    finally:
        index.connection.say("BEGIN IMMEDIATE")


def enable(index: Index, versioning: Versioning = Versioning.ENABLED) -> None:
    buckets.change_bucket(index.connection, ChangeBucket(name="bucket", versioning=versioning))


def told(index: Index, bucket: str = "") -> list[tuple[str, str]]:
    found: Journals = journals.get_journals(index.connection, bucket)
    return [(conflict.outcome, conflict.kept_as) for conflict in found.conflicts]


def committed(record: JournalRecord) -> Version:
    assert record.commit is not None
    return record.commit.version


def test_records_are_taken_in_once_however_often_they_are_sent(index: Index, journal: Journal) -> None:
    first = journal.put("key", 1_000.0)
    second = journal.put("key", 1_001.0, base=committed(first).version_id)
    assert journal.replay(first, second).number == 2
    deletion = journal.delete("key", 1_002.0, base=committed(second).version_id)
    journal.replay(deletion)
    for again in ((first,), (first, second, deletion), (deletion,)):
        assert journal.replay(*again) == Replayed(number=3)
        with pytest.raises(NoSuchKeyError):
            index.look_up()
    assert told(index) == []


def test_a_version_keeps_the_instant_at_which_it_was_acknowledged(index: Index, journal: Journal) -> None:
    index.now = 5_000.0
    journal.replay(journal.put("key", 1_234.0), journal.put("future", 9_999.0))
    assert index.look_up("key").modified_at == 1_234.0
    assert index.look_up("future").modified_at == 5_000.0  # nothing is later than now


def test_what_was_committed_before_the_hub_went_away_is_not_committed_again(
    index: Index, journal: Journal
) -> None:
    done = index.put("key")
    record = journal.put("key", 1_000.0)
    assert record.commit is not None
    same = msgspec.structs.replace(committed(record), version_id=done.version_id)
    again = msgspec.structs.replace(record, commit=msgspec.structs.replace(record.commit, version=same))
    index.put("key")
    assert journal.replay(again).refused == {}
    assert index.look_up().version_id != done.version_id


@pytest.mark.parametrize(("at", "outcome"), [(2_000.0, "newer"), (500.0, "older")])
def test_without_versioning_both_writes_are_kept_one_under_a_name_of_its_own(
    index: Index, journal: Journal, at: float, outcome: str
) -> None:
    index.now = 1_000.0
    theirs = index.put("key", site="cloud")
    index.now = 3_000.0
    ours = journal.put("key", at)
    journal.replay(ours)
    is_newer = outcome == "newer"
    name = "key.conflict-cloud-19700101T001640Z" if is_newer else "key.conflict-edge-19700101T000820Z"
    assert told(index, "bucket") == [(outcome, name)]
    current, other = index.look_up(), index.look_up(name)
    expected = [committed(ours).version_id, theirs.version_id]
    assert [current.version_id, other.version_id] == (expected if is_newer else expected[::-1])
    assert current.replicas
    assert other.replicas


@pytest.mark.parametrize(("at", "outcome"), [(2_000.0, "newer"), (500.0, "older")])
def test_with_versioning_both_writes_are_versions_in_the_order_of_their_instants(
    index: Index, journal: Journal, at: float, outcome: str
) -> None:
    enable(index)
    index.now = 400.0
    base = index.put("key")
    index.now = 1_000.0
    theirs = index.put("key", site="cloud")
    index.now = 3_000.0
    ours = journal.put("key", at, base=base.version_id)
    journal.replay(ours)
    mine = committed(ours).version_id
    page = read(index, listing.list_versions, ListVersions(bucket="bucket"))
    expected = [theirs.version_id, mine] if outcome == "older" else [mine, theirs.version_id]
    assert [line.version_id for line in page.entries] == [*expected, base.version_id]
    assert [line.is_latest for line in page.entries] == [True, False, False]
    assert index.look_up().version_id == expected[0]
    assert index.look_up("key", theirs.version_id).replicas == theirs.replicas
    (counted,) = counts.count_objects(index.connection, CountObjects(bucket="bucket")).counts
    assert (counted.objects, counted.versions) == (1, 3)
    assert told(index) == [(outcome, f"versionId={mine if outcome == 'older' else theirs.version_id}")]


def test_writes_that_follow_each_other_apart_leave_one_conflict_not_many(
    index: Index, journal: Journal
) -> None:
    theirs = index.put("key", site="cloud")  # at 1,000
    first = journal.put("key", 950.0)
    second = journal.put("key", 960.0, base=committed(first).version_id)
    journal.replay(first, second)
    name = "key.conflict-edge-19700101T001550Z"
    assert index.look_up().version_id == theirs.version_id
    assert index.look_up(name).version_id == committed(second).version_id
    journal.replay(journal.delete("key", 970.0, base=committed(second).version_id))
    assert index.look_up().version_id == theirs.version_id
    with pytest.raises(NoSuchKeyError):
        index.look_up(name)


def test_a_deletion_does_not_take_away_what_it_did_not_know(index: Index, journal: Journal) -> None:
    theirs = index.put("key", site="cloud")
    journal.replay(journal.delete("key", 2_000.0))
    assert index.look_up().version_id == theirs.version_id
    assert told(index) == [("kept", "versionId=null")]


@pytest.mark.parametrize("versioning", [Versioning.UNSET, Versioning.ENABLED])
def test_a_write_outlives_a_deletion_elsewhere(
    index: Index, journal: Journal, versioning: Versioning
) -> None:
    if versioning:
        enable(index)
    base = index.put("key")
    index.now = 2_000.0
    index.delete(DeleteItem(key="key", marker_id="m"))
    ours = journal.put("key", 1_500.0, base=base.version_id)
    journal.replay(ours)
    assert index.look_up().version_id == committed(ours).version_id


def test_a_conditional_write_never_takes_the_place_of_what_contradicts_it(
    index: Index, journal: Journal
) -> None:
    theirs = index.put("key", site="cloud")
    ours = journal.put("key", 2_000.0, if_none_match=True)
    index.now = 3_000.0
    journal.replay(ours)
    assert index.look_up().version_id == theirs.version_id
    assert index.look_up(told(index)[0][1]).version_id == committed(ours).version_id


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_what_was_written_to_a_bucket_that_is_gone_is_kept_beside_it(
    index: Index, journal: Journal, is_made_anew: bool
) -> None:
    ours, deletion = journal.put("key", 1_000.0), journal.delete("other", 1_000.0)
    buckets.delete_bucket(index.connection, "bucket")
    if is_made_anew:
        index.now = 2_000.0
        index.create_bucket("bucket", owner="somebody else")
    assert journal.replay(ours, deletion).refused == {}
    aside = "bucket-aside-01234567"
    assert told(index) == [("aside", f"{aside}/key")]
    page = read(index, listing.list_objects, ListObjects(bucket=aside))
    assert [line.version_id for line in page.entries] == [committed(ours).version_id]
    found = buckets.find_bucket(index.connection, aside)
    assert found is not None
    assert found.owner == "admin"


def test_what_cannot_be_taken_in_is_refused_and_does_not_hold_up_the_rest(
    index: Index, journal: Journal
) -> None:
    bad, good = journal.put("bad", 1_000.0), journal.put("good", 1_000.0)
    assert bad.commit is not None
    stolen = Replica(store="edge", bucket="physical", key="s-edge/1", created_at=0.0)
    version = msgspec.structs.replace(committed(bad), replicas=(stolen,))
    bad = msgspec.structs.replace(bad, commit=msgspec.structs.replace(bad.commit, version=version))
    replayed = journal.replay(bad, good)
    assert replayed.number == 2
    assert list(replayed.refused) == [1]
    assert index.look_up("good")
    assert [outcome for outcome, _ in told(index)] == ["refused"]


def test_uploads_begun_apart_go_on_and_changes_of_attributes_are_made(index: Index, journal: Journal) -> None:
    create = index.make_upload("key")
    upload = msgspec.structs.replace(create.upload, physical_key=f"{JOURNAL}/1")
    begun = journal.record(1_000.0, upload=msgspec.structs.replace(create, upload=upload))
    written = journal.put("other", 1_001.0)
    tagged = ChangeObject(bucket="bucket", key="other", tags={"a": "b"})
    changed = journal.record(1_002.0, committed(written).version_id, change=tagged)
    journal.replay(begun, written, changed)
    assert index.look_up("other").attributes.tags == {"a": "b"}
    replica = Replica(store="edge", bucket="physical", key=upload.physical_key, created_at=0.0)
    done: Commit = index.make_commit("key", replicas=(replica,), upload_id=upload.upload_id)
    assert index.commit(done).key == "key"


def test_bytes_of_a_journal_are_garbage_only_once_it_is_finished(index: Index, journal: Journal) -> None:
    journal.replay(journal.put("key", 1_000.0))
    pointed_at = index.look_up().replicas[0].key
    request = FilterOrphans(store="edge", bucket="physical", keys=(pointed_at, f"{JOURNAL}/left"))
    assert read(index, filter_orphans, request).keys == ()
    finish = FinishJournal(session_id="s-edge", journal_id=JOURNAL)
    for _ in range(2):
        journals.finish_journal(index.connection, finish, now=index.now)
    assert read(index, filter_orphans, request).keys == (f"{JOURNAL}/left",)
    with pytest.raises(ConflictError, match="finished"):
        journal.replay(journal.put("late", 1_000.0))


CHANGES = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs"]), st.sampled_from(["put", "delete"]), st.sampled_from("ab")),
    max_size=12,
)


@given(changes=CHANGES, versioning=st.sampled_from(list(Versioning)), batch=st.integers(1, 4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_two_sites_did_nothing_that_nobody_replaced_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, str, str]],
    versioning: Versioning,
    batch: int,
) -> None:
    """Two sites change two keys; ours knows only its own. Afterwards every version is there that its own side
    had not replaced or deleted itself; the same again changes nothing."""
    index = Index(tmp_path_factory.mktemp("replay"))
    index.connection.say("BEGIN IMMEDIATE")
    if versioning:
        enable(index, versioning)
    journal = Journal(index)
    records: list[JournalRecord] = []
    last = {"ours": dict.fromkeys("ab", ""), "theirs": dict.fromkeys("ab", "")}
    for step, (side, what, key) in enumerate(changes):
        at = 1_000.0 + 10 * step
        index.now = at
        if side == "ours":
            base = last["ours"][key]
            record = journal.put(key, at, base) if what == "put" else journal.delete(key, at, base)
            records.append(record)
            last["ours"][key] = committed(record).version_id if what == "put" else ""
        elif what == "put":
            last["theirs"][key] = index.put(key, site="cloud").version_id
        else:
            index.delete(DeleteItem(key=key, marker_id=f"theirs{step}"))
            last["theirs"][key] = ""
    index.now = 5_000.0
    for _ in range(2):
        for start in range(0, len(records), batch):
            assert journal.replay(*records[start : start + batch]).refused == {}
        page = read(index, listing.list_objects, ListObjects(bucket="bucket"))
        history = read(index, listing.list_versions, ListVersions(bucket="bucket"))
        live = {line.version_id for line in page.entries}
        live |= {line.version_id for line in history.entries}
        wanted = {name for side in last.values() for name in side.values() if name}
        if versioning is Versioning.ENABLED:
            assert wanted <= live
        else:
            assert wanted <= {index.look_up(line.key).version_id for line in page.entries}
        assert all(line.is_latest for line in history.entries if _is_first(history.entries, line))
    index.close()


def _is_first(entries: Any, line: Any) -> bool:
    return next(each for each in entries if each.key == line.key) is line
