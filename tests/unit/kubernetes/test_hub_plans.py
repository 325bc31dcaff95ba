"""What stands in a cluster for a hub: plans against the rules, and who is let in."""

from pathlib import Path

import msgspec
import pytest

from continuum.model.errors import InvalidInputError
from continuum.sites.homes import Home, SiteAddress
from continuum.sites.hubs import HubSettings
from continuum.sites.joining.invitations import IdentityPems
from continuum.sites.kubernetes.deploying import make_home, read_secrets
from continuum.sites.kubernetes.hubs import HubPlace, HubSecrets, plan_hub, plan_hub_secrets
from continuum.sites.kubernetes.rules import find_violations
from continuum.sites.kubernetes.settings import ClaimStorage, LocalStorage, Manifest

PLACE = HubPlace(continuum="lab", address="10.0.0.7", image="localhost/continuum:1")
PEMS = IdentityPems(certificate="C", key="secret-key", signing_certificate="S", signing_key="secret-key")
SECRETS = HubSecrets(ca="CA", hub=PEMS, backbone=PEMS, sealing_key=b"secret-key", database_url="secret-key")


def find(place: HubPlace, kind: str, name: str) -> Manifest:
    (found,) = [m for m in plan_hub(place) if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"has_database": True},
        {"storage": ClaimStorage()},
        {"storage": LocalStorage(path="/srv/hub", node="one")},
        {"service": "LoadBalancer"},
        {"service": "ClusterIP", "makes_namespaces": False},
    ],
)
def test_every_plan_keeps_every_rule(change: dict[str, object]) -> None:
    place = msgspec.structs.replace(PLACE, **change)
    assert find_violations((*plan_hub(place), *plan_hub_secrets(place, SECRETS))) == ()


def test_a_site_that_joins_replaces_the_backbone_and_leaves_the_hub_alone() -> None:
    joined = msgspec.structs.replace(PLACE, joined=("lab",))
    for kind, name, is_same in (("Deployment", "backbone", False), ("StatefulSet", "hub", True)):
        assert (find(PLACE, kind, name) == find(joined, kind, name)) is is_same
    text = find(joined, "ConfigMap", "settings")["data"]["backbone.json"]
    assert {"CN=agent.lab", "CN=gateway.lab"} <= {u["user"] for u in _decode(text)["authorization"]["users"]}


def test_with_postgresql_the_hub_keeps_nothing_in_the_cluster_and_its_url_is_a_secret() -> None:
    place = msgspec.structs.replace(PLACE, has_database=True, storage=ClaimStorage())
    assert not [m for m in plan_hub(place) if m["kind"] == "PersistentVolumeClaim"]
    text = find(place, "ConfigMap", "settings")["data"]["hub.json"]
    hub = msgspec.json.decode(text, type=HubSettings, dec_hook=lambda kind, value: kind(value))
    assert hub.database_url == "file:/etc/continuum/identity/database-url"
    assert "secret-key" not in str(plan_hub(place)) + repr(SECRETS)


def test_a_port_of_machines_is_open_and_none_else() -> None:
    ports = {name: find(PLACE, "Service", name)["spec"]["ports"] for name in ("hub", "backbone")}
    assert [port["nodePort"] for found in ports.values() for port in found] == [30300, 30422]


@pytest.mark.parametrize(
    "change",
    [{"service": "Ingress"}, {"backbone_port": 4222}, {"backbone_port": 30300}, {"pull_policy": "no"}],
)
def test_what_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        plan_hub(msgspec.structs.replace(PLACE, **change))


def test_a_home_is_made_once_and_keeps_keys_and_sites(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    make_home(home, PLACE)
    first = read_secrets(home, PLACE, "")
    site = SiteAddress(name="a", kind="kubernetes", gateway_url="https://10.0.0.7:30802", computing_units=1)
    described = msgspec.structs.replace(home.continuum(), sites=(site,))
    home.continuum_file.write_bytes(msgspec.json.encode(described))
    make_home(home, PLACE)
    assert read_secrets(home, PLACE, "") == first
    assert home.continuum().sites == (site,)
    assert home.continuum().backbone_url == "tls://10.0.0.7:30422"


def _decode(text: str) -> dict[str, dict[str, list[dict[str, str]]]]:
    decoded: dict[str, dict[str, list[dict[str, str]]]] = msgspec.json.decode(text)
    return decoded
