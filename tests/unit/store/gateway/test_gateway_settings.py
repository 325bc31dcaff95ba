"""What a gateway is told: written and read without loss; what must not be is refused with its reason."""

from pathlib import Path

import msgspec
import pytest

from continuum.backbone import BackboneSettings
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Store
from continuum.store.gateway import GatewaySettings, format_settings, read_settings
from continuum.store.gateway.settings import check, is_loopback

OWN = Store(
    name="store.edge",
    site="edge",
    endpoint="unix:/run/s3.sock",
    region="us-east-1",
    bucket="physical",
    access_key="AK",
    secret_key="secret",
)
SETTINGS = GatewaySettings(
    site="edge",
    gateway="gateway.edge",
    listen_port=8002,
    backbone=BackboneSettings(
        url="tls://127.0.0.1:4222",
        name="gateway.edge",
        ca_file=Path("/ca.pem"),
        certificate_file=Path("/c.pem"),
        key_file=Path("/k.pem"),
    ),
    own_store=OWN,
)


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(format_settings(SETTINGS))
    assert read_settings(path) == SETTINGS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed|truncated"),
        ('{"site": 1}', "Expected `str`, got `int`"),
        ("{}", "missing required field"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=reason):
        read_settings(path)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    known = msgspec.json.decode(format_settings(SETTINGS))
    path.write_bytes(msgspec.json.encode({**known, "polcy": "write_local"}))
    with pytest.raises(InvalidInputError, match="polcy"):
        read_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read the settings .*: No such file"):
        read_settings(tmp_path / "none.json")


TLS = {"tls_certificate_file": Path("/c"), "tls_key_file": Path("/k")}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"listen_host": "0.0.0.0"}, "would show objects to the network"),
        ({"listen_host": "example.org"}, "would show objects to the network"),
        ({"listen_host": "::"}, "would show objects to the network"),
        ({"profile": "release"}, "no plain HTTP"),
        ({"profile": "test"}, "no profile 'test'"),
        ({"tls_key_file": Path("/k")}, "both"),
        ({"processes": 0}, "1 or more"),
        ({"peer_store": msgspec.structs.replace(OWN, name="other")}, "same name"),
    ],
)
def test_settings_that_must_not_be_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        check(msgspec.structs.replace(SETTINGS, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"listen_host": "localhost"},
        {"listen_host": "::1"},
        {"listen_host": "0.0.0.0", **TLS},
        {"profile": "release", **TLS},
    ],
)
def test_settings_that_may_be_are_taken(changes: dict[str, object]) -> None:
    check(msgspec.structs.replace(SETTINGS, **changes))


def test_the_url_tells_the_scheme_and_brackets_an_address_of_version_6() -> None:
    assert SETTINGS.url == "http://127.0.0.1:8002"
    assert msgspec.structs.replace(SETTINGS, listen_host="::1", **TLS).url == "https://[::1]:8002"


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(OWN)


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)],
)
def test_loopback_is_known(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it
