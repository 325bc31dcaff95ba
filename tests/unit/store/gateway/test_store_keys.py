"""Keys of stores that stand in a file of their own, beside the settings."""

from pathlib import Path

import msgspec
import pytest

from continuum.backbone import BackboneSettings
from continuum.model.objects import Store
from continuum.store.directories.settings import (
    DirectorySettings,
    format_directory_settings,
    read_directory_settings,
)
from continuum.store.gateway.settings import GatewaySettings, StoreKeys, format_settings, read_settings

KEYS = StoreKeys(
    site_access_key="own", site_secret_key="s1", peer_access_key="peer", peer_secret_key="s2", ca_pem="CA"
)
STORE = Store(
    name="store.lab", site="lab", endpoint="https://s:1", region="r", bucket="b", access_key="", secret_key=""
)
NOWHERE = Path("/nowhere")


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "store-keys.json"
    file.write_bytes(msgspec.json.encode(KEYS))
    return file


def test_a_gateway_takes_the_keys_of_both_faces_of_its_store(tmp_path: Path, keys_file: Path) -> None:
    backbone = BackboneSettings(
        url="tls://h:1", name="gateway.lab", ca_file=NOWHERE, certificate_file=NOWHERE, key_file=NOWHERE
    )
    settings = GatewaySettings(
        site="lab",
        gateway="gateway.lab",
        listen_port=1,
        backbone=backbone,
        own_store=STORE,
        peer_store=STORE,
        store_keys_file=keys_file,
    )
    file = tmp_path / "settings.json"
    file.write_bytes(format_settings(settings))
    found = read_settings(file)
    assert found.peer_store is not None
    assert (found.own_store.access_key, found.own_store.secret_key) == ("own", "s1")
    assert (found.peer_store.access_key, found.peer_store.secret_key) == ("peer", "s2")
    assert found.own_store.ca_pem == found.peer_store.ca_pem == "CA"


def test_a_directory_store_lets_other_sites_manage_no_buckets(tmp_path: Path, keys_file: Path) -> None:
    file = tmp_path / "settings.json"
    settings = DirectorySettings(name="store.lab", folder=tmp_path, keys_file=keys_file, listen_port=1)
    file.write_bytes(format_directory_settings(settings))
    keys = read_directory_settings(file).keys
    assert [(key.access_key, key.secret_key, key.may_manage) for key in keys] == [
        ("own", "s1", True),
        ("peer", "s2", False),
    ]


def test_keys_are_in_no_repr() -> None:
    assert repr(KEYS) == "StoreKeys()"
