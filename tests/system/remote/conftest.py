"""One store for a module, one world for a test."""

import pytest
from plain_store import PlainStore
from worlds import World


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = PlainStore(tmp_path_factory.mktemp("store"))
    store.start()
    yield store
    store.stop()


@pytest.fixture
def world(tmp_path, store):
    world = World(tmp_path, store)
    yield world
    world.close()
