"""What stands in a cluster for a site: plans against the rules, and what changes when settings do."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from continuum.model.errors import InvalidInputError
from continuum.sites.agents import AgentSettings
from continuum.sites.joining.invitations import IdentityPems
from continuum.sites.kubernetes.kustomizing import example_site, plan_files
from continuum.sites.kubernetes.manifests import plan_site
from continuum.sites.kubernetes.objects import ORDER
from continuum.sites.kubernetes.rules import find_violations
from continuum.sites.kubernetes.secrets import plan_secrets, redact
from continuum.sites.kubernetes.settings import (
    ExternalStore,
    HostAlias,
    LocalStorage,
    Manifest,
    Outside,
    Overlay,
    PodStorage,
    SiteSecrets,
    SiteSettings,
)
from continuum.sites.kubernetes.texts import format_manifests, parse_manifests
from continuum.store import DirectorySettings, GatewaySettings, StoreKeys

EDGE = SiteSettings(
    name="lab",
    overlay=Overlay.EDGE,
    image="localhost/continuum:1",
    backbone_url="tls://10.0.0.1:4222",
    computing_units=2,
    memory_bytes=1 << 30,
)
CLOUD = msgspec.structs.replace(EDGE, overlay=Overlay.CLOUD)
EXTERNAL = ExternalStore(endpoint="https://s3.example.org", bucket="lab")
VARIANTS = [
    EDGE,
    CLOUD,
    msgspec.structs.replace(CLOUD, external_store=EXTERNAL),
    msgspec.structs.replace(EDGE, storage=LocalStorage(path="/srv/continuum", node="one")),
    msgspec.structs.replace(EDGE, storage=PodStorage()),
    msgspec.structs.replace(CLOUD, namespace="team", makes_namespaces=False, runs_namespace="team"),
    msgspec.structs.replace(CLOUD, disruption_api="policy/v1", pull_secrets=("pull",)),
    msgspec.structs.replace(EDGE, outside=Outside(address="10.0.0.7")),
]
PEMS = IdentityPems(certificate="C", key="secret-key", signing_certificate="S", signing_key="secret-key")
SECRETS = SiteSecrets(
    ca="CA",
    agent=PEMS,
    gateway=PEMS,
    store=PEMS,
    store_keys=StoreKeys(
        site_access_key="a", site_secret_key="secret-key", peer_access_key="b", peer_secret_key="secret-key"
    ),
    access_key="c",
    secret_key="secret-key",
    master_keys="secret-key",
)


def find(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("settings", VARIANTS)
def test_every_plan_keeps_every_rule(settings: SiteSettings) -> None:
    assert find_violations((*plan_site(settings), *plan_secrets(settings, SECRETS))) == ()


@pytest.mark.parametrize("settings", VARIANTS)
def test_what_others_need_is_applied_first_and_everything_bears_the_site(settings: SiteSettings) -> None:
    plan = plan_site(settings)
    places = [ORDER.index(manifest["kind"]) for manifest in plan]
    assert places == sorted(places)
    assert {manifest["metadata"]["labels"]["continuum/site"] for manifest in plan} == {"lab"}
    names = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in plan]
    assert len(set(names)) == len(names)


def decode(data: dict[str, str], name: str, kind: type[Any]) -> Any:
    return msgspec.json.decode(data[name], type=kind, dec_hook=lambda kind, value: kind(value))


def test_the_settings_are_those_that_the_processes_read_and_hold_no_secret() -> None:
    data = find(plan_site(CLOUD), "ConfigMap", "settings")["data"]
    agent = decode(data, "agent.json", AgentSettings)
    gateway = decode(data, "gateway.json", GatewaySettings)
    store = decode(data, "store.json", DirectorySettings)
    assert agent.gateway_url == "https://gateway.continuum-lab.svc:8002"
    assert gateway.own_store.endpoint == "https://store.continuum-lab.svc:8443"
    assert (gateway.own_store.secret_key, store.keys) == ("", ())
    assert gateway.is_tls
    assert store.is_tls


def test_the_agent_alone_has_a_token_and_only_where_it_makes_pods() -> None:
    for settings, expected in ((EDGE, []), (CLOUD, ["agent"])):
        plan = plan_site(settings)
        pods = {
            m["metadata"]["name"]: m["spec"]["template"]["spec"]
            for m in plan
            if "template" in m.get("spec", {})
        }
        have = [name for name, pod in pods.items() if any("projected" in volume for volume in pod["volumes"])]
        assert have == expected
        assert any(m["kind"] == "Role" for m in plan) == bool(expected)


def test_rights_are_in_the_namespace_of_runs_where_no_identity_lies() -> None:
    plan = plan_site(CLOUD)
    assert find(plan, "Role", "agent")["metadata"]["namespace"] == "continuum-lab-runs"
    secrets = plan_secrets(CLOUD, SECRETS)
    assert {secret["metadata"]["namespace"] for secret in secrets} == {"continuum-lab"}


def test_pods_are_replaced_when_their_own_settings_or_identities_change_and_not_else() -> None:
    def templates(settings: SiteSettings) -> dict[str, Manifest]:
        plan = plan_site(settings)
        return {m["metadata"]["name"]: m["spec"]["template"] for m in plan if "template" in m.get("spec", {})}

    before = templates(CLOUD)
    labelled = templates(msgspec.structs.replace(CLOUD, labels={"rack": "7"}))
    assert [name for name in before if before[name] != labelled[name]] == ["agent"]
    renewed = templates(msgspec.structs.replace(CLOUD, identities_mark="2"))
    assert all(before[name] != renewed[name] for name in before)
    assert templates(msgspec.structs.replace(CLOUD, disruption_api="policy/v1")) == before


def test_tasks_of_an_edge_site_have_their_memory_in_the_agents_pod() -> None:
    for settings, limit in ((EDGE, "1536Mi"), (CLOUD, "512Mi")):
        pod = find(plan_site(settings), "Deployment", "agent")["spec"]["template"]["spec"]
        assert pod["containers"][0]["resources"]["limits"] == {"memory": limit}


def test_a_store_elsewhere_leaves_nothing_of_ours_to_store() -> None:
    plan = plan_site(VARIANTS[2])
    assert not [m for m in plan if m["metadata"]["name"].startswith("store")]
    assert {m["metadata"]["name"] for m in plan_secrets(VARIANTS[2], SECRETS)} == {"agent", "gateway"}


def test_a_folder_of_a_machine_becomes_volumes_that_are_kept_and_bound_to_their_claims() -> None:
    plan = plan_site(VARIANTS[3])
    claim = find(plan, "PersistentVolumeClaim", "gateway-state")
    volume = find(plan, "PersistentVolume", claim["spec"]["volumeName"])
    assert volume["spec"]["claimRef"]["name"] == "gateway-state"
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    pod = find(plan, "Deployment", "gateway")["spec"]["template"]["spec"]
    assert {"name": "state", "mountPath": "/var/lib/continuum", "subPath": "gateway"} in pod["containers"][0][
        "volumeMounts"
    ]


def test_the_backbone_is_the_one_address_outside_that_an_agent_at_the_edge_may_reach() -> None:
    egress = find(plan_site(EDGE), "NetworkPolicy", "agent")["spec"]["egress"]
    assert {
        "ports": [{"protocol": "TCP", "port": 4222}],
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
    } in egress
    outside = [rule for rule in egress if not any("podSelector" in peer for peer in rule.get("to", [{}]))]
    assert len(outside) == 1


def test_secrets_are_in_no_repr_and_hidden_before_they_are_shown() -> None:
    secrets = plan_secrets(EDGE, SECRETS)
    shown = [redact(secret) for secret in (*secrets, *plan_site(EDGE))]
    assert "secret-key" not in repr(SECRETS)
    assert {value for m in shown if m["kind"] == "Secret" for value in m["data"].values()} == {"REDACTED"}
    assert [m for m in shown if m["kind"] != "Secret"] == list(plan_site(EDGE))


def test_a_site_without_master_keys_is_not_given_any() -> None:
    settings = msgspec.structs.replace(EDGE, has_master_keys=False)
    gateway = find(plan_secrets(settings, SECRETS), "Secret", "gateway")
    assert "master.keys" not in gateway["data"]
    data = find(plan_site(settings), "ConfigMap", "settings")["data"]
    assert decode(data, "gateway.json", GatewaySettings).master_keys_file is None


def test_names_outside_are_put_into_every_pod() -> None:
    alias = HostAlias(address="10.0.0.9", names=("hub.example.org",))
    plan = plan_site(msgspec.structs.replace(EDGE, host_aliases=(alias,)))
    pods = [m["spec"]["template"]["spec"] for m in plan if "template" in m.get("spec", {})]
    assert all(pod["hostAliases"] == [{"ip": "10.0.0.9", "hostnames": ["hub.example.org"]}] for pod in pods)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Lab!"},
        {"backbone_url": "nats://x:1"},
        {"backbone_url": "tls://x"},
        {"computing_units": 0},
        {"pull_policy": "never"},
        {"storage": LocalStorage(path="relative", node="one")},
        {"disruption_api": "policy/v2"},
    ],
)
def test_settings_of_which_no_site_can_be_made_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        plan_site(msgspec.structs.replace(EDGE, **change))


def test_a_site_has_its_own_name_everywhere() -> None:
    settings = msgspec.structs.replace(example_site(Overlay.CLOUD), name="other")
    assert "lab" not in format_manifests(plan_site(settings)).replace("label", "").replace("Label", "")


def test_manifests_are_the_same_when_they_were_written_and_read() -> None:
    plan = plan_site(CLOUD)
    assert parse_manifests(format_manifests(plan)) == plan


def test_the_base_and_an_overlay_have_each_object_once_and_all_that_is_planned() -> None:
    files = plan_files()
    for overlay in Overlay:
        folders = ("base", f"overlays/{overlay}")
        found = [
            manifest
            for path, text in files.items()
            for manifest in parse_manifests(text)
            if path.rpartition("/")[0] in folders and manifest["kind"] != "Kustomization"
        ]
        plan = plan_site(example_site(overlay))
        assert len(found) == len(plan)
        assert all(manifest in found for manifest in plan)
