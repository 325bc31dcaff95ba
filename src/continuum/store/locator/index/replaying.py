"""Taking in what a gateway wrote while it was away, record by record, so that nothing acknowledged is lost.

What it did not know of, it cannot have meant to replace: `continuum.model.conflicts` decides who becomes
current, and the other one is kept. In a bucket with versioning that is a non-current version; else it gets a
key of its own, and its bytes stay where they are. What was written to a bucket that is gone, or was deleted
and made anew, goes to a bucket beside it. A record that cannot be taken in at all is refused, by name, and
stays in its gateway's journal; it does not hold up those behind it.
"""

import logging

import msgspec

from continuum.model.conflicts import Meeting, decide_write, is_conflict_of, may_delete, name_aside
from continuum.model.errors import ConflictError, ContinuumError, InvalidInputError
from continuum.model.objects import Bucket, Setting, Version, Versioning
from continuum.store.locator.database import Connection, IndexUnavailableError
from continuum.store.locator.index import journals, placements, uploads
from continuum.store.locator.index.buckets import create_bucket, find_bucket
from continuum.store.locator.index.conflicting import choose_name, insert_beneath, move_aside
from continuum.store.locator.index.garbage import insert_garbage, is_discarded
from continuum.store.locator.index.journals import OpenJournal
from continuum.store.locator.index.objects import STEP_S, change_object, delete_item, publish_version
from continuum.store.locator.index.telling import note_commit
from continuum.store.locator.index.versions import Row, find_by_id, find_current, find_newest
from continuum.store.locator.index.writebacks import note_write_back
from continuum.store.locator.messages import (
    Commit,
    Conflict,
    CreateBucket,
    JournalRecord,
    NoSuchUploadError,
    Replay,
    Replayed,
)
from continuum.store.locator.validating import check_key, check_upload, check_version

log = logging.getLogger(__name__)

Thing = tuple[str, str]


def replay(
    connection: Connection, request: Replay, *, now: float, grace_s: float
) -> tuple[Replayed, set[Thing]]:
    """Take records in; return how far the journal is, and which keys changed."""
    journal = journals.open_journal(connection, request.session_id, request.journal_id, now=now)
    refused: dict[int, str] = {}
    replaying = _Replaying(connection, journal, now=now, grace_s=grace_s)
    for record in request.records:
        try:
            with connection.saving():
                replaying.take(record)
        except IndexUnavailableError:
            raise
        except Exception as problem:
            if not isinstance(problem, ContinuumError):
                log.exception("taking in a record of %s failed", journal.gateway)
            journals.advance(connection, journal, record.number)
            refused[record.number] = str(problem)
            replaying.note(record, "refused", problem=str(problem))
    journals.report(connection, request, now=now)
    return Replayed(number=journal.replayed, refused=refused), replaying.things


