"""Garbage is offered when it is due, to its own store, until it is reported; orphans are found safely."""

import pytest
from locator_making import GRACE_S, SEALER, Index, make_store

from continuum.model.errors import ConflictError
from continuum.store.locator.index import garbage, sessions, uploads
from continuum.store.locator.messages import (
    DeleteItem,
    DiscardObject,
    FilterOrphans,
    GarbageItem,
    SessionEndedError,
)


def claim(index: Index, limit: int = 100, store: str = "edge") -> tuple[GarbageItem, ...]:
    return garbage.claim_garbage(index.connection, store, limit, now=index.now, claim_s=60).items


def orphans(index: Index, *keys: str) -> tuple[str, ...]:
    index.connection.say("COMMIT")  # the question takes a snapshot of its own
    found = garbage.filter_orphans(
        index.connection, FilterOrphans(store="edge", bucket="physical", keys=keys)
    ).keys
    index.connection.say("BEGIN")
    return found


def test_what_was_claimed_is_offered_again_after_a_minute_unless_it_was_reported(index: Index) -> None:
    index.put()
    index.delete(DeleteItem(key="key"))
    assert not garbage.has_due(index.connection, "edge", now=index.now)
    index.now += GRACE_S
    assert garbage.has_due(index.connection, "edge", now=index.now)
    (item,) = claim(index)
    assert claim(index) == ()
    index.now += 60
    assert claim(index) == (item,)
    garbage.report_garbage(index.connection, "s-edge", (item.item_id, 12345))
    index.now += 60
    assert claim(index) == ()


def test_a_gateway_cannot_report_garbage_of_another_store(index: Index) -> None:
    index.put()
    index.delete(DeleteItem(key="key"))
    index.now += GRACE_S
    (item,) = claim(index)
    garbage.report_garbage(index.connection, "s-cloud", (item.item_id,))
    index.now += 60
    assert claim(index) == (item,)
    with pytest.raises(SessionEndedError):
        garbage.report_garbage(index.connection, "nobody", (item.item_id,))


def test_a_claim_takes_no_more_than_it_asks_for_the_longest_due_first(index: Index) -> None:
    keys = []
    for _ in range(5):
        keys.append(index.put().replicas[0].key)
        index.delete(DeleteItem(key="key"))
        index.now += 1
    index.now += GRACE_S
    assert [item.key for item in claim(index, limit=2)] == keys[:2]
    assert [item.key for item in claim(index, limit=10)] == keys[2:]


def test_discarding_twice_is_one_item(index: Index) -> None:
    request = DiscardObject(session_id="s-edge", store="edge", bucket="physical", key="s-edge/lost")
    for _ in range(2):
        garbage.discard_object(index.connection, request, now=index.now, grace_s=GRACE_S)
    index.now += GRACE_S
    assert [item.key for item in claim(index)] == ["s-edge/lost"]


def test_when_a_session_ends_its_store_is_searched_for_what_it_left(index: Index) -> None:
    for _ in range(2):
        sessions.end_session(index.connection, "s-edge", now=index.now)
    (item,) = claim(index)
    assert (item.bucket, item.key, item.is_prefix) == ("physical", "s-edge/", True)
    assert claim(index, store="cloud") == ()


def test_only_what_nothing_points_at_and_nothing_will_is_an_orphan(index: Index) -> None:
    published = index.put("published").replicas[0].key
    index.put("replaced")
    replaced = index.look_up("replaced").replicas[0].key
    index.put("replaced")
    upload = uploads.create_upload(index.connection, index.make_upload(), now=index.now).physical_key
    asked = (published, replaced, upload, "s-edge/left", "s-cloud/live", "not/ours", "s-edge")
    assert orphans(index, *asked) == ()
    sessions.end_session(index.connection, "s-edge", now=index.now)
    assert orphans(index, *asked) == ("s-edge/left", "s-edge")


def test_ended_sessions_are_forgotten_only_after_their_store_was_searched(index: Index) -> None:
    sessions.end_session(index.connection, "s-edge", now=index.now)
    assert sessions.purge_sessions(index.connection, before=index.now + 1) == 0
    garbage.report_garbage(index.connection, "s-edge", (claim(index)[0].item_id,))
    assert sessions.purge_sessions(index.connection, before=index.now + 1) == 1
    assert [live.session_id for live in sessions.list_live_sessions(index.connection)] == ["s-cloud"]


def test_a_store_is_kept_as_its_gateway_last_described_it_and_stays_with_its_site(index: Index) -> None:
    def open_with(store_url: str, site: str) -> None:
        store = make_store("edge", site)
        sessions.open_session(
            index.connection,
            SEALER,
            session_id=store_url,
            gateway="g",
            store=type(store)(**{**_fields(store), "endpoint": store_url, "secret_key": "new secret"}),
            now=index.now,
        )

    open_with("https://elsewhere:1", "edge")
    stores = {store.name: store for store in sessions.list_stores(index.connection, SEALER)}
    assert (stores["edge"].endpoint, stores["edge"].secret_key) == ("https://elsewhere:1", "new secret")
    assert stores["cloud"] == make_store("cloud")
    with pytest.raises(ConflictError):
        open_with("https://thief:1", "thief")


def _fields(store: object) -> dict[str, object]:
    return {name: getattr(store, name) for name in store.__struct_fields__}
