"""Stores that people add: files, references to keys, what is refused."""

from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.store.stores.configurations import (
    StoreConfiguration,
    parse_size,
    read_store_file,
    resolve_keys,
    resolve_store,
)

ENVIRONMENT = {"OVH_ACCESS_KEY_ID": "A", "OVH_SECRET_ACCESS_KEY": "very secret"}


def configuration(**changes: str) -> StoreConfiguration:
    fields = {"endpoint": "https://s3.gra.io.cloud.ovh.net", "site": "cloud", "credentials": "env:OVH"}
    return StoreConfiguration(**(fields | changes))


def test_a_toml_file_and_a_json_file_describe_the_same_stores(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[stores.gra]\nendpoint = "https://h"\nsite = "cloud"\ncredentials = "env:OVH"\ncapacity = "2 TB"\n'
    )
    (tmp_path / "s.json").write_text(
        '{"stores": {"gra": {"endpoint": "https://h", "site": "cloud", "credentials": "env:OVH",'
        ' "capacity": "2 TB"}}}'
    )
    found = read_store_file(tmp_path / "s.toml")
    assert found == read_store_file(tmp_path / "s.json")
    assert resolve_store("gra", found["gra"], ENVIRONMENT).capacity_bytes == 2 * 10**12


@pytest.mark.parametrize("text", ["[stores.a]\nsecret_key = 'x'", "stores = 1", "[stores", "\xff"])
def test_a_file_that_is_wrong_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInputError, match=r"s\.toml"):
        read_store_file(tmp_path / "s.toml")


def test_keys_come_from_files_profiles_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"access_key": "A", "secret_key": "S"}')
    (tmp_path / "aws").write_text(
        "[default]\naws_access_key_id=A\naws_secret_access_key=S\n"
        "[lab]\naws_access_key_id = B\naws_secret_access_key = a%b\n"
    )
    profiles = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "aws")}
    assert resolve_keys(f"file:{tmp_path}/keys.json", {}).secret_key == "S"
    assert resolve_keys(f"file:{tmp_path}/aws", {}).access_key == "A"
    assert resolve_keys("profile:lab", profiles).secret_key == "a%b"
    assert resolve_keys("env:OVH", ENVIRONMENT).secret_key == "very secret"
    with pytest.raises(NotFoundError, match="nobody"):
        resolve_keys("profile:nobody", profiles)


@pytest.mark.parametrize("reference", ["very secret", "env:", "keys:x", "", "file:", "https://a:b@c"])
def test_keys_are_never_given_as_such(reference: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        resolve_keys(reference, {})
    assert "secret" not in str(caught.value)


def test_temporary_keys_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="temporary"):
        resolve_keys("env:OVH", ENVIRONMENT | {"OVH_SESSION_TOKEN": "t"})


def test_the_secret_is_in_no_repr() -> None:
    store = resolve_store("gra", configuration(), ENVIRONMENT)
    assert "very secret" not in repr(store) + repr(resolve_keys("env:OVH", ENVIRONMENT))


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "http://s3.example.org"},
        {"endpoint": "unix:/run/s3.sock"},
        {"endpoint": "https://key:secret@host"},
        {"endpoint": "s3.example.org"},
        {"addressing": "auto"},
        {"site": "No Site"},
        {"capacity": "much"},
    ],
)
def test_a_store_that_cannot_work_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        resolve_store("gra", configuration(**changes), ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("", 0), ("10", 10), ("1kB", 1000), ("1 KiB", 1024), ("1 kiB", 1024), ("2 TiB", 2 * 1024**4)],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes
