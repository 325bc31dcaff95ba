"""Copies that policies ask for: queued with the commit, ended with the copy, removed only if they may."""

import random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from locator_making import GRACE_S, Index

from continuum.model.objects import Replica, Setting, Version
from continuum.model.policies.documents import read_continuum_policy
from continuum.store.locator.index import buckets, copies, garbage, objects, placements
from continuum.store.locator.messages import (
    AddReplica,
    ChangeBucket,
    ClaimCopies,
    Copies,
    CopyFailure,
    DescribeObject,
    PlaceObjects,
    StorePlace,
)

EDGE, CLOUD = "edge", "cloud"


def set_policy(index: Index, document: bytes) -> None:
    buckets.change_bucket(
        index.connection, ChangeBucket(name="bucket", settings={Setting.PLACEMENT.value: document})
    )


def claim(index: Index, store: str = CLOUD) -> Copies:
    request = ClaimCopies(session_id="s", store=store)
    return copies.claim_copies(index.connection, request, now=index.now, claim_s=60.0)


def add(index: Index, version: Version, store: str = CLOUD, *, expires_at: float = 0.0) -> None:
    replica = Replica(
        store=store,
        bucket="physical",
        key=f"s-{store}/copy-of-{version.version_id}-{index.now}",
        created_at=0.0,
        expires_at=expires_at,
    )
    request = AddReplica(
        session_id=f"s-{store}",
        bucket="bucket",
        key=version.key,
        version_id=version.version_id,
        etag=version.etag,
        replica=replica,
    )
    objects.add_replica(index.connection, request, now=index.now)


def evict(index: Index, store: str, wanted_bytes: int | None = None) -> int:
    return len(
        placements.evict(
            index.connection, store, now=index.now, grace_s=GRACE_S, limit=100, wanted_bytes=wanted_bytes
        )
    )


def stores(index: Index, key: str = "key") -> list[str]:
    return [replica.store for replica in index.look_up(key).replicas]


PUSH = b'{"placement": "push", "sites": ["cloud"]}'


def test_a_commit_queues_the_copies_that_the_policy_asks_for_and_a_copy_ends_its_item(index: Index) -> None:
    set_policy(index, PUSH)
    version = index.put()
    assert [item.version for item in claim(index).items] == [version]
    assert claim(index).items == ()  # it is leased
    index.now += 61
    assert len(claim(index).items) == 1  # and offered again
    add(index, version, expires_at=index.now + 5)
    index.now += 61
    assert claim(index).items == ()
    assert stores(index) == [EDGE, CLOUD]
    assert [replica.expires_at for replica in index.look_up().replicas] == [0, 0]  # it is needed


def test_without_a_policy_nothing_is_queued(index: Index) -> None:
    index.put()
    assert claim(index).items == ()


def test_the_continuum_s_policy_holds_for_buckets_that_have_none(index: Index) -> None:
    placements.set_continuum_policy(index.connection, b'{"policy": {"placement": "replicate_all"}}')
    index.put()
    assert len(claim(index).items) == 1
    placements.set_continuum_policy(index.connection, b"")
    index.put("another")
    assert len(claim(index).items) == 0


def test_items_of_versions_that_ended_end(index: Index) -> None:
    set_policy(index, PUSH)
    first, second = index.put(), index.put()
    assert [item.version.version_id for item in claim(index).items] == [second.version_id]
    assert first.version_id != second.version_id


def test_a_copy_that_fails_is_tried_again_later_and_later_and_shown(index: Index) -> None:
    set_policy(index, PUSH)
    version = index.put()
    for pause_s in (2, 4, 8):
        item = claim(index).items[0]
        failures = (CopyFailure(item.item_id, "the store is full"),)
        copies.report_copies(index.connection, failures, now=index.now)
        index.now += pause_s - 0.1
        assert claim(index).items == ()
        index.now += 0.2
    lag = copies.get_lag(index.connection, "bucket", now=index.now).stores[0]
    assert (lag.store, lag.waiting, lag.failing, lag.problem) == (CLOUD, 1, 1, "the store is full")
    described = copies.describe_object(
        index.connection, DescribeObject(bucket="bucket", key="key"), now=index.now
    )
    assert described.version == version
    assert [(each.store, each.tries) for each in described.waiting] == [(CLOUD, 3)]


