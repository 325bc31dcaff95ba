"""Stores that were added: noted, described, kept apart from the sites' own, removed when empty."""

import msgspec
import pytest
from locator_making import SEALER, Index, make_store

from continuum.model.errors import ConflictError, NotFoundError
from continuum.model.objects import Store
from continuum.store.locator.index import sessions, stores


def make_added(name: str = "paris") -> Store:
    return msgspec.structs.replace(
        make_store(name, "cloud"), is_added=True, addressing="virtual", capacity_bytes=5, bucket=""
    )


def test_an_added_store_is_known_to_gateways_as_it_was_given(index: Index) -> None:
    stores.add_store(index.connection, SEALER, make_added())
    assert make_added() in sessions.list_stores(index.connection, SEALER)


def test_a_description_has_no_secret(index: Index) -> None:
    stores.add_store(index.connection, SEALER, make_added())
    described = stores.describe_stores(index.connection, SEALER)
    assert [each.name for each in described.stores] == ["cloud", "edge", "paris"]
    assert b"secret of the store" not in msgspec.json.encode(described)


def test_what_is_in_a_store_is_told_of_the_one_that_is_asked_for(index: Index) -> None:
    for key in "ab":
        index.put(key, size_bytes=100)
    described = stores.describe_stores(index.connection, SEALER, measured="edge").stores
    assert {each.name: each.used_bytes for each in described} == {"cloud": None, "edge": 200}


def test_a_site_s_own_store_is_neither_replaced_nor_removed(index: Index) -> None:
    with pytest.raises(ConflictError):
        stores.add_store(index.connection, SEALER, msgspec.structs.replace(make_added("cloud")))
    with pytest.raises(ConflictError):
        stores.remove_store(index.connection, "cloud")
    with pytest.raises(NotFoundError):
        stores.remove_store(index.connection, "nowhere")


def test_a_store_is_removed_when_nothing_is_in_it(index: Index) -> None:
    stores.add_store(index.connection, SEALER, make_added())
    stores.remove_store(index.connection, "paris")
    assert [each.name for each in sessions.list_stores(index.connection, SEALER)] == ["cloud", "edge"]
