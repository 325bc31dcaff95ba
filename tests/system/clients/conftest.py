"""The two places where every client does the same."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from places import CLIENTS, Place
from plain_store import PlainStore


@pytest.fixture(scope="session")
def plain_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainStore]:
    """A SeaweedFS like those behind the gateways."""
    store = PlainStore(tmp_path_factory.mktemp("clients-store"))
    store.start()
    yield store
    store.stop()


@pytest.fixture
def places(
    embedded: Any, plain_store: PlainStore, tmp_path_factory: Any
) -> Callable[[], tuple[Place, Place]]:
    """Make the two places: the store directly, the gateway of the site `edge`."""
    assert CLIENTS.exists(), "scripts/prepare clients"

    def make() -> tuple[Place, Place]:
        store = (plain_store.endpoint, plain_store.access_key, plain_store.secret_key)
        gateway = (embedded.gateways["edge"], *embedded.credentials)
        return (
            Place("store", *store, tmp_path_factory.mktemp("at-store")),
            Place("gateway", *gateway, tmp_path_factory.mktemp("at-gateway")),
        )

    return make
