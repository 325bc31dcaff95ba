"""Random sequences of what happens to keys whose versions are kept, or were, against a list per key."""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from locator_making import GRACE_S, Index

from continuum.model.objects import Versioning
from continuum.store.locator.index import buckets, garbage, objects
from continuum.store.locator.index.counts import count_objects
from continuum.store.locator.index.listing import list_objects, list_versions
from continuum.store.locator.index.versions import purge_versions
from continuum.store.locator.messages import (
    ChangeBucket,
    Commit,
    CountObjects,
    Delete,
    DeleteItem,
    DeleteResult,
    ListObjects,
    ListVersions,
    Locate,
    NoSuchKeyError,
    VersionPage,
)

KEYS = st.sampled_from(["a", "a/b", "a/c", "b", "é"])
Line = tuple[str, str, bool, bool, str]  # as in a list: key, public id, is latest, is a marker, ETag


class HistoryMachine(RuleBasedStateMachine):
    """`model` holds for every key its (public id, ETag) with the newest first; a delete marker has no ETag.

    `dead` are the physical keys that nothing points at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.index = Index(self.folder)
        self.versioning = Versioning.UNSET
        self.model: dict[str, list[tuple[str, str]]] = {}
        self.places: dict[str, str] = {}  # by ETag
        self.dead: set[str] = set()
        self.marker = 0

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.folder)

    # ---- what may happen ----

    @initialize(versioning=st.sampled_from(list(Versioning)))
    def begin(self, versioning: Versioning) -> None:
        if versioning:
            self.keep_versions(versioning)

    @rule(versioning=st.sampled_from([Versioning.ENABLED, Versioning.SUSPENDED]))
    def keep_versions(self, versioning: Versioning) -> None:
        with self.index.connection.writing():
            buckets.change_bucket(self.index.connection, ChangeBucket(name="bucket", versioning=versioning))
        self.versioning = versioning

    @rule(key=KEYS, is_new=st.booleans())
    def put(self, key: str, is_new: bool) -> None:
        history = self.model.get(key, [])
        is_there = bool(history) and history[0][1] != ""
        request = self.index.make_commit(key, if_none_match=is_new)
        if is_new and is_there:
            with pytest.raises(objects.PreconditionFailedError):
                self.commit(request)
            return
        public_id = self.commit(request)
        self.places[request.version.etag] = request.version.replicas[0].key
        self.publish(key, public_id, request.version.etag)

    def commit(self, request: Commit) -> str:
        with self.index.connection.writing():
            published = self.index.commit(request)
        with self.index.connection.writing():
            assert self.index.commit(request) == published
        return published.public_id

    def publish(self, key: str, public_id: str, etag: str) -> None:
        assert (public_id == "null") == (self.versioning is not Versioning.ENABLED)
        if public_id == "null":
            self.forget(key, "null")
        self.model.setdefault(key, []).insert(0, (public_id, etag))

    def forget(self, key: str, public_id: str) -> None:
        history = self.model.get(key, [])
        self.dead |= {self.places[etag] for found, etag in history if found == public_id and etag}
        self.model[key] = [line for line in history if line[0] != public_id]

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.marker += 1
        item = DeleteItem(key=key, marker_id=f"m{self.marker}")
        result = self.remove_one(item)
        assert not result.error_code
        if not self.versioning:
            assert not result.is_delete_marker
            self.forget(key, "null")
            return
        assert result.is_delete_marker
        self.publish(key, result.marker_id, "")
        assert self.remove_one(item) == result  # said again

    @rule(key=KEYS, data=st.data())
    def remove(self, key: str, data: st.DataObject) -> None:
        known = [public_id for public_id, _ in self.model.get(key, [])]
        public_id = data.draw(st.sampled_from([*known, "null", "never"]))
        is_marker = (public_id, "") in self.model.get(key, [])
        result = self.remove_one(DeleteItem(key=key, version_id=public_id))
        assert (result.error_code, result.version_id) == ("", public_id)
        assert result.is_delete_marker == is_marker
        self.forget(key, public_id)

    def remove_one(self, item: DeleteItem) -> DeleteResult:
        request = Delete(session_id="s-edge", bucket="bucket", objects=(item,))
        with self.index.connection.writing():
            deleted = objects.delete_objects(
                self.index.connection, request, now=self.index.now, grace_s=GRACE_S
            )
        return deleted.results[0]

    @rule()
    def collect(self) -> None:
        self.index.now += 2 * GRACE_S
        connection = self.index.connection
        with connection.writing():
            items = garbage.claim_garbage(connection, "edge", 1000, now=self.index.now, claim_s=60).items
            garbage.report_garbage(connection, "s-edge", tuple(item.item_id for item in items))
            purge_versions(connection, before=self.index.now - GRACE_S)
        assert {item.key for item in items} == self.dead
        self.dead = set()

    # ---- what is seen ----

    @rule(
        size=st.integers(1, 4),
        prefix=st.sampled_from(["", "a", "a/", "z"]),
        delimiter=st.sampled_from(["", "/"]),
    )
    def list_in_pages(self, size: int, prefix: str, delimiter: str) -> None:
        found: list[Line] = []
        prefixes: list[str] = []
        page = VersionPage(entries=(), common_prefixes=(), is_truncated=True)
        while page.is_truncated:
            page = list_versions(
                self.index.connection,
                ListVersions(
                    bucket="bucket",
                    prefix=prefix,
                    delimiter=delimiter,
                    max_keys=size,
                    key_marker=page.next_key_marker,
                    version_id_marker=page.next_version_id_marker,
                ),
            )
            assert len(page.entries) + len(page.common_prefixes) <= size
            found += [(e.key, e.version_id, e.is_latest, e.is_delete_marker, e.etag) for e in page.entries]
            prefixes += page.common_prefixes
        lines = [line for line in self.lines() if line[0].startswith(prefix)]
        is_rolled_up = [bool(delimiter) and delimiter in line[0][len(prefix) :] for line in lines]
        assert found == [line for line, rolled in zip(lines, is_rolled_up, strict=True) if not rolled]
        assert prefixes == ([f"{prefix}/" if prefix == "a" else "a/"] if any(is_rolled_up) else [])

    def lines(self) -> list[Line]:
        return [
            (key, public_id, number == 0, not etag, etag)
            for key in sorted(self.model)
            for number, (public_id, etag) in enumerate(self.model[key])
        ]

    @invariant()
    def every_version_is_found_by_its_id(self) -> None:
        for key, history in self.model.items():
            found = [self.index.look_up(key, public_id) for public_id, _ in history]
            assert [(version.public_id, version.etag) for version in found] == history
            assert all(len(version.replicas) == (not version.is_delete_marker) for version in found)
            written = [version.modified_at for version in found]
            assert all(later >= earlier for later, earlier in pairwise(written))

    @invariant()
    def the_counters_agree(self) -> None:
        counted = count_objects(self.index.connection, CountObjects(bucket="bucket")).counts[0]
        assert counted.versions == sum(map(len, self.model.values()))
        assert counted.objects == sum(
            bool(history) and history[0][1] != "" for history in self.model.values()
        )
        page = list_versions(self.index.connection, ListVersions(bucket="bucket", max_keys=1000))
        assert counted.version_bytes == sum(entry.size_bytes for entry in page.entries)
        current = [entry for entry in page.entries if entry.is_latest]
        assert counted.object_bytes == sum(entry.size_bytes for entry in current)

    @invariant()
    def the_newest_is_found_and_an_object_only_if_it_is_no_marker(self) -> None:
        current = {key: history[0] for key, history in self.model.items() if history}
        for key in self.model:
            if key in current:
                assert self.index.look_up(key).public_id == current[key][0]
            else:
                with pytest.raises(NoSuchKeyError):
                    self.index.look_up(key)
        objects_there = sorted(key for key, (_, etag) in current.items() if etag)
        page = list_objects(self.index.connection, ListObjects(bucket="bucket"))
        assert [(entry.key, entry.etag) for entry in page.entries] == [
            (key, current[key][1]) for key in objects_there
        ]
        asked = Locate(objects=tuple(("bucket", key) for key in self.model))
        located = objects.locate(self.index.connection, asked).locations
        assert [key for key, at in zip(self.model, located, strict=True) if at.exists] == [
            key for key in self.model if key in objects_there
        ]


HistoryMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_the_index_keeps_history_as_lists_would = HistoryMachine.TestCase
