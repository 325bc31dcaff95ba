"""Which block cache a gateway has, by its settings and its environment."""

from pathlib import Path

import msgspec
import pytest

from continuum.backbone import BackboneSettings
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Store
from continuum.store.gateway.blocks.choosing import CAPACITY, FOLDER, choose_blocks
from continuum.store.gateway.settings import BlockSettings, GatewaySettings, check

FILES = Path("/files")
PLAIN = GatewaySettings(
    site="edge",
    gateway="gateway.edge",
    listen_port=1,
    backbone=BackboneSettings(
        url="tls://127.0.0.1:1", name="x", ca_file=FILES, certificate_file=FILES, key_file=FILES
    ),
    own_store=Store(
        name="s", site="edge", endpoint="unix:/s", region="r", bucket="b", access_key="a", secret_key="s"
    ),
)
CACHING = msgspec.structs.replace(PLAIN, blocks=BlockSettings(folder=Path("/blocks")))


def test_the_settings_count_where_the_environment_says_nothing() -> None:
    assert choose_blocks(PLAIN, {}) is None
    assert choose_blocks(CACHING, {}) == CACHING.blocks


def test_the_environment_sets_the_capacity_or_switches_the_cache_off() -> None:
    chosen = choose_blocks(CACHING, {CAPACITY: "20GB"})
    assert chosen is not None
    assert (chosen.folder, chosen.capacity_bytes) == (Path("/blocks"), 20_000_000_000)
    assert choose_blocks(CACHING, {CAPACITY: "0"}) is None
    assert choose_blocks(PLAIN, {CAPACITY: "20GB"}) is None, "nobody said where"


def test_every_gateway_has_a_folder_of_its_own() -> None:
    chosen = choose_blocks(PLAIN, {FOLDER: "/fast", CAPACITY: "1GiB"})
    assert chosen == BlockSettings(folder=Path("/fast/gateway.edge"), capacity_bytes=1024**3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"block_bytes": 1000}, "blocks of 1000 bytes cannot be"),
        ({"block_bytes": 32 * 1024 * 1024}, "cannot be"),
        ({"capacity_bytes": 1024 * 1024}, "too small"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(changes: dict[str, int], reason: str) -> None:
    blocks = BlockSettings(folder=Path("/blocks"), **changes)
    with pytest.raises(InvalidInputError, match=reason):
        check(msgspec.structs.replace(PLAIN, blocks=blocks))


def test_a_capacity_that_is_no_size_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is no size"):
        choose_blocks(CACHING, {CAPACITY: "much"})