class _Replaying:
    """One request under way: what all records have in common, and what was changed."""

    def __init__(self, connection: Connection, journal: OpenJournal, *, now: float, grace_s: float) -> None:
        self._connection = connection
        self._journal = journal
        self._now = now
        self._grace_s = grace_s
        self.things: set[Thing] = set()

    def take(self, record: JournalRecord) -> None:
        """Take one record in, unless it was before."""
        if not journals.advance(self._connection, self._journal, record.number):
            return
        _check(record)
        if record.commit is not None:
            self._take_commit(record, record.commit)
        elif record.deletion is not None:
            self._take_deletion(record)
        elif record.upload is not None:
            self._take_upload(record)
        elif record.abort is not None:
            uploads.end_upload(
                self._connection,
                record.abort.upload_id,
                lambda _: True,
                now=self._now,
                grace_s=self._grace_s,
            )
        elif record.change is not None:
            self._take_change(record)

    def note(self, record: JournalRecord, outcome: str, kept_as: str = "", problem: str = "") -> None:
        """Remember what is to be told of a record, and say it aloud."""
        bucket, key = place_of(record)
        conflict = Conflict(
            bucket=bucket,
            key=key,
            gateway=self._journal.gateway,
            outcome=outcome,
            kept_as=kept_as,
            written_at=record.at,
            noted_at=self._now,
            problem=problem,
        )
        journals.note_conflict(self._connection, conflict)
        log.warning("written apart at %s: %s/%s is %s %s", conflict.gateway, bucket, key, outcome, kept_as)

    def _find_bucket(self, record: JournalRecord) -> Bucket | None:
        """Return the bucket that the record is about; None if it is gone, or another one has its name."""
        found = find_bucket(self._connection, place_of(record)[0])
        same = (record.bucket_owner, record.bucket_created_at)
        return found if found is not None and (found.owner, found.created_at) == same else None

    # ---- writes ----

    def _take_commit(self, record: JournalRecord, commit: Commit) -> None:
        version = commit.version
        if find_by_id(self._connection, version.version_id) is not None:
            return  # it was committed; the answer did not reach the gateway
        self._check_bytes(commit)
        bucket = self._find_bucket(record)
        if commit.upload_id:
            self._complete(commit.upload_id, version)
        if bucket is None:
            bucket = self._make_aside(record)
            self._publish(bucket, record, commit, version.key)
            self.note(record, "aside", f"{bucket.name}/{version.key}")
            return
        newest = find_newest(self._connection, bucket.name, version.key)
        meeting = decide_write(
            newest.version if newest is not None else None,
            base=record.base,
            at=record.at,
            connected_until=record.connected_until,
            is_conditional=bool(commit.if_none_match or commit.if_match),
        )
        if newest is None or meeting is Meeting.PLAIN:
            self._publish(bucket, record, commit, version.key)
        elif bucket.versioning is Versioning.ENABLED:
            self._keep_as_version(bucket, record, commit, newest, meeting)
        else:
            self._keep_as_key(bucket, record, commit, newest, meeting)

    def _check_bytes(self, commit: Commit) -> None:
        """Refuse bytes that are not the journal's, or that the collector was given."""
        if len(commit.version.replicas) != 1:
            raise InvalidInputError("a version is committed with exactly one replica")
        replica = commit.version.replicas[0]
        if replica.store != self._journal.store:
            raise InvalidInputError("the bytes are not in the journal's store")
        if not commit.upload_id and not replica.key.startswith(f"{self._journal.journal_id}/"):
            raise InvalidInputError("the physical key does not begin with the journal's id")
        if is_discarded(self._connection, replica.store, replica.bucket, replica.key):
            raise ConflictError("the bytes were given to the collector")

    def _complete(self, upload_id: str, version: Version) -> None:
        try:
            uploads.complete(self._connection, upload_id, version)
        except NoSuchUploadError:
            log.info("the upload of %s/%s ended meanwhile", version.bucket, version.key)

    def _keep_as_version(
        self, bucket: Bucket, record: JournalRecord, commit: Commit, newest: Row, meeting: Meeting
    ) -> None:
        if meeting is Meeting.NEWER:
            self._publish(bucket, record, commit, commit.version.key)
            self.note(record, "newer", f"versionId={newest.version.public_id}")
            return
        version = self._prepare(bucket, commit, commit.version.key, record.at)
        insert_beneath(self._connection, version, newest)
        note_commit(self._connection, bucket, commit, version, now=self._now)
        self.things.add((bucket.name, version.key))
        self.note(record, "older", f"versionId={version.public_id}")

    def _keep_as_key(
        self, bucket: Bucket, record: JournalRecord, commit: Commit, newest: Row, meeting: Meeting
    ) -> None:
        key = commit.version.key
        is_fixed = Setting.ATTACHMENT in bucket.settings  # objects of attached buckets keep their names
        if meeting is Meeting.NEWER and not is_fixed:
            site = self._site_of(newest.version)
            name = choose_name(self._connection, bucket.name, key, site, newest.version.modified_at)
            move_aside(self._connection, bucket, newest, name, now=self._now)
            self.things.add((bucket.name, name))
            self._publish(bucket, record, commit, key)
            self.note(record, "newer", name)
            return
        before = find_by_id(self._connection, record.base) if record.base else None
        if before is not None and not before.is_ended and is_conflict_of(before.version.key, key):
            name = before.version.key  # what this replaces was kept there
        else:
            name = choose_name(self._connection, bucket.name, key, self._journal.site, record.at)
        self._publish(bucket, record, commit, name)
        self.note(record, "older", name)

    def _site_of(self, version: Version) -> str:
        store = version.replicas[0].store if version.replicas else ""
        return placements.read_places(self._connection, b"").site_of(store) or "elsewhere"

    def _publish(self, bucket: Bucket, record: JournalRecord, commit: Commit, key: str) -> None:
        """Publish a journalled version as the newest of a key."""
        newest = find_newest(self._connection, bucket.name, key)
        at = min(record.at, self._now)
        if newest is not None:
            at = max(at, newest.version.modified_at + STEP_S)
        version = self._prepare(bucket, commit, key, at)
        current = find_current(self._connection, bucket.name, key)
        publish_version(self._connection, bucket, version, current, now=self._now, grace_s=self._grace_s)
        note_write_back(self._connection, bucket, key, now=self._now)
        note_commit(self._connection, bucket, commit, version, now=self._now)
        self.things.add((bucket.name, key))

    def _prepare(self, bucket: Bucket, commit: Commit, key: str, at: float) -> Version:
        """Return the version as it is published, the copies queued that policies ask for."""
        replica = msgspec.structs.replace(commit.version.replicas[0], created_at=at)
        version = msgspec.structs.replace(
            commit.version,
            bucket=bucket.name,
            key=key,
            modified_at=at,
            replicas=(replica,),
            is_null=bucket.versioning is not Versioning.ENABLED,
        )
        return placements.place_version(self._connection, bucket, version, now=self._now)

    def _make_aside(self, record: JournalRecord) -> Bucket:
        """Return the bucket for what was written to one that is gone."""
        name = name_aside(place_of(record)[0], self._journal.journal_id)
        found = find_bucket(self._connection, name)
        if found is None:
            request = CreateBucket(
                name=name,
                owner=record.bucket_owner,
                home=self._journal.site,
                versioning=Versioning.ENABLED,
            )
            found = create_bucket(self._connection, request, now=self._now)
            self.things.add((name, ""))
        return found

    # ---- all else ----

    def _take_deletion(self, record: JournalRecord) -> None:
        bucket = self._find_bucket(record)
        if bucket is None or record.deletion is None:
            return
        item = record.deletion.objects[0]
        row = self._find_deleted(record, bucket)
        if row is None:
            return
        changes = {"if_match": "", "key": row.version.key}
        if item.version_id:
            changes["version_id"] = row.version.public_id
        result = delete_item(
            self._connection,
            bucket,
            msgspec.structs.replace(item, **changes),
            record.deletion,
            now=self._now,
            grace_s=self._grace_s,
        )
        self.things.add((bucket.name, row.version.key))
        if result.error_code:
            self.note(record, "kept", f"versionId={row.version.public_id}", problem=result.message)

    def _find_deleted(self, record: JournalRecord, bucket: Bucket) -> Row | None:
        """Return the version that a deletion removes or hides; None if that is nothing (any more)."""
        if record.deletion is None:
            return None
        item = record.deletion.objects[0]
        before = find_by_id(self._connection, record.base) if record.base else None
        if before is not None and (before.is_ended or before.version.bucket != bucket.name):
            before = None
        if item.version_id:
            return before
        newest = find_newest(self._connection, bucket.name, item.key)
        if newest is not None and newest.version.is_delete_marker:
            return None
        if newest is not None and not may_delete(
            newest.version,
            base=record.base,
            connected_until=record.connected_until,
            is_conditional=bool(item.if_match),
        ):
            if before is not None and is_conflict_of(before.version.key, item.key):
                return before  # what is deleted was kept there
            self.note(record, "kept", f"versionId={newest.version.public_id}")
            return None
        return newest

    def _take_upload(self, record: JournalRecord) -> None:
        if record.upload is None:
            return
        upload = record.upload.upload
        if not upload.physical_key.startswith(f"{self._journal.journal_id}/"):
            raise InvalidInputError("the physical key does not begin with the journal's id")
        if self._find_bucket(record) is not None:
            uploads.note_upload(self._connection, upload)
            return
        insert_garbage(
            self._connection,
            store=upload.store,
            bucket=upload.physical_bucket,
            key=upload.physical_key,
            store_upload_id=upload.store_upload_id,
            due_at=self._now + self._grace_s,
        )

    def _take_change(self, record: JournalRecord) -> None:
        row = find_by_id(self._connection, record.base) if record.base else None
        if record.change is None or row is None or row.is_ended:
            return
        change = msgspec.structs.replace(
            record.change,
            bucket=row.version.bucket,
            key=row.version.key,
            version_id=row.version.public_id,
        )
        change_object(self._connection, change, now=self._now)
        self.things.add((change.bucket, change.key))


def place_of(record: JournalRecord) -> Thing:
    """Return the bucket and the key of a record."""
    if record.commit is not None:
        return record.commit.version.bucket, record.commit.version.key
    if record.deletion is not None:
        return record.deletion.bucket, record.deletion.objects[0].key
    if record.upload is not None:
        return record.upload.upload.bucket, record.upload.upload.key
    if record.abort is not None:
        return record.abort.bucket, record.abort.key
    if record.change is not None:
        return record.change.bucket, record.change.key
    return "", ""


def _check(record: JournalRecord) -> None:
    """Refuse a record that is not well formed."""
    changes = (record.commit, record.deletion, record.upload, record.abort, record.change)
    if sum(change is not None for change in changes) != 1:
        raise InvalidInputError("a record of a journal has exactly one change")
    if record.deletion is not None and len(record.deletion.objects) != 1:
        raise InvalidInputError("a deletion in a journal has exactly one item")
    check_key(place_of(record)[1])
    if record.commit is not None:
        check_version(record.commit.version)
    if record.upload is not None:
        check_upload(record.upload.upload)