def test_a_cached_copy_goes_after_its_time_and_its_bytes_become_garbage(index: Index) -> None:
    version = index.put()
    add(index, version, expires_at=index.now + 10)
    assert evict(index, CLOUD) == 0
    placements.keep(index.connection, CLOUD, version.version_id, index.now + 20)  # it was read
    index.now += 15
    assert evict(index, CLOUD) == 0
    index.now += 10
    assert evict(index, CLOUD) == 1
    assert stores(index) == [EDGE]
    found = garbage.claim_garbage(index.connection, CLOUD, 10, now=index.now + GRACE_S, claim_s=60.0)
    assert len(found.items) == 1


def test_a_cached_copy_that_became_needed_stays(index: Index) -> None:
    version = index.put()
    add(index, version, expires_at=index.now)
    set_policy(index, PUSH)
    assert evict(index, CLOUD) == 0
    assert [replica.expires_at for replica in index.look_up().replicas] == [0, 0]


def test_where_it_was_written_a_copy_goes_once_it_is_where_it_belongs(index: Index) -> None:
    set_policy(index, b'{"placement": "single_region", "sites": ["cloud"]}')
    version = index.put()
    assert evict(index, EDGE) == 0  # the only copy
    add(index, version)
    index.now += placements.LATER_S
    assert evict(index, EDGE) == 1
    assert stores(index) == [CLOUD]


def test_above_capacity_the_copies_that_policies_keep_shortest_go_first(index: Index) -> None:
    for number, key in enumerate("abc"):
        version = index.put(key, size_bytes=100)
        add(index, version, expires_at=index.now + 1000 - 10 * number)
        index.now += 1
    assert placements.measure(index.connection, CLOUD) == 300
    assert evict(index, CLOUD, wanted_bytes=150) == 2
    assert [stores(index, key) for key in "abc"] == [[EDGE, CLOUD], [EDGE], [EDGE]]


def test_the_capacity_of_a_store_is_what_the_policy_says_else_what_the_store_was_given() -> None:
    document = b'{"sites": {"cloud": {"capacity": "1kB", "high_water": 0.85}, "edge": {"high_water": 0.95}}}'
    places = placements.Places((), read_continuum_policy(document))
    own = StorePlace(name="s", site="cloud", region="", bucket="b", is_own=True, capacity_bytes=5)
    added = msgspec.structs.replace(own, name="added", is_own=False)
    edge = msgspec.structs.replace(own, site="edge")
    found = [places.find_capacity(each) for each in (own, added, edge)]
    assert [(each.capacity_bytes, each.high_water) for each in found] == [(1000, 0.85), (5, 0.85), (5, 0.95)]
    elsewhere = places.find_capacity(msgspec.structs.replace(own, site="other", capacity_bytes=0))
    assert elsewhere.capacity_bytes == 0


def test_a_new_policy_is_applied_to_what_is_there_page_by_page(index: Index) -> None:
    for number in range(5):
        index.put(f"key-{number}")
    set_policy(index, PUSH)
    after, pages, queued = "", 0, 0
    while True:
        request = PlaceObjects(bucket="bucket", after=after, limit=2)
        placed = copies.place_objects(index.connection, request, now=index.now)
        pages, queued, after = pages + 1, queued + placed.queued, placed.next_after
        if not after:
            break
    assert (pages, queued, len(claim(index).items)) == (3, 5, 5)
    request = PlaceObjects(bucket="bucket", limit=100)
    assert copies.place_objects(index.connection, request, now=index.now).queued == 0


POLICIES = (
    b"",
    PUSH,
    b'{"placement": "home"}',
    b'{"placement": "single_region", "sites": ["cloud"]}',
    b'{"placement": "replicate_all"}',
    b'{"copies": 2}',
    b'{"copies": 3}',
    b'{"placement": "single_region", "sites": ["gone"]}',
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_whatever_happens_an_object_keeps_a_copy(index: Index, seed: int) -> None:
    chance = random.Random(seed)
    written: list[Version] = []
    for _ in range(25):
        index.now += chance.choice([0.1, 5.0, 20.0])
        match chance.randrange(5):
            case 0:
                written.append(index.put(chance.choice("abc"), site=chance.choice([EDGE, CLOUD])))
            case 1:
                set_policy(index, chance.choice(POLICIES))
            case 2 if written:
                version = chance.choice(written)
                present = index.look_up(version.key)
                store = chance.choice([EDGE, CLOUD])
                if present.version_id == version.version_id and store not in stores(index, version.key):
                    add(index, version, store, expires_at=index.now + chance.choice([-1.0, 3.0, 100.0]))
            case 3:
                request = PlaceObjects(bucket="bucket")
                copies.place_objects(index.connection, request, now=index.now)
            case 4:
                evict(index, chance.choice([EDGE, CLOUD]), chance.choice([None, 10**9]))
        for key in {version.key for version in written}:
            assert index.look_up(key).replicas, "the last copy went"
