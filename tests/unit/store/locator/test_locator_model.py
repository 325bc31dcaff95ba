"""Random sequences of requests against the index and against a dictionary."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from locator_making import GRACE_S, Index

from continuum.model.errors import ConflictError
from continuum.model.objects import Replica, Version
from continuum.store.locator.index import garbage, objects
from continuum.store.locator.index.counts import count_objects
from continuum.store.locator.index.listing import list_objects
from continuum.store.locator.messages import (
    AddReplica,
    Commit,
    CountObjects,
    DeleteItem,
    ListObjects,
    NoSuchKeyError,
    PreconditionFailedError,
)

KEYS = st.sampled_from(["a", "a/b", "a/c", "é", "\U0001f600"])


class IndexMachine(RuleBasedStateMachine):
    """`model` is what the name space should hold, `dead` the physical places that nothing points at."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.index = self.make_index()
        self.model: dict[str, Version] = {}
        self.dead: set[tuple[str, str]] = set()
        self.commits: list[tuple[Commit, Version]] = []

    def make_index(self) -> Index:
        return Index(self.folder)

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.folder)

    def bury(self, version: Version | None) -> None:
        if version is not None:
            self.dead |= {(replica.store, replica.key) for replica in version.replicas}

    @rule(key=KEYS, condition=st.sampled_from(["", "none", "right", "wrong"]))
    def commit(self, key: str, condition: str) -> None:
        current = self.model.get(key)
        options = {
            "": {},
            "none": {"if_none_match": True},
            "right": {"if_match": current.etag if current else "e"},
            "wrong": {"if_match": "wrong"},
        }[condition]
        request = self.index.make_commit(key, **options)
        try:
            with self.index.connection.writing():
                published = self.index.commit(request)
        except PreconditionFailedError:
            assert current is not None
            assert condition in {"none", "wrong"}
        except NoSuchKeyError:
            assert current is None
            assert condition in {"right", "wrong"}
        else:
            self.bury(current)
            self.model[key] = published
            self.commits.append((request, published))

    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        if self.commits:
            request, published = data.draw(st.sampled_from(self.commits))
            with self.index.connection.writing():
                again = self.index.commit(request)
            assert (again.version_id, again.modified_at) == (published.version_id, published.modified_at)

    @rule(key=KEYS, matching=st.sampled_from(["", "*", "right", "wrong"]))
    def delete(self, key: str, matching: str) -> None:
        current = self.model.get(key)
        if_match = current.etag if current and matching == "right" else matching
        with self.index.connection.writing():
            (code,) = self.index.delete(DeleteItem(key=key, if_match=if_match))
        if current is not None and matching == "wrong":
            assert code == "PreconditionFailed"
        else:
            assert code == ""
            self.bury(self.model.pop(key, None))

    @rule(key=KEYS)
    def replicate(self, key: str) -> None:
        current = self.model.get(key)
        number = len(self.commits) + len(self.dead)
        replica = Replica(
            store="cloud", bucket="physical", key=f"s-cloud/{key}-{number}", created_at=self.index.now
        )
        request = AddReplica(
            session_id="s-cloud",
            bucket="bucket",
            key=key,
            version_id=current.version_id if current else "none",
            etag=current.etag if current else "none",
            replica=replica,
        )
        try:
            with self.index.connection.writing():
                objects.add_replica(self.index.connection, request, now=self.index.now)
        except NoSuchKeyError:
            assert current is None
        except ConflictError:
            assert current is not None
            assert len(current.replicas) == 2
        else:
            assert current is not None
            self.model[key] = self.index.look_up(key)
            places = [(replica.store, replica.key) for replica in self.model[key].replicas]
            assert places == [(current.replicas[0].store, current.replicas[0].key), ("cloud", replica.key)]

    @rule(seconds=st.sampled_from([1.0, GRACE_S]))
    def wait(self, seconds: float) -> None:
        self.index.now += seconds

    @rule(store=st.sampled_from(["edge", "cloud"]))
    def collect(self, store: str) -> None:
        connection = self.index.connection
        with connection.writing():
            items = garbage.claim_garbage(connection, store, 100, now=self.index.now, claim_s=60).items
            garbage.report_garbage(connection, f"s-{store}", tuple(item.item_id for item in items))
        for item in items:
            self.dead.remove((store, item.key))

    @invariant()
    def everything_is_found_as_it_should_be(self) -> None:
        page = list_objects(self.index.connection, ListObjects(bucket="bucket"))
        counted = count_objects(self.index.connection, CountObjects(bucket="bucket")).counts[0]
        assert counted.objects == counted.versions == len(self.model)
        sizes = sum(version.size_bytes for version in self.model.values())
        assert counted.object_bytes == counted.version_bytes == sizes
        assert [entry.key for entry in page.entries] == sorted(self.model)
        for key, version in self.model.items():
            assert self.index.look_up(key) == version


IndexMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_the_index_does_what_a_dictionary_would = IndexMachine.TestCase
